"""Numbers to give away: addresses of a network, subnets, VNIs, published ports.

All are given serially, so that what was freed is used again last; the marks are in the records
(`Network.last_address`) or follow from them.  Pure arithmetic over what is taken.
"""

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping

from swarmd.model.network import FIRST_VNI, IPAMConfig, Network

DYNAMIC_PORTS = range(30_000, 32_768)


def free_addresses(network: Network, taken: Mapping[str, str]) -> Iterator[str]:
    """Addresses nobody holds, beginning behind the last one given; ends when all are taken.

    The network's first address is the gateway of its spec and is given to nobody.
    """
    for config in network.subnets:
        first, last = _bounds(config)
        subnet = ipaddress.ip_network(config.subnet)
        count = last - first + 1
        start = 0
        if network.last_address:
            mark = ipaddress.ip_address(network.last_address)
            if mark in subnet and first <= int(mark) <= last:
                start = int(mark) + 1 - first
        for offset in range(count):
            address = str(ipaddress.ip_address(first + (start + offset) % count))
            if address not in taken and address != config.gateway:
                yield address


def _bounds(config: IPAMConfig) -> tuple[int, int]:
    """The first and the last address to give: of the user's range, or of all but the first."""
    subnet = ipaddress.ip_network(config.subnet)
    first, last = int(subnet.network_address) + 2, int(subnet.broadcast_address) - 1
    if subnet.version == 6:
        last += 1
    if not config.ip_range:
        return first, last
    part = ipaddress.ip_network(config.ip_range)
    first = max(int(part.network_address), int(subnet.network_address) + 1)
    return first, min(int(part.broadcast_address), last)


def free_subnet(
    pools: Iterable[str], length: int, taken: Iterable[str], after: str = ""
) -> IPAMConfig | None:
    """The next subnet of the pools that overlaps none of `taken`, behind `after` if there is one."""
    used = [ipaddress.ip_network(subnet, strict=False) for subnet in set(taken)]
    behind = int(ipaddress.ip_network(after).broadcast_address) + 1 if after else 0
    for pool in map(ipaddress.ip_network, pools):
        size = 1 << (pool.max_prefixlen - length)
        first, end = int(pool.network_address), int(pool.broadcast_address) + 1
        start = _aligned(behind, size) if first <= behind < end else first
        spans = sorted(
            (int(other.network_address), int(other.broadcast_address) + 1)
            for other in used
            if other.version == pool.version
        )
        for low, high in ((start, end), (first, start)):
            found = _gap(low, high, size, spans)
            if found is not None:
                return _config(ipaddress.ip_network(f"{ipaddress.ip_address(found)}/{length}"))
    return None


def _gap(low: int, high: int, size: int, spans: Iterable[tuple[int, int]]) -> int | None:
    """The first multiple of `size` from `low` on behind which so much is free before `high`.

    `spans`: what is taken, (first, behind the last) each, in order.
    """
    found = low
    for begin, end in spans:
        if begin < found + size and end > found:
            found = _aligned(end, size)
    return found if found + size <= high else None


def _aligned(number: int, size: int) -> int:
    return -(-number // size) * size


def subnet_config(config: IPAMConfig) -> IPAMConfig:
    """A user's subnet, with Docker's default gateway: the first address, of the range if given."""
    subnet = ipaddress.ip_network(config.subnet, strict=False)
    if not config.ip_range:
        return _config(subnet, config.gateway)
    part = ipaddress.ip_network(config.ip_range, strict=False)
    first = max(int(part.network_address), int(subnet.network_address) + 1)
    return IPAMConfig(
        subnet=str(subnet),
        ip_range=str(part),
        gateway=config.gateway or str(ipaddress.ip_address(first)),
    )


def _config(subnet: ipaddress.IPv4Network | ipaddress.IPv6Network, gateway: str = "") -> IPAMConfig:
    return IPAMConfig(
        subnet=str(subnet), gateway=gateway or str(ipaddress.ip_address(int(subnet[0]) + 1))
    )


def next_vni(networks: Iterable[Network]) -> int:
    """The lowest free one."""
    taken = {network.vni for network in networks}
    vni = FIRST_VNI
    while vni in taken:
        vni += 1
    return vni


def free_port(taken: Container[int]) -> int | None:
    """The first free dynamic port."""
    return next((port for port in DYNAMIC_PORTS if port not in taken), None)
