"""A cluster for tests of the passes: tables, a clock, and agents that do what they are told.

No event loop: `control` is called and its changes are applied as entries, with a growing index.
"""

from collections.abc import Callable, Sequence

import msgspec

from swarmd.dispatcher.control.agenda import Agenda
from swarmd.dispatcher.control.control import Plan, control
from swarmd.model.cluster import Cluster as ClusterRecord
from swarmd.model.cluster import ClusterSpec, JoinSecrets
from swarmd.model.ids import ClusterID, NetworkID, NodeID, RequestID, ServiceID, Version
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.model.node import (
    Availability,
    Node,
    NodeDescription,
    NodeSpec,
    NodeState,
    NodeStatus,
    Resources,
    Role,
)
from swarmd.model.service import Service, StoredSpec
from swarmd.model.spec import (
    SECOND,
    ContainerSpec,
    Global,
    Placement,
    Platform,
    Replicated,
    RestartPolicy,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
)
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.store.apply import Touched, apply
from swarmd.store.entry import (
    FEATURE_LEVEL,
    Change,
    Delete,
    Entry,
    Kind,
    PatchTask,
    PutCluster,
    PutNetwork,
    PutNode,
    PutService,
    PutSpec,
)
from swarmd.store.view import Tables

GIB = 1 << 30


def spec(replicas: int | None = 1, *, name: str = "web", **parts: object) -> ServiceSpec:
    """A service's spec; `replicas=None` makes it global; other parts replace fields anywhere."""
    template = TaskSpec(container_spec=ContainerSpec(image="busybox"), force_update=0)
    names = TaskSpec.__struct_fields__
    inner = {key: value for key, value in parts.items() if key in names}
    outer = {key: value for key, value in parts.items() if key not in names}
    mode = ServiceMode(global_=Global())
    if replicas is not None:
        mode = ServiceMode(replicated=Replicated(replicas=replicas))
    made = ServiceSpec(
        name=name,
        labels={},
        task_template=msgspec.structs.replace(template, **inner),
        mode=mode,
    )
    return msgspec.structs.replace(made, **outer)


def no_delay(**parts: object) -> RestartPolicy:
    """A restart policy that waits for nothing."""
    return msgspec.structs.replace(RestartPolicy(delay=0), **parts)


def constraints(*expressions: str) -> Placement:
    """A placement with constraints only."""
    return Placement(constraints=expressions)


class Cluster:
    """Tables, and verbs that change them the way the product does."""

    def __init__(self, nodes: int = 3, *, ingress: bool = True) -> None:
        self.tables = Tables()
        self.agenda = Agenda()
        #: told of each entry
        self.watchers: list[Callable[[Sequence[Touched]], object]] = []
        self.now = 1_000 * SECOND
        self.commit(
            PutCluster(
                record=ClusterRecord(
                    id=ClusterID("cluster"),
                    spec=ClusterSpec(name="default", labels={}),
                    root_certificate="",
                    root_key="",
                    join_secrets=JoinSecrets(worker="w", manager="m"),
                )
            )
        )
        if ingress:
            net = NetworkSpec(
                name="ingress",
                labels={},
                ingress=True,
                ipam_configs=(IPAMConfig(subnet="10.0.0.0/16"),),
            )
            self.commit(PutNetwork(record=Network(id=NetworkID("ingress"), spec=net)))
        for number in range(1, nodes + 1):
            self.add_node(f"n{number}")

    # ---- writing

    def commit(self, *changes: Change) -> None:
        """One entry."""
        index = Version(self.tables.index + 1)
        self.now += 1  # the store never gives two entries one time
        entry = Entry(
            feature_level=FEATURE_LEVEL,
            time=self.now,
            proposer="n1",
            request_id=RequestID(""),
            changes=tuple(changes),
        )
        touched = apply(self.tables, index, entry)
        self.agenda.touched(self.tables, touched)
        for watcher in self.watchers:
            watcher(touched)

    def add_node(self, name: str, *, cpus: int = 4, memory: int = 8 * GIB, **labels: str) -> Node:
        """A node that is ready."""
        node = Node(
            id=NodeID(name),
            spec=NodeSpec(labels=labels, role=Role.WORKER, availability=Availability.ACTIVE),
            description=NodeDescription(
                hostname=f"host-{name}",
                platform=Platform(os="linux", architecture="x86_64"),
                resources=Resources(nano_cpus=cpus * 10**9, memory_bytes=memory),
            ),
            status=NodeStatus(state=NodeState.READY, addr=f"10.77.0.{name[1:]}", since=self.now),
        )
        self.commit(PutNode(record=node))
        return node

    def change_node(self, name: str, **parts: object) -> None:
        """Replace fields of a node's record, its spec or its status."""
        node = self.tables.node(name)
        assert node is not None
        for field, value in parts.items():
            if field in NodeSpec.__struct_fields__:
                changed = msgspec.structs.replace(node.spec, **{field: value})
                node = msgspec.structs.replace(node, spec=changed)
            elif field in NodeStatus.__struct_fields__:
                status = msgspec.structs.replace(node.status, **{field: value})
                node = msgspec.structs.replace(node, status=status)
            else:
                node = msgspec.structs.replace(node, **{field: value})
        self.commit(PutNode(record=node))

    def down(self, name: str) -> None:
        """The leader saw the node die."""
        self.change_node(name, state=NodeState.DOWN, since=self.now)

    def deploy(self, wanted: ServiceSpec) -> Service:
        """Create or update the service of that name, and let the leader think."""
        known = self.tables.id_by_name("service", wanted.name)
        old = self.tables.service(known) if known else None
        version = Version(old.spec_version + 1 if old else 1)
        identity = old.id if old else ServiceID(f"svc-{wanted.name}")
        service = Service(id=identity, name=wanted.name, spec_version=version)
        if old is not None:
            service = msgspec.structs.replace(
                old,
                spec_version=version,
                previous_spec_version=old.spec_version,
                update_status=None,
            )
        stored = StoredSpec(service_id=identity, version=version, spec=wanted)
        self.commit(PutSpec(record=stored), PutService(record=service))
        self.think()
        found = self.tables.service(identity)
        assert found is not None
        return found

    def remove(self, name: str) -> None:
        """`service rm`."""
        identity = self.tables.id_by_name("service", name)
        assert identity
        self.commit(Delete(kind=Kind.SERVICE, id=identity))
        self.think()

    def set_status(self, task: Task, state: TaskState, **parts: object) -> None:
        """The agent of a task reports."""
        status = TaskStatus(state=state, timestamp=self.now)
        status = msgspec.structs.replace(status, **parts)
        self.commit(PatchTask(id=task.id, status=status))

    # ---- thinking and time

    def think(self) -> None:
        """Rounds of control until nothing is left to decide at this moment."""
        for _ in range(200):
            if not self.agenda.is_due(self.now):
                self.check()
                return
            taken = self.agenda.take(self.tables, self.now)
            plan = control(self.tables.view(), taken, self.now)
            if plan.changes:
                self.commit(*plan.changes)
            self.planned(plan)
        raise AssertionError("control never comes to rest")

    def planned(self, plan: Plan) -> None:
        """A round is over."""
        self.agenda.planned(plan)

    def agents(self) -> bool:
        """Every agent goes as far as it can at this moment; whether anything moved."""
        moved = False
        for task in list(self.tables.tasks()):
            node = self.tables.node(task.node_id)
            if node is None or node.status.state is NodeState.DOWN or task.is_terminal:
                continue
            state = _next_state(task)
            if state is not None:
                self.set_status(task, state)
                moved = True
        return moved

    def settle(self) -> None:
        """Leader and agents in turn until both rest; time stands still."""
        self.think()
        while self.agents():
            self.think()

    def pass_time(self, seconds: float) -> None:
        """Let time go by, settling at each moment at which the leader wants to look."""
        end = self.now + int(seconds * SECOND)
        self.settle()
        while (wake := self.agenda.next_wake()) is not None and wake <= end:
            self.now = max(self.now, wake)
            self.settle()
        self.now = end
        self.settle()

    # ---- looking

    def tasks(self, name: str = "web") -> list[Task]:
        """A service's tasks by slot, newest first."""
        identity = self.tables.id_by_name("service", name) or f"svc-{name}"
        tasks = self.tables.tasks_of(identity).values()
        return sorted(tasks, key=lambda t: (t.slot, t.node_id if not t.slot else "", -t.created_at))

    def running(self, name: str = "web") -> list[Task]:
        """Those that are wanted and run."""
        return [t for t in self.tasks(name) if t.is_wanted and t.is_running]

    def nodes_of(self, name: str = "web") -> list[str]:
        """Nodes of the running tasks, sorted."""
        return sorted(task.node_id for task in self.running(name))

    def check(self) -> None:
        """What must always hold."""
        for task in self.tables.tasks():
            assert not (task.is_active and task.state.rank > 64 and not task.node_id), task
        addresses: set[tuple[str, str]] = set()
        for network_id, address in _addresses(self.tables):
            assert (network_id, address) not in addresses, address
            addresses.add((network_id, address))


def _addresses(tables: Tables) -> Sequence[tuple[str, str]]:
    held: list[tuple[str, str]] = []
    for task in tables.tasks():
        if task.holds_resources:
            held.extend(
                (a.network_id, address) for a in task.attachments for address in a.addresses
            )
    for service in tables.services().values():
        held.extend((vip.network_id, vip.address) for vip in service.virtual_ips)
    for node in tables.nodes().values():
        held.extend((a.network_id, a.address) for a in node.addresses)
    return held


def _next_state(task: Task) -> TaskState | None:
    if task.state.rank < TaskState.ASSIGNED.rank:
        return None
    if task.desired_state.rank >= TaskState.SHUTDOWN.rank:
        return TaskState.SHUTDOWN
    if task.desired_state is TaskState.READY:
        return None if task.state is TaskState.READY else TaskState.READY
    return None if task.state is TaskState.RUNNING else TaskState.RUNNING
