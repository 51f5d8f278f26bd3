"""What the data plane costs the leader: 1,000 published services of 100 tasks, all running.

    python -m benchmarks.plane_speed [--services 1000] [--tasks 100] [--nodes 1000]

CPU milliseconds of what one write makes: finding out whether the plane changed, and what all sessions
make of it, the packing of their messages included.  `longest` is the longest turn of the loop.
"""

import time
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from benchmarks.peers import arguments
from swarmd.daemon.main import calm_collector
from swarmd.dispatcher.plane import PlaneFeed, PlaneLog
from swarmd.model.ids import NetworkID, NodeID, TaskID
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.model.node import NodeState
from swarmd.model.spec import EndpointSpec, PortConfig
from swarmd.model.task import TaskState, TaskStatus
from swarmd.store.apply import Touched
from swarmd.store.entry import Change, PatchTask, PutNetwork, PutNode
from tests.unit.dispatcher.cluster import Cluster, spec

SESSIONS = (3, 100)
#: Reports of agents that come in together, as the dispatcher gathers them.
TOGETHER = 256


class Turns:
    """CPU milliseconds of each turn."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._began = time.process_time()

    def next(self) -> None:
        """A turn has ended."""
        now = time.process_time()
        self.taken.append((now - self._began) * 1e3)
        self._began = now

    def of(self, steps: Iterable[object]) -> None:
        """Each step is a turn."""
        self._began = time.process_time()
        for _ in steps:
            self.next()


class Unchecked(Cluster):
    """A cluster that is not looked over after each write: it is large."""

    def check(self) -> None:
        """All is well."""


def large(services: int, tasks: int, nodes: int) -> Cluster:
    """Published services whose tasks all run, in an ingress network that has room for them."""
    cluster = Unchecked(nodes, ingress=False)
    pool = (IPAMConfig(subnet="10.0.0.0/8"),)
    made = NetworkSpec(name="ingress", labels={}, ingress=True, ipam_configs=pool)
    cluster.commit(PutNetwork(record=Network(id=NetworkID("ingress"), spec=made)))
    ports = EndpointSpec(ports=(PortConfig(target_port=80),))
    for number in range(services):
        cluster.deploy(spec(tasks, name=f"s{number}", endpoint_spec=ports))
    status = TaskStatus(state=TaskState.RUNNING, timestamp=cluster.now)
    cluster.commit(*(PatchTask(id=task.id, status=status) for task in cluster.tables.tasks()))
    return cluster


def patch(task: TaskID, status: TaskStatus) -> PatchTask:
    return PatchTask(id=task, status=status)


class Leader:
    """The log of the plane, and its sessions."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.log = cluster, PlaneLog()
        self._feeds: list[PlaneFeed] = []
        self._turns = Turns()
        self._size_bytes = 0

    def begin(self, count: int) -> Iterator[None]:
        """So many sessions, each told everything."""
        self._feeds = [PlaneFeed(NodeID(f"n{number + 1}"), self.log) for number in range(count)]
        for feed in self._feeds:
            for message in feed.next(self.cluster.tables.view()):
                self._size_bytes += len(message)
                yield

    def follow(self, touched: Sequence[Touched]) -> None:
        """What the dispatcher does after each write, and then its sessions."""
        view = self.cluster.tables.view()
        self._turns = Turns()
        is_news = self.log.changed(view, touched)
        self._turns.next()
        for feed in self._feeds if is_news else ():
            self._size_bytes += sum(map(len, feed.next(view)))
            self._turns.next()

    def write(self, what: str, changes: Sequence[Change]) -> None:
        """One row."""
        self._size_bytes = 0
        self.cluster.commit(*changes)
        self.row(what, self._turns)

    def row(self, what: str, turns: Turns) -> None:
        """Print it."""
        total, size = sum(turns.taken), self._size_bytes / 1024
        print(f"{what:52} {total:9.2f} {max(turns.taken):9.2f} {size:12.1f}", flush=True)

    def told(self, what: str, steps: Iterable[object]) -> None:
        """One row, each step a turn."""
        turns, self._size_bytes = Turns(), 0
        turns.of(steps)
        self.row(what, turns)


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, services=1_000, tasks=100, nodes=1_000)
    calm_collector()
    leader = Leader(large(options.services, options.tasks, options.nodes))
    cluster = leader.cluster
    tasks = list(cluster.tables.tasks())
    print(f"{'CPU ms':52} {'all':>9} {'longest':>9} {'KiB sent':>12}")
    leader.told("taking office: the plane is learned", leader.log.learn(cluster.tables.view()))
    cluster.watchers.append(leader.follow)
    for number, count in enumerate(SESSIONS):
        leader.told(f"{count} sessions begin", leader.begin(count))
        reporting = tasks[1_000 * (number + 1)]
        running = TaskStatus(state=TaskState.RUNNING, message="as before")
        leader.write(f"{count} sessions: a report that is no news", [patch(reporting.id, running)])
        failed = TaskStatus(state=TaskState.FAILED)
        leader.write(f"{count} sessions: a task fails", [patch(reporting.id, failed)])
        batch = tasks[10_000 * (number + 1) :][:TOGETHER]
        leader.write(f"{count} sessions: {TOGETHER} do", [patch(t.id, failed) for t in batch])
        node = cluster.tables.node(f"n{500 + number}")
        assert node is not None
        status = msgspec.structs.replace(node.status, state=NodeState.DOWN)
        down = PutNode(record=msgspec.structs.replace(node, status=status))
        leader.write(f"{count} sessions: a node with its tasks goes down", [down])


if __name__ == "__main__":
    main()
