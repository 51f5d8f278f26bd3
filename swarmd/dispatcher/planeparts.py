"""The parts of the data plane: from the committed state to what nodes must know of each object.

Backends are tasks that run, are meant to, and whose node is not down; endpoints are all tasks that
may have a container, so that forwarding stands before a name does and after it went.
"""

from collections.abc import Iterator

from swarmd.dispatcher.assignments import is_assigned
from swarmd.model.dataplane import (
    Backend,
    Endpoint,
    PlaneNetwork,
    PlaneNode,
    PlanePort,
    ServiceNetwork,
)
from swarmd.model.ids import NetworkID, NodeID, TaskID
from swarmd.model.network import Network
from swarmd.model.node import Node, NodeState
from swarmd.model.planeparts import BackendPart, EndpointPart, NetworkPart, Part, ServicePart
from swarmd.model.service import Service
from swarmd.model.task import Attachment, Task
from swarmd.store.view import View
from swarmd.wire.container import container_name

_MTU_OPTION = "com.docker.network.driver.mtu"
#: Linux takes up to 65535.
_MTU_DIGITS = 5


def parts_of(view: View, network_id: NetworkID) -> Iterator[Part]:
    """All parts of a network but its header."""
    for node in view.nodes().values():
        address = node.address_in(network_id)
        if address is not None:
            yield node_part(node.id, network_id, address)
    for task_id in dict.fromkeys(view.holders(network_id).values()):
        task = view.task(task_id)
        if task is not None and has_endpoint(task):
            yield endpoint_part(task.id, network_id, task)
    for service in view.services().values():
        for part in service_parts(view, service):
            if part.network_id == network_id:
                yield part
                yield from _backends(view, service, network_id)


def has_endpoint(task: Task) -> bool:
    """It may have a container somewhere."""
    return bool(task.node_id) and task.holds_resources and is_assigned(task)


def is_serving(view: View, task: Task) -> bool:
    """New connections may go to it."""
    if not (task.is_running and task.is_wanted):
        return False
    node = view.node(task.node_id)
    return node is not None and node.status.state is not NodeState.DOWN


def _backends(view: View, service: Service, network_id: NetworkID) -> Iterator[BackendPart]:
    for task in view.tasks_of(service.id).values():
        if is_serving(view, task) and _attachment(task, network_id):
            yield BackendPart(
                service_id=service.id,
                network_id=network_id,
                task_id=task.id,
                backend=backend(view, task, network_id),
            )


def plane_node(node: Node) -> PlaneNode | None:
    """None until its address is known."""
    address = node.status.addr
    if not address:
        return None
    path = node.description.data_path_address if node.description else ""
    return PlaneNode(id=node.id, data_path=path or address, addresses=(address,))


def network_part(network: Network) -> NetworkPart:
    """A network's header."""
    return NetworkPart(
        id=network.id,
        created_at=network.meta.created_at,
        network=PlaneNetwork(
            id=network.id,
            name=network.spec.name,
            vni=network.vni,
            subnets=tuple(config.subnet for config in network.subnets),
            endpoints=(),
            is_internal=network.spec.internal,
            is_ingress=network.is_ingress,
            mtu=_mtu(network),
        ),
    )


def _mtu(network: Network) -> int:
    # A user's text.  One that cannot be an MTU stands for "none given": raising here would take the
    # plane of every other network along.
    text = network.spec.options.get(_MTU_OPTION, "")
    is_mtu = text.isascii() and text.isdecimal() and len(text) <= _MTU_DIGITS
    return int(text) if is_mtu else 0


def node_part(node_id: NodeID, network_id: NetworkID, address: str | None) -> EndpointPart:
    """A node's own endpoint."""
    endpoint = None if address is None else Endpoint(addresses=(address,), node_id=node_id)
    return EndpointPart(network_id=network_id, node_id=node_id, endpoint=endpoint)


def endpoint_part(task_id: TaskID, network_id: NetworkID, task: Task | None) -> EndpointPart:
    """A task's endpoint; None: it has none any more."""
    endpoint = None
    attachment = _attachment(task, network_id) if task else None
    if task is not None and attachment is not None:
        endpoint = Endpoint(addresses=attachment.addresses, node_id=task.node_id, task_id=task.id)
    return EndpointPart(network_id=network_id, task_id=task_id, endpoint=endpoint)


def _attachment(task: Task, network_id: NetworkID) -> Attachment | None:
    return next((a for a in task.attachments if a.network_id == network_id), None)


def service_parts(view: View, service: Service) -> Iterator[ServicePart]:
    """A service in each of its networks."""
    spec = view.spec(service)
    aliases = {NetworkID(n.target): n.aliases for n in spec.task_template.networks}
    wanted = list(aliases)
    if any(port.is_ingress for port in spec.ports):
        wanted += [network.id for network in view.networks().values() if network.is_ingress]
    ports = tuple(
        PlanePort(
            protocol=port.protocol,
            published_port=port.published_port,
            target_port=port.target_port,
        )
        for port in service.ports
        if port.is_ingress and port.published_port
    )
    for position, network_id in enumerate(wanted):
        if view.network(network_id) is None:
            continue
        vips = tuple(v.address for v in service.virtual_ips if v.network_id == network_id)
        part = ServiceNetwork(
            network_id=network_id,
            aliases=aliases.get(network_id, ()),
            virtual_ips=vips if spec.uses_vip else (),
        )
        yield ServicePart(
            id=service.id,
            name=service.name,
            network_id=network_id,
            part=part,
            ports=ports,
            position=position,
        )


def backend(view: View, task: Task, network_id: NetworkID) -> Backend:
    """A task that new connections may go to."""
    attachment = _attachment(task, network_id)
    service = view.service(task.service_id)
    assert attachment is not None
    assert service is not None
    container = view.spec_of(task).task_template.container_spec
    hostname = container.hostname if container and "{{" not in container.hostname else ""
    return Backend(
        addresses=attachment.addresses,
        node_id=task.node_id,
        task_id=task.id,
        names=(container_name(task, service.name), *((hostname,) if hostname else ())),
    )
