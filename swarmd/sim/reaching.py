"""In the end every service is reached, from everywhere, at its running tasks and nowhere else."""

from collections.abc import Iterator, Sequence

import msgspec

from swarmd.model.devices import BRIDGE_PREFIX, VXLAN_PREFIX, bridge_name, vxlan_name
from swarmd.model.network import Network
from swarmd.model.node import Node
from swarmd.model.service import Service
from swarmd.model.task import Task
from swarmd.ports import Container
from swarmd.sim.packets import Backend, Wire, ask, published, virtual
from swarmd.sim.world import Machine
from swarmd.store.view import View
from swarmd.wire.container import TASK_ID_LABEL


def unreached(view: View, machines: Sequence[Machine]) -> str:
    """The first thing that leads nowhere, or elsewhere, or should be gone; empty if there is none."""
    wire = Wire(machines)
    for machine in machines:
        node = view.node(machine.node_id)
        assert node is not None, machine.name
        problem = (
            _left_over(view, machine, node)
            or _ports(view, machine, wire)
            or _containers(view, machine, node, wire)
        )
        if problem:
            return f"{machine.name}: {problem}"
    return ""


# ---- what should be gone


def _left_over(view: View, machine: Machine, node: Node) -> str:
    """Links, networks and resolvers are those of networks in which the node takes part."""
    networks = [view.networks()[held.network_id] for held in node.addresses]
    wanted = {name for n in networks for name in (bridge_name(n.vni), vxlan_name(n.vni))}
    links = {name for name in machine.host.kernel.links if name.startswith(_OURS)}
    if links != wanted:
        return f"has the links {sorted(links)}, not {sorted(wanted)}"
    if len(machine.engine.networks) != len(networks):
        return f"its engine has {[n.name for n in machine.engine.networks.values()]}"
    resolvers, own = set(machine.host.kernel.resolvers), {held.address for held in node.addresses}
    return "" if resolvers == own else f"answers for names at {resolvers}, not {own}"


_OURS = (BRIDGE_PREFIX, VXLAN_PREFIX)


# ---- published ports


def _ports(view: View, machine: Machine, wire: Wire) -> str:
    """On this node every published port leads to each running task of its service."""
    rules = published(machine.host.kernel)
    ingress = next(network for network in view.networks().values() if network.is_ingress)
    owed = {
        port.published_port: [Backend(a, port.target_port) for a in sorted(backends)]
        for service in view.services().values()
        if (backends := _backends(view, service, ingress))
        for port in service.ports
        if port.is_ingress
    }
    if rules != owed:
        return f"published ports lead to {rules}, not {owed}"
    for port, leads in rules.items():
        for backend in leads:
            container = wire.routed(machine, ingress, backend.address)
            if problem := _is_not_at(view, ingress, container, backend.address):
                return f"port {port} {problem}"
    return ""


def _backends(view: View, service: Service, network: Network) -> dict[str, Task]:
    """Address → running task of the service in the network."""
    return {
        address: task
        for task in view.tasks_of(service.id).values()
        if task.is_running and task.is_wanted
        for attachment in task.attachments
        if attachment.network_id == network.id
        for address in attachment.addresses
    }


def _is_not_at(view: View, network: Network, container: Container | None, address: str) -> str:
    """Why a packet to the address does not get to the task that holds it."""
    holder = view.holders(network.id).get(address, "")
    met = container.labels.get(TASK_ID_LABEL, "") if container else "nobody"
    return "" if met == holder else f"leads to {address}, where {met} is, not {holder}"


# ---- names, and what they stand for, in each container


def _containers(view: View, machine: Machine, node: Node, wire: Wire) -> str:
    for container in machine.engine.containers.values():
        task = view.task(container.labels.get(TASK_ID_LABEL, ""))
        if container.status != "running" or task is None:
            continue
        for network, source in _places(view, task):
            resolver = node.address_in(network.id) or ""
            for service in view.services().values():
                asker = Asker(machine, container, network, source, resolver)
                if problem := _name(view, service, asker) or _way(view, service, asker, wire):
                    return f"in {container.name}, {service.name} {problem}"
    return ""


class Asker(msgspec.Struct, frozen=True):
    """A container in one of its networks."""

    machine: Machine
    container: Container
    network: Network
    #: its address there
    source: str
    #: the node's address there
    resolver: str


def _places(view: View, task: Task) -> Iterator[tuple[Network, str]]:
    """The user's networks that a task is in, with its addresses."""
    for attachment in task.attachments:
        network = view.network(attachment.network_id)
        if network is not None and not network.is_ingress:
            yield network, attachment.addresses[0]


def _name(view: View, service: Service, asker: Asker) -> str:
    """A name stands for the virtual address, or for the running tasks; elsewhere for nothing."""
    tasks = tuple(sorted(_backends(view, service, asker.network)))
    owed: dict[str, tuple[str, ...] | None] = {service.name: None, f"tasks.{service.name}": None}
    if _is_in(view, service, asker.network):
        vip = _virtual_ip(view, service, asker.network)
        owed = {service.name: (vip,) if vip else tasks, f"tasks.{service.name}": tasks}
    kernel = asker.machine.host.kernel
    for name, addresses in owed.items():
        if (told := ask(kernel, asker.resolver, asker.source, name)) != addresses:
            return f"resolves to {told}, not {addresses}"
    return ""


def _way(view: View, service: Service, asker: Asker, wire: Wire) -> str:
    """Each address behind a name leads to the task that has it."""
    if not _is_in(view, service, asker.network):
        return ""
    tasks = sorted(_backends(view, service, asker.network))
    vip = _virtual_ip(view, service, asker.network)
    if vip:
        rules = virtual(asker.machine.host.kernel, asker.container).get(vip)
        owed = [Backend(address, 0) for address in tasks]
        if rules != owed:
            return f"has a virtual address that leads to {rules}, not {owed}"
    for address in tasks:
        met = wire.bridged(asker.machine, asker.network, address)
        if problem := _is_not_at(view, asker.network, met, address):
            return problem
    return ""


def _is_in(view: View, service: Service, network: Network) -> bool:
    targets = [one.target for one in view.spec(service).task_template.networks]
    return network.id in targets


def _virtual_ip(view: View, service: Service, network: Network) -> str:
    if not view.spec(service).uses_vip:
        return ""
    return next((v.address for v in service.virtual_ips if v.network_id == network.id), "")
