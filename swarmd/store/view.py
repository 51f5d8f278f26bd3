"""The replicated records: tables, indexes, and views of them.

Tables and indexes of tasks are two-level (service → tasks, node → tasks): an inner mapping is
replaced on write and never changed once a view has seen it, so a view copies the outer mappings
only: about 0.1 ms for 100,000 tasks, against 5.5 ms for one flat copy.

`View` is what passes and handlers read.  `Tables` is a view that can be written: the committed
state (`Store`), or a fork of it on which a plan is tried (`Sequencer`, `control`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar, cast

from swarmd.model.cluster import Cluster
from swarmd.model.ids import NetworkID, NodeID, RequestID, ServiceID, TaskID, Version
from swarmd.model.network import Network
from swarmd.model.node import Node
from swarmd.model.service import Service, StoredSpec
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task
from swarmd.ports import Timestamp
from swarmd.store.usage import UNUSED, NodeUsage, reservations

K = TypeVar("K")
V = TypeVar("V")
B = TypeVar("B")
T = TypeVar("T")

NO_TASKS: Mapping[TaskID, Task] = {}
#: Answered requests that are remembered: a retry within so many writes gets the first answer.
RESULTS_KEPT = 10_000


class View:
    """The cluster at one index of the log.  Nobody changes what a view shows."""

    def __init__(self) -> None:
        #: index and cluster time of the last entry applied
        self.index = Version(0)
        self.time: Timestamp = 0
        self.cluster: Cluster | None = None
        self._nodes: dict[NodeID, Node] = {}
        self._services: dict[ServiceID, Service] = {}
        self._networks: dict[NetworkID, Network] = {}
        #: service → version → spec
        self._specs: dict[ServiceID, dict[Version, StoredSpec]] = {}
        #: service → id → task: the table of tasks
        self._tasks: dict[ServiceID, dict[TaskID, Task]] = {}
        #: node → id → task: its index by node, of tasks that have one
        self._by_node: dict[NodeID, dict[TaskID, Task]] = {}
        #: first characters of the id → id → service
        self._service_of: dict[str, dict[TaskID, ServiceID]] = {}
        self._usage: dict[NodeID, NodeUsage] = {}
        #: network → address → id of the task, service or node that holds it
        self._holders: dict[NetworkID, dict[str, str]] = {}
        #: (kind, lower-cased name) → id
        self._names: dict[tuple[str, str], str] = {}
        #: answered request → index of its entry, oldest first
        self._results: dict[RequestID, Version] = {}
        #: service → what was derived from its tasks, until one of them is written
        self._derived: dict[ServiceID, object] = {}

    # ---- nodes, services, networks

    def node(self, node_id: str) -> Node | None:
        """By id."""
        return self._nodes.get(NodeID(node_id))

    def nodes(self) -> Mapping[NodeID, Node]:
        """All nodes, in the order in which they came."""
        return self._nodes

    def service(self, service_id: str) -> Service | None:
        """By id."""
        return self._services.get(ServiceID(service_id))

    def services(self) -> Mapping[ServiceID, Service]:
        """All services, in the order in which they were created."""
        return self._services

    def network(self, network_id: str) -> Network | None:
        """By id."""
        return self._networks.get(NetworkID(network_id))

    def networks(self) -> Mapping[NetworkID, Network]:
        """All cluster networks, in the order in which they were created."""
        return self._networks

    def id_by_name(self, kind: str, name: str) -> str | None:
        """The id of the service or network of that name; names differ in more than case."""
        return self._names.get((kind, name.lower()))

    # ---- specs

    def stored_spec(self, service_id: ServiceID, version: Version) -> StoredSpec | None:
        """One version of a service's spec."""
        return self._specs.get(service_id, {}).get(version)

    def specs_of(self, service_id: ServiceID) -> Mapping[Version, StoredSpec]:
        """All versions that something still refers to."""
        return self._specs.get(service_id, {})

    def all_specs(self) -> Iterator[StoredSpec]:
        """Every version of every spec."""
        for versions in self._specs.values():
            yield from versions.values()

    def spec(self, service: Service) -> ServiceSpec:
        """The spec in force."""
        return self._specs[service.id][service.spec_version].spec

    def spec_of(self, task: Task) -> ServiceSpec:
        """The spec that a task was made from."""
        return self._specs[task.service_id][task.spec_version].spec

    # ---- tasks

    def task(self, task_id: str) -> Task | None:
        """By id."""
        service_id = self._service_of.get(task_id[:2], {}).get(TaskID(task_id))
        return None if service_id is None else self._tasks[service_id].get(TaskID(task_id))

    def tasks_of(self, service_id: str) -> Mapping[TaskID, Task]:
        """A service's tasks, those of services that are gone too."""
        return self._tasks.get(ServiceID(service_id), NO_TASKS)

    def tasks_on(self, node_id: str) -> Mapping[TaskID, Task]:
        """A node's tasks."""
        return self._by_node.get(NodeID(node_id), NO_TASKS)

    def tasks(self) -> Iterator[Task]:
        """All tasks, service by service."""
        for tasks in self._tasks.values():
            yield from tasks.values()

    def services_with_tasks(self) -> Mapping[ServiceID, Mapping[TaskID, Task]]:
        """Ids of services that have tasks, gone or not."""
        return self._tasks

    def derived(self, service_id: ServiceID, make: Callable[[], T]) -> T:
        """What `make` says of a service's tasks, made once until one of them is written.

        There is one such value for a service; whoever asks first says what it is.
        """
        if service_id not in self._derived:
            self._derived[service_id] = make()
        return cast("T", self._derived[service_id])

    def task_ids(self, prefix: str) -> list[TaskID]:
        """Ids that begin with `prefix`."""
        shards = (
            [self._service_of.get(prefix[:2], {})] if len(prefix) > 1 else self._service_of.values()
        )
        return [task_id for shard in shards for task_id in shard if task_id.startswith(prefix)]

    def usage(self, node_id: NodeID) -> NodeUsage:
        """What the tasks of a node take."""
        return self._usage.get(node_id, UNUSED)

    def holders(self, network_id: NetworkID) -> Mapping[str, str]:
        """Address → id of the task, service or node that holds it."""
        return self._holders.get(network_id, {})

    # ---- requests

    def answered(self, request_id: RequestID) -> Version | None:
        """The index at which a request was carried out, if it was, and not too long ago."""
        return self._results.get(request_id)

    def results(self) -> Mapping[RequestID, Version]:
        """All requests remembered, oldest first."""
        return self._results

    def fork(self) -> "Tables":
        """Tables of its own with the same content."""
        return self._copied_to(Tables())

    def _copied_to(self, other: "_V") -> "_V":
        for name, value in vars(self).items():
            if name not in ("_own", "_results", "_derived"):
                setattr(other, name, value.copy() if isinstance(value, dict) else value)
        # Shared with views, since 10,000 of them would be most of the copy; only ever asked for a
        # key, and by nobody who minds one that was added since.
        other._results = self._results  # noqa: SLF001  the same class
        return other


class Tables(View):
    """A view that can be written.  Versions and times are stamped by `store.apply`, not here."""

    def __init__(self) -> None:
        super().__init__()
        #: inner mappings made since the last view: they may be changed in place
        self._own: set[tuple[int, object]] = set()

    def view(self) -> View:
        """What is here now; later writes do not show in it."""
        return self._copied_to(View())

    def _copied_to(self, other: "_V") -> "_V":
        self._own.clear()
        return super()._copied_to(other)

    def _inner(self, table: dict[K, dict[B, V]], key: K) -> dict[B, V]:
        """The inner mapping of `key`, changeable."""
        mark = (id(table), key)
        if mark not in self._own:
            table[key] = dict(table.get(key, {}))
            self._own.add(mark)
        return table[key]

    # ---- writing

    def put_node(self, node: Node) -> None:
        """Add or replace."""
        self.delete_node(node.id, is_replaced=True)
        self._nodes[node.id] = node
        for held in node.addresses:
            self._hold(held.network_id, (held.address,), node.id)

    def put_service(self, service: Service) -> None:
        """Add or replace; its spec must be there."""
        assert service.spec_version in self._specs[service.id], service.id
        self._free_service(service.id)
        self._services[service.id] = service
        for vip in service.virtual_ips:
            self._hold(vip.network_id, (vip.address,), service.id)
        self._names["service", service.name.lower()] = service.id

    def put_network(self, network: Network) -> None:
        """Add or replace."""
        self._networks[network.id] = network
        self._names["network", network.spec.name.lower()] = network.id

    def put_spec(self, stored: StoredSpec) -> None:
        """Add."""
        self._inner(self._specs, stored.service_id)[stored.version] = stored

    def put_task(self, task: Task) -> None:
        """Add or replace."""
        self._derived.pop(task.service_id, None)
        old = self._tasks.get(task.service_id, NO_TASKS).get(task.id)
        self._inner(self._tasks, task.service_id)[task.id] = task
        if old is None:
            self._inner(self._service_of, task.id[:2])[task.id] = task.service_id
        else:
            self._count(old, -1)
            self._free_task(old)
        if task.holds_resources:
            for attachment in task.attachments:
                self._hold(attachment.network_id, attachment.addresses, task.id)
        if task.node_id:
            self._inner(self._by_node, task.node_id)[task.id] = task
            self._count(task, 1)

    def delete_node(self, node_id: NodeID, *, is_replaced: bool = False) -> None:
        """Its tasks are not touched.  A node that is replaced keeps its place in the order."""
        node = self._nodes.get(node_id)
        for held in node.addresses if node else ():
            self._free(held.network_id, (held.address,), node_id)
        if not is_replaced:
            self._nodes.pop(node_id, None)

    def delete_service(self, service_id: ServiceID) -> None:
        """Its specs and tasks stay until they are deleted."""
        self._free_service(service_id)
        service = self._services.pop(service_id, None)
        if service is not None:
            self._names.pop(("service", service.name.lower()), None)

    def delete_network(self, network_id: NetworkID) -> None:
        """Nothing refers to it any more."""
        network = self._networks.pop(network_id, None)
        self._holders.pop(network_id, None)
        self._own.discard((id(self._holders), network_id))
        if network is not None:
            self._names.pop(("network", network.spec.name.lower()), None)

    def delete_spec(self, service_id: ServiceID, version: Version) -> None:
        """Nothing refers to it any more."""
        if self.stored_spec(service_id, version) is not None:
            versions = self._inner(self._specs, service_id)
            del versions[version]
            if not versions:
                self._drop(self._specs, service_id)

    def delete_task(self, task_id: TaskID) -> None:
        """Out of every index."""
        task = self.task(task_id)
        if task is None:
            return
        self._derived.pop(task.service_id, None)
        self._free_task(task)
        self._remove(self._tasks, task.service_id, task_id)
        self._remove(self._service_of, task_id[:2], task_id)
        if task.node_id:
            self._count(task, -1)
            self._remove(self._by_node, task.node_id, task_id)

    def remember(self, request_id: RequestID, index: Version) -> None:
        """Keep the answer of a request; forget the oldest beyond `RESULTS_KEPT`."""
        self._results[request_id] = index
        while len(self._results) > RESULTS_KEPT:
            del self._results[next(iter(self._results))]

    def _remove(self, table: dict[K, dict[B, V]], key: K, item: B) -> None:
        inner = self._inner(table, key)
        inner.pop(item, None)
        if not inner:
            self._drop(table, key)

    def _drop(self, table: dict[K, dict[B, V]], key: K) -> None:
        del table[key]
        self._own.discard((id(table), key))

    def _hold(self, network_id: NetworkID, addresses: tuple[str, ...], holder: str) -> None:
        inner = self._inner(self._holders, network_id)
        for address in addresses:
            inner[address] = holder

    def _free(self, network_id: NetworkID, addresses: tuple[str, ...], holder: str) -> None:
        inner = self._inner(self._holders, network_id)
        for address in addresses:
            if inner.get(address) == holder:
                del inner[address]

    def _free_task(self, task: Task) -> None:
        for attachment in task.attachments:
            self._free(attachment.network_id, attachment.addresses, task.id)

    def _free_service(self, service_id: ServiceID) -> None:
        service = self._services.get(service_id)
        for vip in service.virtual_ips if service else ():
            self._free(vip.network_id, (vip.address,), service_id)

    def _count(self, task: Task, sign: int) -> None:
        if task.node_id:
            stored = self.stored_spec(task.service_id, task.spec_version)
            reserved = reservations(stored.spec if stored else None)
            usage = self._usage.get(task.node_id, UNUSED).plus(task, reserved, sign)
            self._usage[task.node_id] = usage
            if usage == UNUSED:
                del self._usage[task.node_id]


_V = TypeVar("_V", bound=View)
