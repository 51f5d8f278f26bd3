"""Datagrams that stick to a backend that has left.

NAT decides once per connection, and to it a UDP socket that goes on sending is one connection for
ever.  So what remembers a backend that left is deleted, and the next datagram is decided anew.  TCP
connections are left alone: they may finish while their task drains.

In the host only what is published can be meant; in a container, whatever it sends to a VIP, so it is
looked at first.
"""

import re
from collections.abc import Collection, Iterator

from swarmd.ingress.balance import ipv4
from swarmd.model.dataplane import DataPlane, published

#: Whom the answers of a translated connection come from: the second source of a line.
_ANSWERS = re.compile(r"\bsrc=\S+ .*?\bsrc=(\S+)")


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
        yield _forget(address)


def list_command(pid: int) -> tuple[str, ...]:
    """The command that lists a container's translated datagrams."""
    return (*_enter(pid), "conntrack", "-L", "-p", "udp", "--dst-nat")


def forget_in_container(pid: int, listed: str, gone: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Commands that delete those that go to backends that are gone."""
    backends = {found[1] for line in listed.splitlines() if (found := _ANSWERS.search(line))}
    for address in sorted(backends.intersection(gone)):
        yield (*_enter(pid), *_forget(address))


def _forget(address: str) -> tuple[str, ...]:
    return "conntrack", "-D", "-p", "udp", "--reply-src", address


def _enter(pid: int) -> tuple[str, ...]:
    return "nsenter", "-t", str(pid), "-n", "--"
