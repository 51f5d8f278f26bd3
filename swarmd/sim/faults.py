"""What happens to a world: crashes, cuts, lossy networks, engines and disks that fail, odd clocks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from swarmd.sim.world import Machine, World

#: Long enough that a node is given up, or hardly noticed.
SPELLS_S = (0.5, 3.0, 9.0)
#: Of a process that was not run, as its own clock tells afterwards.
STALLS_S = (1.0, 4.0, 12.0)
#: By which a wall clock is wrong: within the hour by which certificates begin earlier.
WALLS_S = (-1800.0, -30.0, -1.0, 1.0, 30.0, 1800.0)


class Faults:
    """Seeded faults, each with its end; several may overlap."""

    def __init__(self, world: World, names: Sequence[str] = ()) -> None:
        self._world = world
        self._chance = Random(f"faults {world.seed}")
        #: what is cut at the moment, cut by cut
        self._cuts: list[set[tuple[str, str]]] = []
        #: name, fault, weight
        kinds: tuple[tuple[str, Callable[[Machine], Awaitable[None]], int], ...] = (
            ("kill", self._kill, 4),
            ("power", self._power, 3),
            ("blackout", self._blackout, 1),
            ("cut", self._cut, 3),
            ("cut-one-way", self._cut_one_way, 2),
            ("noise", self._noise, 2),
            ("engine-away", self._engine_away, 2),
            ("engine-hangs", self._engine_hangs, 1),
            ("engine-refuses", self._engine_refuses, 1),
            ("container-dies", self._container_dies, 2),
            ("container-lost", self._container_lost, 1),
            ("disk-full", self._disk_full, 1),
            ("drift", self._drift, 1),
            ("wall", self._wall, 1),
            ("stall", self._stall, 2),
        )
        self._kinds = [kind for kind in kinds if kind[0] in names or not names]

    async def once(self) -> None:
        """One fault, from its beginning to its end."""
        machine = self._chance.choice(self._world.machines)
        weights = [weight for _, _, weight in self._kinds]
        name, fault, _ = self._chance.choices(self._kinds, weights)[0]
        self._world.trace("fault", name, machine.name)
        await fault(machine)

    async def _spell(self) -> None:
        await asyncio.sleep(self._chance.choice(SPELLS_S))

    # ---- processes and hosts

    async def _kill(self, machine: Machine) -> None:
        """Kill -9 of the daemon; its containers run on."""
        self._world.kill(machine)
        await self._spell()
        self._world.revive(machine)

    async def _power(self, machine: Machine) -> None:
        """The host loses power, and what its disk had not synced."""
        self._world.kill(machine, power=True)
        await self._spell()
        self._world.revive(machine)

    async def _blackout(self, _machine: Machine) -> None:
        """All hosts lose power at once."""
        for machine in self._world.machines:
            self._world.kill(machine, power=True)
        for machine in self._world.machines:
            await asyncio.sleep(self._chance.uniform(0.1, 1.0))
            self._world.revive(machine)

    async def _drift(self, machine: Machine) -> None:
        machine.host.clock.drift(self._chance.uniform(0.98, 1.02))

    async def _wall(self, machine: Machine) -> None:
        """Somebody sets the wall clock, also back; a time server sets it right later."""
        machine.host.clock.set_wall(self._chance.choice(WALLS_S))
        await self._spell()
        machine.host.clock.set_wall(0.0)

    async def _stall(self, machine: Machine) -> None:
        """The daemon was not run for a while: frozen, swapped out, or busy with something long."""
        machine.host.clock.jump(self._chance.choice(STALLS_S))

    async def _disk_full(self, machine: Machine) -> None:
        machine.host.disk.is_full = True
        self._world.disturb()
        await self._spell()
        machine.host.disk.is_full = False
        self._world.disturb()

    # ---- the network

    async def _cut(self, machine: Machine) -> None:
        """A host by itself."""
        others = [m.name for m in self._world.machines if m is not machine]
        ways = {(machine.name, other) for other in others}
        await self._without(ways | {(there, here) for here, there in ways})

    async def _cut_one_way(self, machine: Machine) -> None:
        """A host that hears and is not heard, or the other way about."""
        others = [m.name for m in self._world.machines if m is not machine]
        ways = {(machine.name, other) for other in others}
        is_mute = self._chance.random() < 0.5
        await self._without(ways if is_mute else {(there, here) for here, there in ways})

    async def _without(self, ways: set[tuple[str, str]]) -> None:
        self._cuts.append(ways)
        self._apply_cuts()
        await self._spell()
        self._cuts.remove(ways)
        self._apply_cuts()

    def _apply_cuts(self) -> None:
        cut = self._world.fabric.cut = set().union(*self._cuts)
        self._world.trace("cut", sorted(cut))
        self._world.disturb()

    async def _noise(self, _machine: Machine) -> None:
        """Datagrams are lost, doubled, late."""
        fabric = self._world.fabric
        self._world.disturb()
        fabric.loss, fabric.double, fabric.late = 0.15, 0.05, 0.2
        await asyncio.sleep(5)
        fabric.loss = fabric.double = fabric.late = 0.0
        self._world.disturb()

    # ---- the engine

    async def _engine_away(self, machine: Machine) -> None:
        """Stopped, with its containers or (live-restore) without."""
        machine.engine.stop(containers_die=self._chance.random() < 0.5)
        await self._spell()
        if machine.host.has_power:
            machine.engine.start()

    async def _engine_hangs(self, machine: Machine) -> None:
        machine.engine.is_hanging = True
        await self._spell()
        machine.engine.is_hanging = False

    async def _engine_refuses(self, machine: Machine) -> None:
        machine.engine.failures = self._chance.randrange(1, 4)

    async def _container_dies(self, machine: Machine) -> None:
        """A process of a task ends by itself."""
        running = [c.id for c in machine.engine.containers.values() if c.status == "running"]
        if running:
            machine.engine.exited(self._chance.choice(running), self._chance.choice((0, 1)))

    async def _container_lost(self, machine: Machine) -> None:
        """Somebody removed a container at the engine's own socket."""
        if machine.engine.containers:
            machine.engine.lose(self._chance.choice(list(machine.engine.containers)))
