"""A question handed on to a server that containers cannot reach: one on the host's own loopback.

systemd-resolved, dnsmasq and the like listen there.  The message goes on as it came and its answer
comes back as it came; nothing is cached.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence

from swarmd.ports import Seconds

#: Servers have so long in all: a container's engine waits about four seconds.
FORWARD_S: Seconds = 3.0
_LENGTH = struct.Struct("!H")

#: (packet, servers' addresses, is_tcp) → the answer; None if no server gives one.
Forward = Callable[[bytes, Sequence[str], bool], Awaitable[bytes | None]]


async def forward(
    packet: bytes, servers: Sequence[str], is_tcp: bool, *, port: int = 53
) -> bytes | None:
    """Ask the servers in their order; None if none answers."""
    for server in servers:
        try:
            async with asyncio.timeout(FORWARD_S / len(servers)):
                ask = _ask_by_tcp if is_tcp else _ask_by_udp
                return await ask(packet, server, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            continue
    return None


async def _ask_by_tcp(packet: bytes, server: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(_LENGTH.pack(len(packet)) + packet)
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length)
    finally:
        writer.close()


async def _ask_by_udp(packet: bytes, server: str, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Asking(packet[:2], answer), remote_addr=(server, port)
    )
    try:
        transport.sendto(packet)
        return await answer
    finally:
        transport.close()


class _Asking(asyncio.DatagramProtocol):
    """Waits for the answer with the question's number."""

    def __init__(self, number: bytes, answer: asyncio.Future[bytes]) -> None:
        self._number, self._answer = number, answer

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if data[:2] == self._number and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """The host says at once that nobody listens there."""
        if not self._answer.done():
            self._answer.set_exception(exc)
