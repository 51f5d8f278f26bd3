"""The resolver's sockets: UDP and TCP on one address, questions in, answers out.

They are bound whether or not the address exists yet, and outlive its bridge (IP_FREEBIND): the
resolver depends on nobody's order.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

#: linux/in.h; Python's socket module does not name it.
_IP_FREEBIND = 15
#: A connection that asks nothing is closed after this, and no more than so many are open at once.
_IDLE_S = 10.0
_MOST_CONNECTIONS = 128
#: Bytes of answers that wait in a connection whose client does not read.
_MOST_PENDING_BYTES = 256 * 1024
_LENGTH = struct.Struct("!H")

Send = Callable[[bytes], None]


class Answer(Protocol):
    """What is done with a question: `send` is called once, or never, now or later."""

    def __call__(self, packet: bytes, source: str, send: Send, *, is_tcp: bool) -> None:
        """`source` is the asker's address."""
        ...


class Listening(Protocol):
    """Bound sockets of one address."""

    def close(self) -> None:
        """Questions under way get no answer."""
        ...


#: Binds a port of an address, as `listen` below.
Listen = Callable[[str, int, Answer], Awaitable[Listening]]


class _Listening:
    """Bound sockets of one address."""

    def __init__(self, datagrams: asyncio.DatagramTransport, streams: asyncio.Server) -> None:
        self._datagrams, self._streams = datagrams, streams

    def close(self) -> None:
        """Questions under way get no answer."""
        self._datagrams.close()
        self._streams.close()


async def listen(address: str, port: int, answer: Answer) -> Listening:
    """Raises OSError if another program has the port."""
    loop = asyncio.get_running_loop()
    streams = await loop.create_server(
        lambda: _Stream(answer, connections), sock=_bound(address, port, socket.SOCK_STREAM)
    )
    connections: set[_Stream] = set()
    try:
        datagrams, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(answer), sock=_bound(address, port, socket.SOCK_DGRAM)
        )
    except OSError:
        streams.close()
        raise
    return _Listening(datagrams, streams)


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, kind)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


class _Datagrams(asyncio.DatagramProtocol):
    """Each datagram is a question."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked by isinstance: uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, packet: bytes, source: tuple[str, int]) -> None:
        self._answer(packet, source[0], lambda reply: self._send(reply, source), is_tcp=False)

    def _send(self, reply: bytes, to: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, to)


class _Stream(asyncio.Protocol):
    """Questions with their length before them (RFC 1035, §4.2.2)."""

    def __init__(self, answer: Answer, connections: "set[_Stream]") -> None:
        self._answer, self._connections = answer, connections
        self._transport: asyncio.Transport | None = None
        self._source = ""
        self._buffer = b""
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._source = str(transport.get_extra_info("peername")[0])
        self._connections.add(self)
        if len(self._connections) > _MOST_CONNECTIONS:
            self._transport.abort()
        else:
            self._wait()

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._wait()
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            packet, self._buffer = self._buffer[_LENGTH.size : end], self._buffer[end:]
            self._answer(packet, self._source, self._send, is_tcp=True)

    def _send(self, reply: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(_LENGTH.pack(len(reply)) + reply)
        if transport.get_write_buffer_size() > _MOST_PENDING_BYTES:
            transport.abort()

    def _wait(self) -> None:
        """Close the connection unless something comes."""
        assert self._transport is not None
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(_IDLE_S, self._transport.abort)
