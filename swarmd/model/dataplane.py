"""The data plane of one node: what its overlay, its mesh, its VIPs and its resolver go by.

A manager computes it from the committed state and sends it with the node's assignments.  It names
what is *meant* to be reached; what gossip or the node itself knows to be dead is only subtracted
(`without`), so a node that hears no manager goes on with what it last knew.

Addresses are text without prefix length, in tuples with at most one per family.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from swarmd.model.base import Record
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID

R = TypeVar("R", bound=Record)

#: UDP port of VXLAN between nodes (RFC 7348; Docker's own as well).
VXLAN_PORT = 4789

#: "not a task's": the endpoint is a node's own.
NO_TASK = TaskID("")


class PlaneNode(Record, frozen=True, kw_only=True, gc=False):
    """One node of the cluster, this one included."""

    id: NodeID
    #: where other nodes send it VXLAN, and what it sends from
    data_path: str
    #: every other address that its own connections may come from
    addresses: tuple[str, ...] = ()


class Endpoint(Record, frozen=True, kw_only=True, gc=False):
    """One place in a network: a task's, or a node's own (bridge, gateway, resolver)."""

    addresses: tuple[str, ...]
    node_id: NodeID
    task_id: TaskID = NO_TASK


class PlaneNetwork(Record, frozen=True, kw_only=True):
    """A cluster network in which this node takes part."""

    id: NetworkID
    name: str
    vni: int
    #: CIDR, one per family
    subnets: tuple[str, ...]
    #: every endpoint of every node that takes part, those of this node too
    endpoints: tuple[Endpoint, ...]
    is_internal: bool = False
    is_ingress: bool = False
    #: 0 = what the way between the nodes carries
    mtu: int = 0

    def node_addresses(self, node_id: NodeID) -> tuple[str, ...]:
        """A node's own addresses in it; empty if the node does not take part."""
        for endpoint in self.endpoints:
            if endpoint.node_id == node_id and endpoint.task_id == NO_TASK:
                return endpoint.addresses
        return ()


class Backend(Record, frozen=True, kw_only=True, gc=False):
    """A task that new connections may go to: running, healthy and not asked to stop."""

    addresses: tuple[str, ...]
    node_id: NodeID
    task_id: TaskID
    #: names it answers to in this network: the container's, its hostname
    names: tuple[str, ...] = ()


class ServiceNetwork(Record, frozen=True, kw_only=True):
    """A service in one network."""

    network_id: NetworkID
    #: names besides the service's own
    aliases: tuple[str, ...] = ()
    #: empty: names resolve to the tasks (endpoint mode dnsrr)
    virtual_ips: tuple[str, ...] = ()
    backends: tuple[Backend, ...] = ()


class PlanePort(Record, frozen=True, kw_only=True, gc=False):
    """A port that every node answers on."""

    #: "tcp" | "udp" | "sctp"
    protocol: str
    published_port: int
    target_port: int


class PlaneService(Record, frozen=True, kw_only=True):
    """A service in those of its networks in which this node takes part."""

    id: ServiceID
    name: str
    networks: tuple[ServiceNetwork, ...] = ()
    #: answered by the service's backends in the ingress network
    ports: tuple[PlanePort, ...] = ()

    def in_network(self, network_id: NetworkID) -> ServiceNetwork | None:
        """Its part in a network, if it has one."""
        return next((part for part in self.networks if part.network_id == network_id), None)


class DataPlane(Record, frozen=True, kw_only=True):
    """Everything that one node must know.  Empty: it takes part in no network."""

    node_id: NodeID = NodeID("")
    nodes: tuple[PlaneNode, ...] = ()
    networks: tuple[PlaneNetwork, ...] = ()
    services: tuple[PlaneService, ...] = ()
    vxlan_port: int = VXLAN_PORT

    @property
    def ingress(self) -> PlaneNetwork | None:
        """The network of published ports, if this node takes part in it."""
        return next((network for network in self.networks if network.is_ingress), None)

    def data_paths(self) -> Mapping[NodeID, str]:
        """Where VXLAN of each node is sent."""
        return {node.id: node.data_path for node in self.nodes}


class LocalTask(Record, frozen=True, kw_only=True, gc=False):
    """A task whose container runs on this node."""

    task_id: TaskID
    service_id: ServiceID
    container_id: str
    #: a process in its network namespace
    pid: int
    #: its addresses by network
    addresses: Mapping[NetworkID, tuple[str, ...]]
    #: (protocol, port of the container) of what its engine publishes (mode=host)
    host_ports: tuple[tuple[str, int], ...] = ()


_Predicate = Callable[[Backend], bool]


def without(plane: DataPlane, is_gone: _Predicate) -> DataPlane:
    """With no backends that are gone; what has none of them is the same object.

    Their endpoints stay: nobody is sent there, and a node that turns out to live is reached at once.
    """
    services = tuple(_service_without(service, is_gone) for service in plane.services)
    return _changed(plane, plane.services, services=services)


def published(plane: DataPlane) -> Iterator[tuple[PlanePort, tuple[Backend, ...]]]:
    """Each published port with its backends in the ingress network, in the order of services."""
    ingress = plane.ingress
    if ingress is None:
        return
    for service in plane.services:
        part = service.in_network(ingress.id)
        backends = part.backends if part else ()
        for port in service.ports:
            yield port, backends


def _service_without(service: PlaneService, is_gone: _Predicate) -> PlaneService:
    networks = tuple(_part_without(part, is_gone) for part in service.networks)
    return _changed(service, service.networks, networks=networks)


def _part_without(part: ServiceNetwork, is_gone: _Predicate) -> ServiceNetwork:
    kept = tuple(backend for backend in part.backends if not is_gone(backend))
    return _changed(part, part.backends, backends=kept)


def _changed(record: R, before: Sequence[object], **after: Sequence[object]) -> R:
    """The record with the new items, or itself if they are those it has."""
    (items,) = after.values()
    is_same = len(items) == len(before) and all(map(operator.is_, items, before))
    return record if is_same else msgspec.structs.replace(record, **after)
