"""The data plane as the managers see it: from the committed state to what one node must know.

Backends are tasks that run, are meant to, and whose node is not down; endpoints are all tasks that
may have a container, so that forwarding stands before a name does and after it went.

A plane is sent whole, so two views that mean the same must give the same plane: everything is in
the order of ids.  Only networks keep the order in which they were created, since tasks look names
up and choose their default route in that order.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from swarmd.dispatcher.assignments import is_assigned
from swarmd.model.dataplane import (
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
from swarmd.model.ids import NetworkID, NodeID, Version
from swarmd.model.network import Network
from swarmd.model.node import NodeState
from swarmd.model.service import Service
from swarmd.model.task import Attachment, Task
from swarmd.store.view import View
from swarmd.wire.container import container_name

K = TypeVar("K", bound=str)
V = TypeVar("V")

_MTU_OPTION = "com.docker.network.driver.mtu"
#: Linux takes up to 65535.
_MTU_DIGITS = 5


class PlaneFeed:
    """One session's data planes: a core that turns views into what changed."""

    def __init__(self, node_id: NodeID) -> None:
        self._node_id = node_id
        #: index of the view looked at last; None before the first
        self._index: Version | None = None
        #: what the node has
        self._told: DataPlane | None = None

    def next(self, view: View) -> DataPlane | None:
        """The whole plane if it is another than the one before; the first one always."""
        if view.index == self._index:
            return None
        self._index = view.index
        plane = data_plane(view, self._node_id)
        if plane == self._told:
            return None
        self._told = plane
        return plane


def data_plane(view: View, node_id: NodeID) -> DataPlane:
    """Everything that one node must know; without networks if it is unknown or has no address."""
    node = view.node(node_id)
    held = {address.network_id for address in node.addresses} if node else set()
    networks = [n for n in view.networks().values() if n.id in held and n.vni]
    return DataPlane(
        node_id=node_id,
        nodes=tuple(_nodes(view)),
        networks=tuple(_network(view, network) for network in networks),
        services=tuple(_services(view, networks)),
        vxlan_port=view.cluster.data_path_port if view.cluster else VXLAN_PORT,
    )


def _by_id(records: Mapping[K, V]) -> Iterator[V]:
    return (records[key] for key in sorted(records))


def _nodes(view: View) -> Iterator[PlaneNode]:
    for node in _by_id(view.nodes()):
        address = node.status.addr
        if address:
            description = node.description
            path = description.data_path_address if description else ""
            yield PlaneNode(id=node.id, data_path=path or address, addresses=(address,))


def _network(view: View, network: Network) -> PlaneNetwork:
    return PlaneNetwork(
        id=network.id,
        name=network.spec.name,
        vni=network.vni,
        subnets=tuple(config.subnet for config in network.subnets),
        endpoints=tuple(_endpoints(view, network.id)),
        is_internal=network.spec.internal,
        is_ingress=network.is_ingress,
        mtu=_mtu(network),
    )


def _mtu(network: Network) -> int:
    # A user's text.  One that cannot be an MTU stands for "none given": raising here would take the
    # plane of every other network along.
    text = network.spec.options.get(_MTU_OPTION, "")
    is_mtu = text.isascii() and text.isdecimal() and len(text) <= _MTU_DIGITS
    return int(text) if is_mtu else 0


def _endpoints(view: View, network_id: NetworkID) -> Iterator[Endpoint]:
    for node in _by_id(view.nodes()):
        address = node.address_in(network_id)
        if address is not None:
            yield Endpoint(addresses=(address,), node_id=node.id)
    # Sorted, because a task moves to the end of the holders whenever it reports.
    for task_id in sorted(set(view.holders(network_id).values())):
        task = view.task(task_id)
        if task is not None and task.node_id and task.holds_resources and is_assigned(task):
            attachment = _attachment(task, network_id)
            if attachment is not None:
                yield Endpoint(
                    addresses=attachment.addresses, node_id=task.node_id, task_id=task.id
                )


def _attachment(task: Task, network_id: NetworkID) -> Attachment | None:
    return next((a for a in task.attachments if a.network_id == network_id), None)


def _services(view: View, networks: Sequence[Network]) -> Iterator[PlaneService]:
    ids = {network.id: network.is_ingress for network in networks}
    for service in _by_id(view.services()):
        parts = tuple(_parts(view, service, ids))
        if parts:
            yield PlaneService(
                id=service.id,
                name=service.name,
                networks=parts,
                ports=tuple(
                    PlanePort(
                        protocol=port.protocol,
                        published_port=port.published_port,
                        target_port=port.target_port,
                    )
                    for port in service.ports
                    if port.is_ingress and port.published_port
                ),
            )


def _parts(view: View, service: Service, ids: Mapping[NetworkID, bool]) -> Iterator[ServiceNetwork]:
    spec = view.spec(service)
    aliases = {n.target: n.aliases for n in spec.task_template.networks}
    wanted = [NetworkID(target) for target in aliases]
    if any(port.is_ingress for port in spec.ports):
        wanted += [network_id for network_id, is_ingress in ids.items() if is_ingress]
    for network_id in wanted:
        if network_id in ids:
            vips = tuple(v.address for v in service.virtual_ips if v.network_id == network_id)
            yield ServiceNetwork(
                network_id=network_id,
                aliases=aliases.get(network_id, ()),
                virtual_ips=vips if spec.uses_vip else (),
                backends=tuple(_backends(view, service, network_id)),
            )


def _backends(view: View, service: Service, network_id: NetworkID) -> Iterator[Backend]:
    for task in _by_id(view.tasks_of(service.id)):
        if not (task.is_running and task.is_wanted):
            continue
        node = view.node(task.node_id)
        attachment = _attachment(task, network_id)
        if node is None or node.status.state is NodeState.DOWN or attachment is None:
            continue
        spec = view.spec_of(task)
        container = spec.task_template.container_spec
        hostname = container.hostname if container and "{{" not in container.hostname else ""
        names = (container_name(task, service.name), *((hostname,) if hostname else ()))
        yield Backend(
            addresses=attachment.addresses, node_id=task.node_id, task_id=task.id, names=names
        )
