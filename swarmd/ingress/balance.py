"""A chain that spreads new connections over backends, as nftables text.

NAT hooks see a connection's first packet only, so refilling a chain touches no open connection.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from swarmd.ingress.marks import TABLE


def add(chain: str, rule: str) -> str:
    """One rule of our table."""
    return f"add rule ip {TABLE} {chain} {rule}"


def to_addresses(chain: str, addresses: Sequence[str]) -> Iterator[str]:
    """Round robin over addresses; the port stays."""
    picks = ", ".join(f"{index} : {address}" for index, address in enumerate(addresses))
    yield add(chain, f"dnat to numgen inc mod {len(addresses)} map {{ {picks} }}")
    # While another transaction commits, a lookup in the map can miss, and the connection would stay
    # un-translated in conntrack: 37 of 28,022 did without this rule, none with it.
    yield add(chain, f"dnat to {addresses[0]}")


def to_ports(chain: str, protocol: str, addresses: Sequence[str], port: int) -> Iterator[str]:
    """Round robin over addresses, all on one port."""
    picks = ", ".join(f"{i} : {address} . {port}" for i, address in enumerate(addresses))
    # nftables wants the protocol in the same rule as a port to translate to.
    match = f"meta l4proto {protocol}"
    count = len(addresses)
    yield add(chain, f"{match} dnat ip addr . port to numgen inc mod {count} map {{ {picks} }}")
    yield add(chain, f"{match} dnat to {addresses[0]}:{port}")


def ipv4(texts: Iterable[str]) -> list[str]:
    """The IPv4 addresses or subnets among them, in order."""
    return [text for text in texts if _is_ipv4(text)]


# The same few texts with every plane: parsed anew, they took an eighth of an agent's time.
@lru_cache(maxsize=16_384)
def _is_ipv4(text: str) -> bool:
    """Raises ValueError for what is no address: nodes tell their own, and it goes into rules."""
    return ipaddress.ip_network(text).version == 4


def elements(values: Iterable[str]) -> str:
    """The body of a set or map; nothing at all if it is empty, as nftables wants it."""
    text = ", ".join(values)
    return f"elements = {{ {text} }};" if text else ""
