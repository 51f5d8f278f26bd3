"""Published ports as a local program meets them: reserved, or already taken.

A published port is translated before any socket of the host sees it.  So a program that listens on
it would lose its clients, sshd or swarmd itself among them, and one that begins to listen would
never get any.  Therefore each port is held with a socket that is bound and does not listen: a later
program's bind fails, with the system's words, and a port without backends is still refused.  A port
that a program has already is left to it on this node, and that is said.

Datagrams are another matter: a bound socket that nobody reads swallows them.  Their ports are held
only while the rules lead them elsewhere.
"""

import logging
import re
from collections.abc import Collection, Iterator

from swarmd.ingress.balance import ipv4
from swarmd.model.dataplane import DataPlane, published
from swarmd.ports import HeldPort, Kernel

log = logging.getLogger(__name__)

#: ("tcp", 8080)
Port = tuple[str, int]

#: Protocols of which a port can be held; SCTP is not worth a socket.
_KINDS = {"tcp": "-t", "udp": "-u"}
_USER = re.compile(r'users:\(\("([^"]+)",pid=(\d+)')


class Reservations:
    """The ports that one node holds."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held: dict[Port, HeldPort] = {}
        #: who has a port that should be ours
        self._taken: dict[Port, str] = {}

    async def take(self, plane: DataPlane) -> frozenset[Port]:
        """Hold what is published and nothing else; the ports that others have.  Raises OSError."""
        wanted = dict.fromkeys(_wanted(plane))
        for port in [port for port in self._held if port not in wanted]:
            self._held.pop(port).close()
        taken = {}
        for port in wanted:
            if port not in self._held and (user := await self._hold(port, plane)):
                taken[port] = user
        self._say(taken)
        self._taken = taken
        return frozenset(taken)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know, in sentences."""
        return tuple(
            f"WARNING: published port {number}/{protocol} is not answered on this node: "
            f"{user} has it"
            for (protocol, number), user in self._taken.items()
        )

    def release(self) -> None:
        """Hold nothing any more."""
        for held in self._held.values():
            held.close()
        self._held = {}

    async def _hold(self, port: Port, plane: DataPlane) -> str:
        """Who has the port; empty if nobody has."""
        try:
            self._held[port] = self._kernel.hold_port(*port)
        except OSError as error:
            # A connection of ours to somewhere may come from this port: that is nobody's service.
            listed = await self._kernel.output(*_list_command(port))
            own = [a for n in plane.networks for a in ipv4(n.node_addresses(plane.node_id))]
            user = user_of(listed, own)
            if not user:
                log.debug("port not held", extra={"port": port, "reason": str(error)})
            return user
        return ""

    def _say(self, taken: dict[Port, str]) -> None:
        for (protocol, number), user in taken.items():
            if self._taken.get((protocol, number)) != user:
                log.warning(
                    "published port is in use on this node and is left to its program",
                    extra={"port": f"{number}/{protocol}", "program": user},
                )
        for protocol, number in self._taken.keys() - taken.keys():
            log.info("published port is free again", extra={"port": f"{number}/{protocol}"})


def user_of(listed: str, own: Collection[str]) -> str:
    """Who listens, as `ss` says it; empty for nobody.

    `own` are the addresses of this node in cluster networks: there the resolver listens.  IPv6
    addresses do not matter: published ports are of IPv4.
    """
    for line in listed.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        address = words[3].rpartition(":")[0].partition("%")[0]
        if address.startswith("[") or address in own:
            continue
        found = _USER.search(line)
        return f"{found[1]} (pid {found[2]}) on {address}" if found else f"a program on {address}"
    return ""


def _wanted(plane: DataPlane) -> Iterator[Port]:
    for port, backends in published(plane):
        if port.protocol == "tcp" or (port.protocol == "udp" and backends):
            yield port.protocol, port.published_port


def _list_command(port: Port) -> tuple[str, ...]:
    protocol, number = port
    return ("ss", "-H", "-l", "-n", "-p", _KINDS[protocol], f"sport = :{number}")
