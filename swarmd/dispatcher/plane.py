"""The data plane as the managers see it: from the committed state to what each node must know.

`PlaneLog` follows the state and keeps what changed of the plane of *all* nodes; each session's
`PlaneFeed` reads on from where it was, and takes what concerns its node's networks.  So a task's
change costs what it changed, once for the log and once for each session, however large the cluster
is; and a write that changes nothing here wakes nobody.  A node that begins is sent everything, in
portions that the sessions of one moment share.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from swarmd.dispatcher.planeparts import (
    backend,
    endpoint_part,
    has_endpoint,
    is_serving,
    network_part,
    node_part,
    parts_of,
    plane_node,
    service_parts,
)
from swarmd.model.dataplane import VXLAN_PORT, PlaneNode
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID
from swarmd.model.node import NodeState
from swarmd.model.planeparts import (
    BackendPart,
    NetworkPart,
    NodePart,
    Part,
    PlaneChange,
    ServicePart,
)
from swarmd.model.task import Task
from swarmd.store.apply import Touched
from swarmd.store.entry import Kind
from swarmd.store.view import View
from swarmd.wire.packed import pack

#: Changes that are kept for sessions that have not read them yet; who is later begins anew.
KEPT_CHANGES = 20_000
#: Parts of one message of a whole plane: about two milliseconds.
PORTION_PARTS = 500

_Held = frozenset[NetworkID]


class _Shown(msgspec.Struct, frozen=True, gc=False):
    """Where a task is in the plane."""

    service_id: ServiceID
    endpoints: tuple[NetworkID, ...] = ()
    backends: tuple[NetworkID, ...] = ()


_NOWHERE = _Shown(ServiceID(""))


class PlaneLog:
    """What changed of the data plane, in order; a core that is told of every write."""

    def __init__(self) -> None:
        #: position of the next change
        self.end = 0
        self._changes: deque[Part] = deque(maxlen=KEPT_CHANGES)
        self._nodes: dict[NodeID, PlaneNode | None] = {}
        #: node → its addresses by network, and whether it is down
        self._standing: dict[NodeID, tuple[Mapping[NetworkID, str], bool]] = {}
        self._networks: dict[NetworkID, NetworkPart] = {}
        self._services: dict[ServiceID, Mapping[NetworkID, ServicePart]] = {}
        #: tasks that are anywhere in it
        self._tasks: dict[TaskID, _Shown] = {}
        self._wholes: dict[NetworkID, _Whole] = {}
        self._pruned = 0
        self._vxlan_port = VXLAN_PORT

    # ---- following the state

    def learn(self, view: View) -> Iterator[None]:
        """Everything that is there, some hundred tasks at a time; then every session begins anew."""
        self._cluster(view)
        self._networks = {n.id: network_part(n) for n in view.networks().values()}
        for node_id in view.nodes():
            self._node(view, node_id)
        for service in list(view.services().values()):
            self._services[service.id] = {p.network_id: p for p in service_parts(view, service)}
            yield
        for tasks in list(view.services_with_tasks().values()):
            for portion in _portions(tasks):
                for task_id in portion:
                    self._task(view, task_id)
                yield
        self.forget()

    def changed(self, view: View, touched: Iterable[Touched]) -> bool:
        """Follow a batch of writes; whether it changed the plane, or who takes part in it."""
        before = self.end
        objects: dict[Kind, dict[str, str]] = {}
        for one in touched:
            kind = Kind.SERVICE if one.kind is Kind.SPEC else one.kind
            objects.setdefault(kind, {})[one.service_id if kind is Kind.SERVICE else one.id] = ""
        if self.end - self._pruned > KEPT_CHANGES // 10:
            # Who began lately shares it; who begins later is better off with a newer one.
            self._pruned = self.end
            self._wholes.clear()
        if Kind.CLUSTER in objects:
            self._cluster(view)
        for network_id in objects.get(Kind.NETWORK, ()):
            self._network(view, NetworkID(network_id))
        for node_id in objects.get(Kind.NODE, ()):
            self._node(view, NodeID(node_id))
        for service_id in objects.get(Kind.SERVICE, ()):
            self._service(view, ServiceID(service_id))
        for task_id in objects.get(Kind.TASK, ()):
            self._task(view, TaskID(task_id))
        return self.end > before

    def _add(self, part: Part) -> None:
        self._changes.append(part)
        self.end += 1

    def _cluster(self, view: View) -> None:
        port = view.cluster.data_path_port if view.cluster else VXLAN_PORT
        if port != self._vxlan_port:
            self._vxlan_port = port
            self.forget()

    def forget(self) -> None:
        """Every session begins anew."""
        self._changes.clear()
        self._wholes.clear()
        self.end += 1

    def _network(self, view: View, network_id: NetworkID) -> None:
        network = view.network(network_id)
        part = NetworkPart(id=network_id) if network is None else network_part(network)
        if part != self._networks.get(network_id, NetworkPart(id=network_id)):
            self._add(part)
        is_new = network_id not in self._networks
        self._networks[network_id] = part
        if network is None:
            del self._networks[network_id]
            self._wholes.pop(network_id, None)
        if is_new or network is None:
            for service_id in view.services():
                self._service(view, service_id)

    def _node(self, view: View, node_id: NodeID) -> None:
        node = view.node(node_id)
        shown = plane_node(node) if node else None
        if shown != self._nodes.get(node_id):
            self._nodes[node_id] = shown
            self._add(NodePart(id=node_id, node=shown))
        holds = {a.network_id: a.address for a in node.addresses} if node else {}
        is_down = node is None or node.status.state is NodeState.DOWN
        held, was_down = self._standing.pop(node_id, ({}, is_down))
        if node is not None:
            self._standing[node_id] = (holds, is_down)
        for network_id in dict.fromkeys((*held, *holds)):
            if held.get(network_id) != holds.get(network_id):
                self._add(node_part(node_id, network_id, holds.get(network_id)))
        if is_down is not was_down:
            for task_id in view.tasks_on(node_id):
                self._task(view, task_id)

    def _service(self, view: View, service_id: ServiceID) -> None:
        service = view.service(service_id)
        parts = {p.network_id: p for p in service_parts(view, service)} if service else {}
        before = self._services.pop(service_id, {})
        if service is not None:
            self._services[service_id] = parts
        for network_id in dict.fromkeys((*before, *parts)):
            part = parts.get(network_id, ServicePart(id=service_id, network_id=network_id))
            if part != before.get(network_id):
                self._add(part)
        if before.keys() != parts.keys():
            for task_id in view.tasks_of(service_id):
                self._task(view, task_id)

    def _task(self, view: View, task_id: TaskID) -> None:
        task = view.task(task_id)
        before = self._tasks.pop(task_id, None)
        shown = self._shown(view, task) if task else None
        if shown is not None:
            self._tasks[task_id] = shown
        if shown == before:
            return
        known = shown or before
        assert known is not None
        old, new = before or _NOWHERE, shown or _NOWHERE
        for network_id in _differing(old.endpoints, new.endpoints):
            self._add(endpoint_part(task_id, network_id, task if shown else None))
        for network_id in _differing(old.backends, new.backends):
            is_in = network_id in new.backends
            self._add(
                BackendPart(
                    service_id=known.service_id,
                    network_id=network_id,
                    task_id=task_id,
                    backend=backend(view, task, network_id) if task and is_in else None,
                )
            )

    def _shown(self, view: View, task: Task) -> _Shown | None:
        if not (task.attachments and has_endpoint(task)):
            return None
        endpoints = tuple([attachment.network_id for attachment in task.attachments])
        backends: tuple[NetworkID, ...] = ()
        if is_serving(view, task):
            parts = self._services.get(task.service_id, {})
            backends = tuple([network_id for network_id in endpoints if network_id in parts])
        if backends == endpoints:
            backends = endpoints  # one tuple for both
        return _Shown(task.service_id, endpoints, backends)

    # ---- reading

    def since(self, position: int) -> Sequence[Part] | None:
        """The changes from there on; None if they are not kept any more."""
        count = self.end - position
        if count > len(self._changes):
            return None
        newest_first = itertools.islice(reversed(self._changes), count)
        return list(newest_first)[::-1]

    def head(self, node_id: NodeID) -> PlaneChange:
        """The first message of a whole plane."""
        nodes = tuple(NodePart(id=i, node=node) for i, node in self._nodes.items() if node)
        return PlaneChange(
            parts=nodes,
            is_complete=True,
            has_more=True,
            node_id=node_id,
            vxlan_port=self._vxlan_port,
        )

    def whole(self, view: View, network_id: NetworkID) -> "_Whole":
        """All parts of a network, as of a moment from which on the changes are kept."""
        known = self._wholes.get(network_id)
        if known is None or self.since(known.position) is None:
            known = self._wholes[network_id] = _Whole(self.end, parts_of(view, network_id))
        return known


class _Whole:
    """All parts of one network at one moment, made when the first session asks for them."""

    def __init__(self, position: int, parts: Iterator[Part]) -> None:
        #: changes from here on are not in it
        self.position = position
        self._rest = parts
        self._made: list[bytes] = []

    def messages(self) -> Iterator[bytes]:
        """Packed once, for whoever asks."""
        for number in itertools.count():
            if number == len(self._made):
                portion = tuple(itertools.islice(self._rest, PORTION_PARTS))
                if not portion:
                    return
                self._made.append(pack(PlaneChange(parts=portion, has_more=True)))
            yield self._made[number]


class PlaneFeed:
    """One session's data plane: a core that turns the log into messages."""

    def __init__(self, node_id: NodeID, log: PlaneLog) -> None:
        self._node_id, self._log = node_id, log
        #: the first change that the node was not told; None before it was told anything
        self._position: int | None = None
        #: networks whose parts the node has
        self._held: _Held = frozenset()

    def next(self, view: View) -> Iterator[bytes]:
        """Packed `PlaneChange`s up to `view`, which the log must have followed.

        To be read to the end before it is asked again.  Between two messages others may write.
        """
        log, end = self._log, self._log.end
        changes = None if self._position is None else log.since(self._position)
        is_complete = changes is None
        known: _Held = frozenset() if changes is None else self._held
        held = _networks_of(view, self._node_id)
        parts: list[Part] = [NetworkPart(id=network_id) for network_id in sorted(known - held)]
        parts.extend(part for part in changes or () if _concerns(part, known & held))
        self._held, self._position = held, end
        new = [network for i, network in view.networks().items() if i in held - known]
        wholes = [(network, log.whole(view, network.id)) for network in new]
        missed = [_missed(log, whole, network.id) for network, whole in wholes]
        if is_complete:
            yield pack(log.head(self._node_id))
        for network, whole in wholes:
            yield pack(PlaneChange(parts=(network_part(network),), has_more=True))
            yield from whole.messages()
        parts.extend(itertools.chain.from_iterable(missed))
        if is_complete or wholes or parts:
            yield pack(PlaneChange(parts=tuple(parts)))


def _missed(log: PlaneLog, whole: _Whole, network_id: NetworkID) -> list[Part]:
    changes = log.since(whole.position)
    assert changes is not None
    return [
        part
        for part in changes
        if not isinstance(part, NodePart | NetworkPart) and part.network_id == network_id
    ]


def _concerns(part: Part, held: _Held) -> bool:
    match part:
        case NodePart():
            return True
        case NetworkPart():
            return part.id in held
        case _:
            return part.network_id in held


def _networks_of(view: View, node_id: NodeID) -> _Held:
    """None, if the node is unknown or has no address; one without a VNI does not stand yet."""
    node = view.node(node_id)
    held = {address.network_id for address in node.addresses} if node else set()
    return frozenset(n.id for n in view.networks().values() if n.id in held and n.vni)


def _differing(old: tuple[NetworkID, ...], new: tuple[NetworkID, ...]) -> list[NetworkID]:
    """In one of the two only."""
    return [i for i in dict.fromkeys((*old, *new)) if (i in old) is not (i in new)]


def _portions(tasks: Mapping[TaskID, Task]) -> Iterator[Sequence[TaskID]]:
    ids = iter(list(tasks))
    while portion := list(itertools.islice(ids, PORTION_PARTS)):
        yield portion
