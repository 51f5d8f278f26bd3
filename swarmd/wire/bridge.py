"""The engine network that stands for a cluster network on one node: Docker's `POST /networks/create`.

The engine is given the network's whole subnet, but a range of one address to choose from, and that
one is the gateway: it has none to give away by itself.  It takes ours although they lie outside the
range; a container that asks on the engine's own socket is refused instead of getting an address that
another node uses.
"""

import ipaddress
from collections.abc import Sequence

import msgspec

from swarmd.model.base import Labels

#: The option of a bridge network that names the Linux bridge.
BRIDGE_OPTION = "com.docker.network.bridge.name"
_MTU = "com.docker.network.driver.mtu"


class BridgeNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine is asked to make."""

    name: str
    #: of the Linux bridge
    bridge: str
    mtu: int
    #: CIDR, one per family
    subnets: Sequence[str]
    #: this node's address, one per family
    gateways: Sequence[str]
    is_internal: bool
    labels: Labels


class _Range(msgspec.Struct, frozen=True):
    subnet: str = msgspec.field(name="Subnet")
    gateway: str = msgspec.field(name="Gateway")
    ip_range: str = msgspec.field(name="IPRange")


class _Ipam(msgspec.Struct, frozen=True, rename="pascal"):
    config: tuple[_Range, ...]


class _Create(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    name: str
    driver: str
    #: engines before API 1.44 allow two networks of one name unless told
    check_duplicate: bool
    ipam: _Ipam = msgspec.field(name="IPAM")
    options: Labels
    labels: Labels
    internal: bool = False
    enable_ipv6: bool = msgspec.field(name="EnableIPv6", default=False)


def bridge_request(network: BridgeNetwork) -> bytes:
    """The body that creates it.  A subnet without a gateway of its family is left out."""
    families = {ipaddress.ip_address(gateway).version: gateway for gateway in network.gateways}
    subnets = [ipaddress.ip_network(subnet) for subnet in network.subnets]
    ranges = tuple(
        _Range(str(subnet), families[subnet.version], _only(families[subnet.version]))
        for subnet in subnets
        if subnet.version in families
    )
    body = _Create(
        name=network.name,
        driver="bridge",
        check_duplicate=True,
        ipam=_Ipam(ranges),
        options={BRIDGE_OPTION: network.bridge, _MTU: str(network.mtu)},
        labels=network.labels,
        internal=network.is_internal,
        enable_ipv6=any(subnet.version == 6 for subnet in subnets),
    )
    return msgspec.json.encode(body)


def _only(address: str) -> str:
    """The range that holds this one address."""
    return str(ipaddress.ip_network(address))
