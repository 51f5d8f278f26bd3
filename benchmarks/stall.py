"""How long the leader's loop is held while `control` works on 1,000 services of 100 tasks.

    python -m benchmarks.stall [--services 1000] [--tasks 100] [--nodes 1000]

A store, its loop of writes and the loop of control, as in the daemon, on the daemon's event loop;
the log is in memory and takes no time.  A beat that comes round with the loop tells how long each
turn was: all callbacks of a turn together, so no callback took longer.  CPU milliseconds are of the
thread, without what other processes took from it; `wall` includes that.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import msgspec
import uvloop

from benchmarks.peers import arguments
from swarmd.daemon.main import calm_collector
from swarmd.dispatcher.control.loop import ControlLoop
from swarmd.model.ids import RequestID, ServiceID, TaskID, Version
from swarmd.model.service import Service, StoredSpec
from swarmd.model.spec import UpdateConfig
from swarmd.model.task import TaskState, TaskStatus
from swarmd.net.clock import SystemClock
from swarmd.store.entry import Change, PatchTask, PutCluster, PutNode, PutService, PutSpec
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from tests.unit.dispatcher.cluster import Cluster, spec

#: Reports of agents that come in together, as the dispatcher gathers them.
TOGETHER = 256
#: The update of a service of 10,000 tasks is meant to come to an end.
AT_ONCE = UpdateConfig(parallelism=0, max_failure_ratio=1.0)
#: So many turns of the loop without a write: control rests.
_QUIET_TURNS = 200


class MemoryLog:
    """A log whose every proposal is committed at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.index = 0

    async def propose(self, command: bytes) -> bytes:
        """The result of `apply`, in the next turn of the loop."""
        await asyncio.sleep(0)
        self.index += 1
        return self._store.apply(self.index, command)

    async def barrier(self) -> int:
        """Nothing is under way."""
        return self.index

    def leading_term(self) -> int | None:
        """The only one."""
        return 1


class Beat:
    """Comes round with the loop, and keeps how long each turn took."""

    def __init__(self) -> None:
        self.cpu_ms: list[float] = []
        self.wall_ms: list[float] = []

    async def run(self) -> None:
        """Until cancelled."""
        cpu, wall = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now, today = time.thread_time(), time.perf_counter()
            self.cpu_ms.append((now - cpu) * 1e3)
            self.wall_ms.append((today - wall) * 1e3)
            cpu, wall = now, today


class Leader:
    """The part of a leading manager that is measured."""

    def __init__(self) -> None:
        self.store = Store(SystemClock(), "n1")
        self.log = MemoryLog(self.store)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Its loops, for one term."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.store.run(self.log)),
                group.create_task(ControlLoop(self.store).run()),
            ]
            yield
            for task in tasks:
                task.cancel()

    async def write(self, changes: Sequence[Change]) -> None:
        """One write, as a request to the API is one."""
        write = Write(request_id=RequestID(""), principal="bench", decide=lambda *_: changes)
        await self.store.write(write)

    async def rest(self) -> None:
        """Returns when nothing has been written for a while."""
        index, turns = self.log.index, 0
        while turns < _QUIET_TURNS:
            await asyncio.sleep(0)
            turns = turns + 1 if index == self.log.index else 0
            index = self.log.index

    async def measured(self, what: str, *writes: Sequence[Change]) -> None:
        """Write, let control come to rest, print the turns of the loop."""
        beat = Beat()
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(beat.run())
            for changes in writes:
                await self.write(changes)
            await self.rest()
            beating.cancel()
        cpu = sorted(beat.cpu_ms)
        over = sum(turn > 50 for turn in cpu)
        print(
            f"{what:44} {cpu[-1]:8.1f} {max(beat.wall_ms):8.1f} {over:8} {sum(cpu) / 1e3:8.2f}",
            flush=True,
        )

    async def report(self, what: str, state: TaskState) -> None:
        """Every task's agent says so, or that it stopped as it was asked, some hundred at a time."""
        status = TaskStatus(state=state, timestamp=self.store.now())
        ended = TaskStatus(state=TaskState.SHUTDOWN, timestamp=self.store.now())
        reports = [
            patch(task.id, status if task.is_wanted else ended)
            for task in self.store.view().tasks()
            if not task.is_terminal
        ]
        starts = range(0, len(reports), TOGETHER)
        await self.measured(what, *(reports[at : at + TOGETHER] for at in starts))

    def failure(self) -> PatchTask:
        """A task's agent reports that it failed."""
        failed = TaskStatus(state=TaskState.FAILED, timestamp=self.store.now())
        return patch(next(self.store.view().tasks()).id, failed)


def patch(task: TaskID, status: TaskStatus) -> PatchTask:
    return PatchTask(id=task, status=status)


def deploy(name: str, replicas: int, version: int = 1) -> list[Change]:
    """What the API writes for a service."""
    identity = ServiceID(f"svc-{name}")
    stored = StoredSpec(
        service_id=identity,
        version=Version(version),
        spec=spec(replicas, name=name, force_update=version // 2, update_config=AT_ONCE),
    )
    service = Service(id=identity, name=name, spec_version=Version(version))
    if version > 1:
        service = msgspec.structs.replace(service, previous_spec_version=Version(version - 1))
    return [PutSpec(record=stored), PutService(record=service)]


async def run(services: int, tasks: int, nodes: int) -> None:
    """The life of a large cluster."""
    leader = Leader()
    made = Cluster(nodes=nodes)
    calm_collector()
    async with leader.running():
        assert made.tables.cluster is not None
        await leader.write([PutCluster(record=made.tables.cluster)])
        await leader.write([PutNode(record=node) for node in made.tables.nodes().values()])
        await leader.measured("one service of 10,000 tasks, new", deploy("large", 10_000))
        await leader.report("each of its tasks running", TaskState.RUNNING)
        await leader.measured("one of them fails", [leader.failure()])
        await leader.measured("all of it updated at once", deploy("large", 10_000, 2))
        await leader.report("old tasks ended, new ones running", TaskState.RUNNING)
        await leader.measured("it is scaled to none", deploy("large", 0, 3))
        await leader.report("each of its tasks ended", TaskState.SHUTDOWN)
        await leader.measured(
            f"{services} services of {tasks} tasks, all new",
            *(deploy(f"s{number}", tasks) for number in range(services)),
        )
        await leader.report("each task running", TaskState.RUNNING)
        await leader.measured("one task fails", [leader.failure()])
        await leader.measured("one service scaled by one", deploy("s1", tasks + 1, 2))
        node = next(iter(leader.store.view().nodes().values()))
        made.down(node.id)
        down = made.tables.node(node.id)
        assert down is not None
        await leader.measured("a node dies", [PutNode(record=down)])
    await taking_office(leader)


async def taking_office(leader: Leader) -> None:
    """A new term: all is looked at anew."""
    async with leader.running():
        await leader.measured("taking office: everything is looked at")


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, services=1_000, tasks=100, nodes=1_000)
    print(
        f"{'longest turn of the loop, ms':44} {'CPU':>8} {'wall':>8} {'> 50 ms':>8} {'all, s':>8}"
    )
    uvloop.run(run(options.services, options.tasks, options.nodes))


if __name__ == "__main__":
    main()
