"""A subnet that this node needs for something else must not become a bridge here.

Swarm's networks live in namespaces of their own; these are bridges of the host, and a bridge with
the subnet of the host's own network takes the host off it.  So such a network is refused, with the
way out, before the engine is asked.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from swarmd.model.dataplane import DataPlane, PlaneNetwork
from swarmd.model.devices import BRIDGE_PREFIX
from swarmd.overlay.observe import Link, Observed


def clash(wanted: DataPlane, network: PlaneNetwork, observed: Observed) -> str:
    """Why the network must not be made here; empty if it may."""
    for subnet in map(ipaddress.ip_network, network.subnets):
        for other, owner in (*_on_links(observed), *_nodes(wanted)):
            # Networks of two families never overlap.
            if other.version == subnet.version and other.overlaps(subnet):
                return (
                    f"network {network.name} ({subnet}) overlaps {owner} ({other}): create it with "
                    "another subnet, or init the swarm with another --default-addr-pool"
                )
    return ""


def host_subnets(links: Iterable[Link]) -> tuple[str, ...]:
    """Of all links that are not ours: `clash` refuses what overlaps them."""
    found = {
        network
        for link in links
        for network, _ in _on_link(link)
        if not network.is_loopback and not network.is_link_local
    }
    return tuple(map(str, sorted(found, key=lambda network: (network.version, network))))


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _on_links(observed: Observed) -> Iterator[tuple[_Network, str]]:
    for link in observed.links.values():
        yield from _on_link(link)


def _on_link(link: Link) -> Iterator[tuple[_Network, str]]:
    if not link.name.startswith(BRIDGE_PREFIX):
        for subnet in link.subnets:
            yield ipaddress.ip_network(subnet, strict=False), f"that of {link.name}"


def _nodes(wanted: DataPlane) -> Iterator[tuple[_Network, str]]:
    for node in wanted.nodes:
        for address in dict.fromkeys((node.data_path, *node.addresses)):
            yield ipaddress.ip_network(address), f"the address of node {node.id}"
