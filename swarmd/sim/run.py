"""A run of a seed: boot a swarm, let faults and clients loose, heal it, and demand that it is well."""

import asyncio
import gc
import re
from collections.abc import Callable
from random import Random

import msgspec

from swarmd.ca.tokens import join_token
from swarmd.model.cluster import ClusterSpec, RaftSettings
from swarmd.model.node import Role
from swarmd.sim.checkers import Checkers
from swarmd.sim.client import Client
from swarmd.sim.ending import unwell
from swarmd.sim.faults import Faults
from swarmd.sim.loop import SimLoop
from swarmd.sim.operators import Operator
from swarmd.sim.wishes import NodeWish, Wishes
from swarmd.sim.workload import NAMES, Workload
from swarmd.sim.world import World
from swarmd.wire.swarm import InitRequest, JoinRequest

#: Virtual seconds of faults, and in which a healed swarm has to be well.
SAFETY_S, LIVENESS_S = 45.0, 120.0
#: Virtual seconds in which daemons without a swarm are up.
START_S = 5.0
#: Part of the requests that are about nodes.
OPERATIONS = 0.3
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

    def command(self, seed: int) -> str:
        """What runs a seed of this mix."""
        words = [f"python -m swarmd.sim --seed {seed}"]
        if self.managers != Mix().managers:
            words.append(f"--managers {self.managers}")
        if self.workers != Mix().workers:
            words.append(f"--workers {self.workers}")
        return " ".join([*words, *(f"--fault {fault}" for fault in self.faults)])


MIX = Mix()


#: In the words of a violation: an id; a host or a service.
_ID = re.compile(r"\b([0-9a-z]{25})\b")
_NAME = re.compile(rf"\b(h\d+|{'|'.join(NAMES)})\b")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a seed."""

    digest: str
    #: the first invariant that did not hold, or empty
    violation: str
    #: requests that were answered, callbacks run
    answered: int
    steps: int
    #: how it is run again
    command: str

    @property
    def report(self) -> str:
        """A line of what became of it; of a violation also how to look into it."""
        if not self.violation:
            return f"{self.command}: {self.answered} requests, {self.steps} steps"
        suspect = _ID.search(self.violation) or _NAME.search(self.violation)
        story = f" --story {suspect[1]}" if suspect else ""
        return f"{self.violation}\nto see it again: {self.command}{story}"


def run(
    seed: int, prepare: Callable[[World], object] = lambda _world: None, mix: Mix = MIX
) -> Outcome:
    """Run a seed; `prepare` may plant something into the world."""
    loop = SimLoop(seed)
    gc.disable()  # a collection at another moment must not be another run
    try:
        world = World(loop, seed, mix.managers + mix.workers)
        prepare(world)
        one = _Run(world, mix)
        loop.run_until_complete(one.all())
        for error in loop.unhandled:
            world.violate(f"an exception nobody handled: {error!r}")
        return Outcome(
            digest=world.trace.digest,
            violation=world.violations[0] if world.violations else "",
            answered=one.client.answered,
            steps=loop.steps,
            command=mix.command(seed),
        )
    finally:
        gc.enable()
        loop.close()


class _Run:
    """The phases of a run."""

    def __init__(self, world: World, mix: Mix) -> None:
        self._world, self._mix = world, mix
        self.client = Client(world)
        self._wishes = Wishes()
        self._workload = Workload(world, self.client, self._wishes)
        self._operator = Operator(world, self.client, self._wishes)
        self._faults = Faults(world, mix.faults)
        self._checkers = Checkers(world, self.client)
        world.on_newer.append(self._operator.follow)
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
            role = Role.MANAGER if is_manager else Role.WORKER
            secret = secrets.join_secrets.manager if is_manager else secrets.join_secrets.worker
            assert machine.daemon is not None
            await machine.daemon.join(
                JoinRequest(
                    remote_addrs=(f"{world.machines[0].host.address}:2377",),
                    join_token=join_token(secrets.root_certificate, secret),
                )
            )
            self._wishes.nodes[machine.node_id] = NodeWish(role=role)
        self._wishes.nodes[world.machines[0].node_id] = NodeWish(role=Role.MANAGER)

    async def _break(self) -> None:
        end = self._world.loop.now + SAFETY_S
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._fault_until(end)) for _ in range(FAULTS)]
            while self._world.loop.now < end and not self._world.violations:
                await asyncio.sleep(self._chance.uniform(0.1, 1.0))
                is_about_nodes = self._chance.random() < OPERATIONS
                asked = self._operator if is_about_nodes else self._workload
                tasks.append(group.create_task(asked.once()))
            if self._world.violations:
                for task in tasks:  # nothing more is to be learned, and it may take long
                    task.cancel()

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
        async with asyncio.TaskGroup() as group:
            mending = group.create_task(self._operator.mend())
            is_well = await world.until(lambda: not self._unwell(), LIVENESS_S)
            if not is_well and not world.violations:
                problem = self._unwell()
                world.violate(f"not well {LIVENESS_S:g} s after everything was healed: {problem}")
            mending.cancel()

    def _unwell(self) -> str:
        view = self._checkers.newest
        if view is None:
            return "nobody has a state"
        return unwell(view, self._wishes, self._world.machines)
