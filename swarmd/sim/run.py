"""A run of a seed: boot a swarm, let faults and clients loose, heal it, and demand that it is well."""

import asyncio
import gc
from collections.abc import Callable
from random import Random

import msgspec

from swarmd.ca.tokens import join_token
from swarmd.model.cluster import ClusterSpec, RaftSettings
from swarmd.sim.checkers import Checkers
from swarmd.sim.ending import unwell
from swarmd.sim.faults import Faults
from swarmd.sim.loop import SimLoop
from swarmd.sim.workload import Workload
from swarmd.sim.world import World
from swarmd.wire.swarm import InitRequest, JoinRequest

#: Virtual seconds of faults, and in which a healed swarm has to be well.
SAFETY_S, LIVENESS_S = 45.0, 120.0
#: Virtual seconds in which daemons without a swarm are up.
START_S = 5.0
#: How many faults may overlap.
FAULTS = 2
#: Snapshots are taken often enough to matter.
SPEC = ClusterSpec(name="default", labels={}, raft=RaftSettings(snapshot_interval=200))


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """How many nodes, and what befalls them."""

    managers: int = 3
    workers: int = 2
    #: names of faults; empty = all of them
    faults: tuple[str, ...] = ()


MIX = Mix()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a seed."""

    digest: str
    #: the first invariant that did not hold, or empty
    violation: str
    #: requests that were answered, callbacks run
    answered: int
    steps: int


def run(
    seed: int, prepare: Callable[[World], None] = lambda _world: None, mix: Mix = MIX
) -> Outcome:
    """Run a seed; `prepare` may plant something into the world."""
    loop = SimLoop(seed)
    gc.disable()  # a collection at another moment must not be another run
    try:
        world = World(loop, seed, mix.managers + mix.workers)
        prepare(world)
        workload = Workload(world)
        loop.run_until_complete(_Run(world, workload, mix).all())
        for error in loop.unhandled:
            world.violate(f"an exception nobody handled: {error!r}")
        return Outcome(
            digest=world.trace.digest,
            violation=world.violations[0] if world.violations else "",
            answered=workload.answered,
            steps=loop.steps,
        )
    finally:
        gc.enable()
        loop.close()


class _Run:
    """The phases of a run."""

    def __init__(self, world: World, workload: Workload, mix: Mix) -> None:
        self._world, self._workload, self._mix = world, workload, mix
        self._faults = Faults(world, mix.faults)
        self._checkers = Checkers(world)
        self._chance = Random(f"run {world.seed}")

    async def all(self) -> None:
        """Boot, break, heal, and look."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            await self._boot()
            await self._break()
            await self._heal()
            looking.cancel()
            for machine in self._world.live():
                self._world.kill(machine)
            await asyncio.sleep(2)  # let what was cancelled unwind

    async def _look(self) -> None:
        while not self._world.violations:
            self._checkers.look()
            await asyncio.sleep(0.05)

    async def _boot(self) -> None:
        world = self._world
        for machine in world.machines:
            world.start(machine)
        await world.until(lambda: all(machine.is_up for machine in world.machines), START_S)
        first = world.machines[0].daemon
        assert first is not None
        await first.init(InitRequest(spec=SPEC))
        secrets = first.view().cluster
        assert secrets is not None
        for position, machine in enumerate(world.machines[1:], start=1):
            is_manager = position < self._mix.managers
            secret = secrets.join_secrets.manager if is_manager else secrets.join_secrets.worker
            assert machine.daemon is not None
            await machine.daemon.join(
                JoinRequest(
                    remote_addrs=(f"{world.machines[0].host.address}:2377",),
                    join_token=join_token(secrets.root_certificate, secret),
                )
            )

    async def _break(self) -> None:
        end = self._world.loop.now + SAFETY_S
        async with asyncio.TaskGroup() as group:
            for _ in range(FAULTS):
                group.create_task(self._fault_until(end))
            while self._world.loop.now < end and not self._world.violations:
                await asyncio.sleep(self._chance.uniform(0.2, 1.5))
                group.create_task(self._workload.once())

    async def _fault_until(self, end: float) -> None:
        while self._world.loop.now < end and not self._world.violations:
            await asyncio.sleep(self._chance.uniform(1.0, 8.0))
            await self._faults.once()

    async def _heal(self) -> None:
        world = self._world
        world.fabric.cut.clear()
        for machine in world.machines:
            world.revive(machine)
            machine.engine.start()
        if not await world.until(lambda: not self._unwell(), LIVENESS_S) and not world.violations:
            world.violate(
                f"not well {LIVENESS_S:g} s after everything was healed: {self._unwell()}"
            )

    def _unwell(self) -> str:
        view = self._checkers.newest
        if view is None:
            return "nobody has a state"
        return unwell(view, self._workload.wishes, self._world.machines)
