"""Allocate: networks get VNIs and subnets, services VIPs and ports, tasks and nodes addresses.

Who holds what is an index of the view (`View.holders`), so nothing is searched.  What cannot be
given is said in the task's `err` and tried again when its service is looked at next.

Source: swarmkit manager/allocator; there failures are only logged and tasks stay NEW without a word.
"""

from collections.abc import Collection, Iterator

import msgspec

from swarmd.dispatcher.control.addresses import (
    free_addresses,
    free_port,
    free_subnet,
    next_vni,
    subnet_config,
)
from swarmd.dispatcher.control.step import ROUND_TASKS
from swarmd.model.ids import NetworkID, NodeID
from swarmd.model.network import IPAMConfig, Network
from swarmd.model.node import Node, NodeAddress
from swarmd.model.service import Service, VirtualIP
from swarmd.model.spec import PortConfig, ServiceSpec
from swarmd.model.task import Attachment, Task, TaskState, TaskStatus
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask, PutNetwork, PutNode, PutService, PutTask
from swarmd.store.view import View

PENDING = "pending task scheduling"


def allocate_networks(view: View) -> list[Change]:
    """VNI and subnets for networks that have none."""
    changes: list[Change] = []
    networks = dict(view.networks())
    for network in view.networks().values():
        if network.vni:
            continue
        subnets = _subnets(view, network, networks.values())
        if not subnets:
            continue  # the pool is exhausted: whoever uses the network says so
        vni = next_vni(networks.values())
        allocated = msgspec.structs.replace(network, vni=vni, subnets=subnets)
        networks[network.id] = allocated
        changes.append(PutNetwork(record=allocated))
    return changes


def _subnets(view: View, network: Network, others: Collection[Network]) -> tuple[IPAMConfig, ...]:
    wished = [config for config in network.spec.ipam_configs if config.subnet]
    if wished:
        return tuple(subnet_config(config) for config in wished)
    assert view.cluster is not None
    taken = [config.subnet for other in others for config in other.subnets]
    hosts = [subnet for node in view.nodes().values() for subnet in node.host_subnets()]
    last = max((other for other in others if other.vni), key=lambda n: n.vni, default=None)
    after = last.subnets[0].subnet if last and last.subnets else ""
    pools, size = view.cluster.default_addr_pool, view.cluster.subnet_size
    # One node's link may be as large as the pool, and the network is of use elsewhere.
    found = free_subnet(pools, size, [*taken, *hosts], after)
    found = found or free_subnet(pools, size, taken, after)
    return (found,) if found else ()


def allocate_service(view: View, service: Service, now: Timestamp) -> list[Change]:
    """The service's VIPs and published ports, and addresses for its NEW tasks.

    With ROUND_TASKS changes or more there may be more to do.
    """
    return _Allocation(view, service, now).changes()


def network_ids(view: View, spec: ServiceSpec) -> list[NetworkID]:
    """Cluster networks that a task of this spec is attached to: ingress first, then as listed."""
    ids = []
    if any(port.is_ingress for port in spec.ports):
        ids = [network.id for network in view.networks().values() if network.is_ingress]
    for target in spec.task_template.networks:
        if view.network(target.target) is not None:
            ids.append(NetworkID(target.target))
    return ids


class _Addresses:
    """Gives addresses away within one round; remembers how far each network came."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._free: dict[NetworkID, Iterator[str]] = {}
        self._last: dict[NetworkID, str] = {}

    def next(self, network_id: NetworkID) -> str | None:
        """None if all are taken, or the network has no subnet yet."""
        if network_id not in self._free:
            network = self._view.network(network_id)
            holders = self._view.holders(network_id)
            self._free[network_id] = free_addresses(network, holders) if network else iter(())
        address = next(self._free[network_id], None)
        if address is not None:
            self._last[network_id] = address
        return address

    def marks(self) -> list[Change]:
        """The networks with their marks moved on."""
        changes: list[Change] = []
        for network_id, address in self._last.items():
            network = self._view.network(network_id)
            if network is not None:
                marked = msgspec.structs.replace(network, last_address=address)
                changes.append(PutNetwork(record=marked))
        return changes


class _Allocation:
    """One service's allocation; lives for one call."""

    def __init__(self, view: View, service: Service, now: Timestamp) -> None:
        self._view, self._service, self._now = view, service, now
        self._spec = view.spec(service)
        self._addresses = _Addresses(view)

    def changes(self) -> list[Change]:
        service = self._allocated()
        changes: list[Change] = []
        if service != self._service:
            changes.append(PutService(record=service))
        tasks = self._view.tasks_of(service.id).values()
        new = TaskState.NEW
        for task in [task for task in tasks if task.status.state is new and task.is_wanted]:
            if len(changes) >= ROUND_TASKS:
                break
            changes.extend(self._task(task))
        return [*changes, *self._addresses.marks()]

    def _allocated(self) -> Service:
        ports = allocate_ports(self._view, self._service, self._spec)
        return msgspec.structs.replace(
            self._service, ports=ports, virtual_ips=tuple(self._virtual_ips())
        )

    def _virtual_ips(self) -> Iterator[VirtualIP]:
        held = {vip.network_id: vip for vip in self._service.virtual_ips}
        if not self._spec.uses_vip:
            return
        for network_id in network_ids(self._view, self._spec):
            vip = held.get(network_id)
            if vip is not None:
                yield vip
            elif (address := self._addresses.next(network_id)) is not None:
                yield VirtualIP(network_id=network_id, address=address)

    def _task(self, task: Task) -> Iterator[Change]:
        attachments = []
        for network_id in network_ids(self._view, self._view.spec_of(task)):
            address = self._addresses.next(network_id)
            if address is None:
                network = self._view.network(network_id)
                err = _no_address(self._view, network) if network else f"no network {network_id}"
                if task.status.err != err:
                    status = TaskStatus(
                        state=TaskState.NEW, timestamp=self._now, message="created", err=err
                    )
                    yield PatchTask(id=task.id, status=status)
                return
            attachments.append(Attachment(network_id=network_id, addresses=(address,)))
        status = TaskStatus(state=TaskState.PENDING, timestamp=self._now, message=PENDING)
        task = msgspec.structs.replace(task, attachments=tuple(attachments))
        yield PutTask(record=task.observed(status, self._now))


def _no_address(view: View, network: Network) -> str:
    """Why, and what to do."""
    if network.subnets:
        return f"network {network.spec.name} has no address left: give it a larger subnet"
    assert view.cluster is not None
    pools = ", ".join(view.cluster.default_addr_pool)
    return (
        f"network {network.spec.name} has no subnet: other networks use all of {pools}; create it "
        "with --subnet"
    )


def allocate_ports(view: View, service: Service, spec: ServiceSpec) -> tuple[PortConfig, ...]:
    """The spec's ports with published ports filled in; what was given before stays given."""
    before = {_port_key(port): port.published_port for port in service.ports}
    asks = [p for p in spec.ports if p.is_ingress and not p.published_port]
    taken: dict[str, set[int]] = {}
    if any(_port_key(port) not in before for port in asks):
        taken = _taken_ports(view, service)
    ports = []
    for port in spec.ports:
        published = port.published_port or before.get(_port_key(port), 0)
        if port.is_ingress and not published:
            used = taken.setdefault(port.protocol, set())
            published = free_port(used) or 0
            used.add(published)
        ports.append(msgspec.structs.replace(port, published_port=published))
    return tuple(ports)


def _port_key(port: PortConfig) -> tuple[str, str, int, str]:
    return (port.name, port.protocol, port.target_port, port.publish_mode)


def _taken_ports(view: View, service: Service) -> dict[str, set[int]]:
    taken: dict[str, set[int]] = {}
    for other in view.services().values():
        if other.id != service.id:
            for port in other.ports:
                taken.setdefault(port.protocol, set()).add(port.published_port)
    return taken


def allocate_nodes(view: View) -> list[Change]:
    """Every node's own address in the ingress network; none in a network that is gone."""
    addresses = _Addresses(view)
    ingress = [network.id for network in view.networks().values() if network.is_ingress]
    changes: list[Change] = []
    for node in view.nodes().values():
        changes.extend(_node(view, node, ingress, addresses))
    return [*changes, *addresses.marks()]


def allocate_node(view: View, node_id: NodeID) -> list[Change]:
    """A node's own addresses in the networks of its tasks, after one was placed on it."""
    node = view.node(node_id)
    if node is None:
        return []
    addresses = _Addresses(view)
    tasks = view.tasks_on(node_id).values()
    needed = [attachment.network_id for task in tasks for attachment in task.attachments]
    return [*_node(view, node, needed, addresses), *addresses.marks()]


def _node(
    view: View, node: Node, needed: list[NetworkID], addresses: _Addresses
) -> Iterator[Change]:
    kept = [held for held in node.addresses if view.network(held.network_id) is not None]
    have = {held.network_id for held in kept}
    kept.extend(
        NodeAddress(network_id=network_id, address=address)
        for network_id in dict.fromkeys(needed)
        if network_id not in have and (address := addresses.next(network_id)) is not None
    )
    if tuple(kept) != node.addresses:
        yield PutNode(record=msgspec.structs.replace(node, addresses=tuple(kept)))
