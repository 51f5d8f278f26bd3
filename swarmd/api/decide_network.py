"""Writes of cluster networks, decided against the cluster's state.

A network is stored as it was asked for; its VNI and subnets are given by the leader's next round.
Source: swarmkit manager/controlapi/network.go, moby daemon/cluster/networks.go.
"""

import ipaddress
from collections.abc import Iterator, Sequence

from swarmd.api.cluster import Decide
from swarmd.api.network_views import PREDEFINED
from swarmd.errors import (
    BadRequestError,
    ConflictError,
    InvalidArgumentError,
    NotPermittedError,
    PreconditionError,
    UnsupportedError,
)
from swarmd.model.ids import NetworkID, RequestID, ServiceID, id_from
from swarmd.model.names import MAX_NAME, is_dns_name
from swarmd.model.network import Network, NetworkSpec
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, Delete, Kind, PutNetwork
from swarmd.store.find import find_network
from swarmd.store.view import View
from swarmd.wire.network import MTU, VXLAN_IDS

#: IPv4 needs 68 (RFC 791); an IP packet has at most 65535.
_MTUS = range(68, 1 << 16)

_IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_id(request_id: RequestID) -> NetworkID:
    """The id of the network that a request creates."""
    return NetworkID(id_from("network", request_id))


def check(spec: NetworkSpec) -> None:
    """Raise for the first problem that can be told from the spec alone."""
    _check_name(spec.name)
    if spec.ingress and spec.attachable:
        raise InvalidArgumentError("ingress network cannot be attachable")
    if spec.ingress and spec.driver != "overlay":
        raise UnsupportedError("only overlay driver is currently supported for ingress network")
    if spec.driver != "overlay":
        raise UnsupportedError(
            f"networks of the swarm with the driver {spec.driver} are not supported yet: use overlay"
        )
    if "encrypted" in spec.options:
        raise UnsupportedError("encrypted networks are not supported yet")
    if VXLAN_IDS in spec.options:
        raise UnsupportedError("choosing a network's VXLAN id is not supported yet")
    _check_mtu(spec.options.get(MTU, ""))


def _check_name(name: str) -> None:
    if not name.strip():
        raise BadRequestError("invalid name: name is empty")
    if name in PREDEFINED:
        raise NotPermittedError(f"operation is not permitted on predefined {name} network ")
    if not is_dns_name(name):
        raise InvalidArgumentError("name must be valid as a DNS name component")
    if len(name) > MAX_NAME:
        raise InvalidArgumentError("name must be 63 characters or fewer")


def _check_mtu(text: str) -> None:
    """Said at once; Docker says it at each task that is to join the network."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_MTUS.stop))
    if text and not (is_number and int(text) in _MTUS):
        raise InvalidArgumentError(
            f"invalid value {text!r} of {MTU}: it must be a number from {_MTUS.start} to {_MTUS[-1]}"
        )


def create(request_id: RequestID, spec: NetworkSpec) -> Decide:
    """A new network."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        if view.id_by_name("network", spec.name) is not None:
            raise ConflictError(f"network with name {spec.name} already exists")
        ingress = next((n for n in view.networks().values() if n.is_ingress), None)
        if spec.ingress and ingress is not None:
            raise ConflictError(f"ingress network ({ingress.id}) is already present")
        wanted = [ipaddress.ip_network(config.subnet) for config in spec.ipam_configs]
        for subnet in _subnets(view):
            if any(subnet.overlaps(other) for other in wanted):
                raise NotPermittedError("Pool overlaps with other one on this address space")
        return [PutNetwork(record=Network(id=network_id(request_id), spec=spec))]

    return decide


def _subnets(view: View) -> Iterator[_IPNetwork]:
    for network in view.networks().values():
        for config in network.subnets or network.spec.ipam_configs:
            if config.subnet:
                yield ipaddress.ip_network(config.subnet, strict=False)


def remove(reference: str) -> Decide:
    """A network that no service and no task uses."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        network = find_network(view, reference)
        _check_unused(view, network)
        return [Delete(kind=Kind.NETWORK, id=network.id)]

    return decide


def _check_unused(view: View, network: Network) -> None:
    for service in view.services().values():
        spec = view.spec(service)
        if network.is_ingress and any(port.is_ingress for port in spec.ports):
            raise PreconditionError(
                f"ingress network cannot be removed because service {service.id} depends on it"
            )
        if any(config.target == network.id for config in spec.task_template.networks):
            raise PreconditionError(f"network {network.id} is in use by service {service.id}")
    for service_id in _users(view, network):
        for task in view.tasks_of(service_id).values():
            is_attached = any(a.network_id == network.id for a in task.attachments)
            if task.is_active and is_attached:
                raise PreconditionError(f"network {network.id} is in use by task {task.id}")


def _users(view: View, network: Network) -> Iterator[ServiceID]:
    """Services of which a spec, maybe an older one, names the network.

    The tasks of a service that was removed are about to be asked to stop: `docker stack rm` removes
    the network in the same breath, and does not try again.
    """
    for service_id in view.services():
        for stored in view.specs_of(service_id).values():
            targets = [config.target for config in stored.spec.task_template.networks]
            if network.is_ingress or network.id in targets:
                yield service_id
                break
