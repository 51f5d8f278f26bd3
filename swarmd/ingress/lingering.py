"""Datagrams that stick to a backend that has left.

NAT decides once per connection, and to it a UDP socket that goes on sending is one connection for
ever.  So what remembers a backend that left is deleted, and the next datagram is decided anew.  TCP
connections are left alone: they may finish while their task drains.
"""

from collections.abc import Iterator

from swarmd.ingress.balance import ipv4
from swarmd.model.dataplane import DataPlane, published


def datagram_backends(plane: DataPlane) -> frozenset[str]:
    """Addresses that datagrams of published ports go to."""
    return frozenset(
        address
        for port, backends in published(plane)
        if port.protocol == "udp"
        for backend in backends
        for address in ipv4(backend.addresses)
    )


def forget_commands(before: frozenset[str], now: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Commands that delete what is remembered of those that left; status 1 = there was nothing."""
    for address in sorted(before - now):
        yield "conntrack", "-D", "-p", "udp", "--reply-src", address
