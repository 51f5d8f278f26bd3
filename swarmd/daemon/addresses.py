"""Which address a node listens on and which it tells others; Docker's rules and words.

Pure: the machine's interfaces are given.  Source: moby daemon/cluster/listen_addr.go.
"""

import ipaddress
from collections.abc import Mapping, Sequence

import msgspec

from swarmd.errors import BadRequestError
from swarmd.net.addresses import join_address, split_address
from swarmd.ports import Address

DEFAULT_PORT = 2377
DEFAULT_LISTEN = "0.0.0.0:2377"
#: of gossip; managers and agents use the advertised one
GOSSIP_PORT = 7946

#: interface → its addresses, without loopback and link-local ones
Interfaces = Mapping[str, Sequence[str]]


class _Link(msgspec.Struct):
    ifname: str
    flags: list[str] = []
    addr_info: list[dict[str, object]] = []


def interfaces(ip_json: bytes) -> Interfaces:
    """From `ip -j addr`: interfaces that are up, with their global addresses.

    Bridges that engines make are left out: nobody reaches a node there.
    """
    found: dict[str, list[str]] = {}
    for link in msgspec.json.decode(ip_json, type=list[_Link]):
        if "UP" not in link.flags or link.ifname.startswith(("docker", "br-", "swb", "veth", "lo")):
            continue
        addresses = [str(a.get("local")) for a in link.addr_info if a.get("scope") == "global"]
        if addresses:
            found[link.ifname] = addresses
    return found


def manager_address(text: str) -> Address:
    """Of a manager to join at: its port may be left out."""
    is_bare = text.endswith("]") if text.startswith("[") else ":" not in text
    return Address(f"{text}:{DEFAULT_PORT}" if text and is_bare else text)


def gossip_address(listen: Address) -> Address:
    """Where a node that listens there binds gossip's datagrams."""
    return join_address(split_address(listen)[0], GOSSIP_PORT)


def resolve(
    listen: str, advertise: str, default_advertise: str, system: Interfaces
) -> tuple[Address, Address]:
    """(listen address, advertised address), both with a port.  Raises BadRequestError."""
    listen_host, port = _host_port(listen or DEFAULT_LISTEN, DEFAULT_PORT)
    listen_host = _of_interface(listen_host, system)
    wished = advertise or default_advertise
    if wished:
        host, advertised_port = _host_port(wished, port)
        host = _of_interface(host, system)
        if ipaddress.ip_address(host).is_unspecified:
            raise BadRequestError(
                "advertise address must be a non-zero IP address or network interface "
                "(with optional port number)"
            )
        return join_address(listen_host, port), join_address(host, advertised_port)
    if not ipaddress.ip_address(listen_host).is_unspecified:
        return join_address(listen_host, port), join_address(listen_host, port)
    return join_address(listen_host, port), join_address(_only_address(system), port)


def resolve_data_path(wished: str, system: Interfaces) -> str:
    """The address for VXLAN, without a port; empty = the advertised one.  Raises BadRequestError."""
    if not wished:
        return ""
    host = _of_interface(wished, system)
    if ipaddress.ip_address(host).is_unspecified:
        raise BadRequestError(
            "data path address must be a non-zero IP address or network interface "
            "(without a port number)"
        )
    return host


def _host_port(text: str, port: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        number = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, number = text.partition(":")
    else:
        host, number = text, ""
    if number and not (number.isdecimal() and 0 < int(number) < 1 << 16):
        raise BadRequestError(f'invalid ListenAddr "{text}": bad port')
    return host, int(number or port)


def _of_interface(host: str, system: Interfaces) -> str:
    """An IP address as it is, an interface's only one, or a refusal."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if host not in system:
        raise BadRequestError(f"interface {host} does not exist or has no usable address")
    addresses = [a for a in system[host] if ipaddress.ip_address(a).version == 4] or system[host]
    if len(addresses) > 1:
        raise BadRequestError(
            f"could not choose an IP address to advertise since this system has multiple addresses "
            f"on interface {host} ({addresses[0]} and {addresses[1]})"
        )
    return addresses[0]


def _only_address(system: Interfaces) -> str:
    found = [
        (address, name)
        for name, addresses in system.items()
        for address in addresses
        if ipaddress.ip_address(address).version == 4
    ]
    if not found:
        raise BadRequestError("could not find the system's IP address")
    if len(found) > 1:
        (first, one), (second, other) = found[:2]
        where = f"on interface {one} ({first} and {second})"
        if one != other:
            where = f"on different interfaces ({first} on {one} and {second} on {other})"
        raise BadRequestError(
            "could not choose an IP address to advertise since this system has multiple addresses "
            + where
        )
    return found[0][0]
