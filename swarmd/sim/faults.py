"""What happens to a world: crashes, power failures, cuts, lossy networks, engines that go away."""

import asyncio
from random import Random

from swarmd.sim.world import Machine, World


class Faults:
    """A seeded succession of faults; never more than a minority of managers at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = Random(f"faults {world.seed}")

    async def once(self) -> None:
        """One fault, and its end."""
        chance, world = self._chance, self._world
        machine = chance.choice(world.machines)
        match chance.choice(("kill", "kill", "power", "cut", "oneway", "noise", "engine", "drift")):
            case "kill":
                await self._away(machine, power=False)
            case "power":
                await self._away(machine, power=True)
            case "cut":
                await self._cut(machine, both=True)
            case "oneway":
                await self._cut(machine, both=False)
            case "noise":
                await self._noise()
            case "engine":
                await self._engine(machine)
            case "drift":
                machine.host.clock.rate = chance.uniform(0.98, 1.02)

    async def _away(self, machine: Machine, *, power: bool) -> None:
        self._world.kill(machine, power=power)
        await asyncio.sleep(self._chance.choice((0.5, 2.0, 6.0)))
        self._world.revive(machine)

    async def _cut(self, machine: Machine, *, both: bool) -> None:
        world = self._world
        others = [m.name for m in world.machines if m is not machine]
        cuts = {(machine.name, other) for other in others}
        if both:
            cuts |= {(other, machine.name) for other in others}
        world.disturb()
        world.fabric.cut |= cuts
        world.trace("cut", sorted(cuts))
        await asyncio.sleep(self._chance.choice((0.5, 3.0, 9.0)))
        world.fabric.cut -= cuts
        world.disturb()

    async def _noise(self) -> None:
        fabric = self._world.fabric
        self._world.disturb()
        fabric.loss, fabric.double, fabric.late = 0.15, 0.05, 0.2
        await asyncio.sleep(5)
        fabric.loss = fabric.double = fabric.late = 0.0
        self._world.disturb()

    async def _engine(self, machine: Machine) -> None:
        if machine.host.has_power:
            machine.engine.stop(containers_die=self._chance.random() < 0.5)
            await asyncio.sleep(self._chance.choice((1.0, 5.0)))
            machine.engine.start()
