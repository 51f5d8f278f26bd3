"""A data plane in parts: what a manager sends of it, and how a node makes it whole again.

A plane may have 100,000 endpoints, and one task's change touches two of its parts.  So a manager
sends all parts once, and from then on those that changed; a part replaces the one of the same key.
`PlaneMirror` puts them together in the order that `DataPlane` promises, whatever order they came in.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Generic, TypeAlias, TypeVar, assert_never

import msgspec

from swarmd.model.base import Record
from swarmd.model.dataplane import (
    NO_TASK,
    VXLAN_PORT,
    Backend,
    DataPlane,
    Endpoint,
    PlaneNetwork,
    PlaneNode,
    PlanePort,
    PlaneService,
    ServiceNetwork,
)
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID
from swarmd.ports import Timestamp

K = TypeVar("K", bound=tuple[object, ...] | str)
V = TypeVar("V")


class NodePart(Record, frozen=True, kw_only=True, tag="n", gc=False):
    """A node; None: it is gone."""

    id: NodeID
    node: PlaneNode | None = None


class NetworkPart(Record, frozen=True, kw_only=True, tag="w"):
    """A network without its endpoints; None: all of its parts are gone."""

    id: NetworkID
    network: PlaneNetwork | None = None
    #: networks are in the order in which they were created
    created_at: Timestamp = 0


class EndpointPart(Record, frozen=True, kw_only=True, tag="e", gc=False):
    """A task's endpoint in a network, or, without a task, a node's; None: it is gone."""

    network_id: NetworkID
    #: of the node if it is the node's own
    node_id: NodeID = NodeID("")
    task_id: TaskID = NO_TASK
    endpoint: Endpoint | None = None


class ServicePart(Record, frozen=True, kw_only=True, tag="s"):
    """A service in one network without its backends; None: it is not in it any more."""

    id: ServiceID
    network_id: NetworkID
    name: str = ""
    part: ServiceNetwork | None = None
    ports: tuple[PlanePort, ...] = ()
    #: place among the service's networks
    position: int = 0


class BackendPart(Record, frozen=True, kw_only=True, tag="b", gc=False):
    """A backend of a service in a network; None: it is gone."""

    service_id: ServiceID
    network_id: NetworkID
    task_id: TaskID
    backend: Backend | None = None


Part: TypeAlias = NodePart | NetworkPart | EndpointPart | ServicePart | BackendPart


class PlaneChange(Record, frozen=True, kw_only=True):
    """One message of a data plane's stream."""

    parts: tuple[Part, ...] = ()
    #: nothing of what was sent before holds any more
    is_complete: bool = False
    #: more parts follow before the plane is one that stood at some moment
    has_more: bool = False
    #: of the first message of a complete plane
    node_id: NodeID = NodeID("")
    vxlan_port: int = VXLAN_PORT


class _Sorted(Generic[K, V]):
    """Values in the order of their keys, put together anew only after a change."""

    def __init__(self) -> None:
        self._keys: list[K] = []
        #: keys that are not in their places yet: a whole plane comes in any order
        self._new: list[K] = []
        self._values: dict[K, V] = {}
        self._whole: tuple[V, ...] | None = ()

    def set(self, key: K, value: V | None) -> None:
        """Replace; None removes."""
        if value is None:
            if self._values.pop(key, None) is None:
                return
            keys = self._in_order()
            del keys[bisect_left(keys, key)]
        else:
            if key not in self._values:
                self._new.append(key)
            self._values[key] = value
        self._whole = None

    def _in_order(self) -> list[K]:
        if self._new:
            self._keys.extend(self._new)
            self._keys.sort()
            self._new.clear()
        return self._keys

    def whole(self) -> tuple[V, ...]:
        """All values."""
        if self._whole is None:
            self._whole = tuple([self._values[key] for key in self._in_order()])
        return self._whole


class _Network:
    """One network as far as it is known."""

    def __init__(self, header: NetworkPart) -> None:
        self.header = header
        #: the nodes' own first: (1 if it is a task's, id)
        self.endpoints: _Sorted[tuple[int, str], Endpoint] = _Sorted()
        self._network: PlaneNetwork | None = None

    def replace_header(self, header: NetworkPart) -> None:
        self.header, self._network = header, None

    def set_endpoint(self, part: EndpointPart) -> None:
        key = (1, str(part.task_id)) if part.task_id else (0, str(part.node_id))
        self.endpoints.set(key, part.endpoint)
        self._network = None

    def whole(self) -> PlaneNetwork:
        if self._network is None:
            assert self.header.network is not None
            endpoints = self.endpoints.whole()
            self._network = msgspec.structs.replace(self.header.network, endpoints=endpoints)
        return self._network


class _Service:
    """One service as far as it is known: a network's part is shown only with its header."""

    def __init__(self) -> None:
        self.headers: dict[NetworkID, ServicePart] = {}
        self.backends: dict[NetworkID, _Sorted[str, Backend]] = {}
        self._service: PlaneService | None = None

    def set_header(self, part: ServicePart) -> None:
        self._service = None
        if part.part is None:
            self.headers.pop(part.network_id, None)
        else:
            self.headers[part.network_id] = part

    def set_backend(self, part: BackendPart) -> None:
        self._service = None
        self.backends.setdefault(part.network_id, _Sorted()).set(part.task_id, part.backend)

    @property
    def is_empty(self) -> bool:
        return not self.headers and not any(b.whole() for b in self.backends.values())

    def drop(self, network_id: NetworkID) -> None:
        self._service = None
        self.headers.pop(network_id, None)
        self.backends.pop(network_id, None)

    def whole(self) -> PlaneService:
        """Must have a header."""
        if self._service is None:
            headers = sorted(self.headers.values(), key=lambda header: header.position)
            self._service = PlaneService(
                id=headers[0].id,
                name=headers[0].name,
                networks=tuple(map(self._part, headers)),
                ports=headers[0].ports,
            )
        return self._service

    def _part(self, header: ServicePart) -> ServiceNetwork:
        assert header.part is not None
        backends = self.backends.get(header.network_id)
        return msgspec.structs.replace(header.part, backends=backends.whole() if backends else ())


class PlaneMirror:
    """A node's plane, as the messages of one stream make it."""

    def __init__(self) -> None:
        self._begin(PlaneChange())

    def _begin(self, change: PlaneChange) -> None:
        self._node_id, self._vxlan_port = change.node_id, change.vxlan_port
        self._nodes: _Sorted[str, PlaneNode] = _Sorted()
        self._networks: dict[NetworkID, _Network] = {}
        self._services: dict[ServiceID, _Service] = {}

    def take(self, change: PlaneChange) -> DataPlane | None:
        """The plane as it is now; None while parts are missing."""
        if change.is_complete:
            self._begin(change)
        for part in change.parts:
            self._set(part)
        return None if change.has_more else self._whole()

    def _set(self, part: Part) -> None:
        match part:
            case NodePart():
                self._nodes.set(part.id, part.node)
            case NetworkPart():
                self._set_network(part)
            case EndpointPart():
                self._networks[part.network_id].set_endpoint(part)
            case ServicePart():
                self._service(part.id).set_header(part)
                self._prune(part.id)
            case BackendPart():
                self._service(part.service_id).set_backend(part)
                self._prune(part.service_id)
            case _:
                assert_never(part)

    def _set_network(self, part: NetworkPart) -> None:
        if part.network is None:
            self._networks.pop(part.id, None)
            for service_id in list(self._services):
                self._services[service_id].drop(part.id)
                self._prune(service_id)
        elif part.id in self._networks:
            self._networks[part.id].replace_header(part)
        else:
            self._networks[part.id] = _Network(part)

    def _service(self, service_id: ServiceID) -> _Service:
        return self._services.setdefault(service_id, _Service())

    def _prune(self, service_id: ServiceID) -> None:
        if self._services[service_id].is_empty:
            del self._services[service_id]

    def _whole(self) -> DataPlane:
        networks = sorted(self._networks.values(), key=lambda n: (n.header.created_at, n.header.id))
        services: Mapping[ServiceID, _Service] = self._services
        return DataPlane(
            node_id=self._node_id,
            nodes=self._nodes.whole(),
            networks=tuple(network.whole() for network in networks),
            services=tuple(services[i].whole() for i in sorted(services) if services[i].headers),
            vxlan_port=self._vxlan_port,
        )
