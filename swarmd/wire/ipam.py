"""Subnets that a user asks for, checked as the engine checks them before a network is made.

All that is wrong is told at once.  Source: moby api/types/network/ipam.go (ValidateIPAM).
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from swarmd.errors import BadRequestError, UnsupportedError
from swarmd.model.network import IPAMConfig

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Subnet(msgspec.Struct, frozen=True):
    """One of `IPAM.Config` in `POST /networks/create`."""

    subnet: str = msgspec.field(name="Subnet", default="")
    ip_range: str = msgspec.field(name="IPRange", default="")
    gateway: str = msgspec.field(name="Gateway", default="")
    auxiliary: dict[str, str] | None = msgspec.field(name="AuxiliaryAddresses", default=None)


def ipam_configs(asked: Sequence[Subnet]) -> tuple[IPAMConfig, ...]:
    """Raises BadRequestError in Docker's words; UnsupportedError for what cannot be done yet."""
    problems = [problem for subnet in asked for problem in _problems(subnet)]
    if problems:
        lines = problems if len(problems) == 1 else [f"* {problem}" for problem in problems]
        raise BadRequestError("\n".join(("invalid network config:", *lines)))
    for one in asked:
        if one.auxiliary:
            raise UnsupportedError(
                "auxiliary addresses in networks of the swarm: not supported yet"
            )
        if ":" in one.subnet:
            raise UnsupportedError("IPv6 in networks of the swarm: not supported yet")
    return tuple(
        IPAMConfig(subnet=one.subnet, ip_range=one.ip_range, gateway=one.gateway) for one in asked
    )


def _problems(asked: Subnet) -> Iterator[str]:
    subnet = _network(asked.subnet)
    if subnet is None:
        yield f"invalid subnet {asked.subnet}: invalid CIDR block notation"
        return
    if not _is_exact(asked.subnet, subnet):
        yield f"invalid subnet {asked.subnet}: it should be {subnet}"
    if asked.ip_range:
        yield from _problems_of_range(asked.ip_range, subnet)
    if asked.gateway:
        yield from _problems_of_address(f"gateway {asked.gateway}", asked.gateway, subnet)
    for name, address in sorted((asked.auxiliary or {}).items()):
        yield from _problems_of_address(f"auxiliary address {name}", address, subnet)


def _problems_of_range(text: str, subnet: _Network) -> Iterator[str]:
    part = _network(text)
    if part is None:
        yield f"invalid ip-range {text}: invalid CIDR block notation"
        return
    if part.prefixlen < subnet.prefixlen:
        yield f"invalid ip-range {text}: CIDR block is bigger than its parent subnet {subnet}"
    if part.version != subnet.version or part.network_address not in subnet:
        yield f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"
    if not _is_exact(text, part):
        yield f"invalid ip-range {text}: it should be {part}"


def _problems_of_address(what: str, text: str, subnet: _Network) -> Iterator[str]:
    try:
        is_inside = ipaddress.ip_address(text) in subnet
    except ValueError:
        yield f"invalid {what}: invalid address"
        return
    if not is_inside:
        yield f"invalid {what}: parent subnet {subnet} doesn't contain this address"


def _network(text: str) -> _Network | None:
    """None for what is no address with a prefix length."""
    if not text.partition("/")[2].isdecimal():
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_exact(text: str, network: _Network) -> bool:
    """Whether no bit is set behind the prefix."""
    return ipaddress.ip_address(text.partition("/")[0]) == network.network_address
