"""Connections that turn into raw streams: attach, exec, session, grpc.

The client's socket and a fresh one to the engine are spliced byte for byte, from the request on: the
engine's `101` or raw `200` reaches the client as it is.  Each direction ends by itself (`docker exec
-i` closes its input and still reads), and a slow reader pauses the other side's writer.

aiohttp does not leave the stage by itself: its parser does not switch after an upgrade request with
a body (exec start has one), and its protocol closes on a half-close.  So the transport is given to
an own protocol and aiohttp is handed a response that writes nothing.

The request asks the engine to close the connection after it: an engine that refuses (no such
container) would otherwise keep it, and the client's next request would pass us by.
"""

import asyncio
from typing import cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from swarmd.errors import EngineError

_CONNECT_S = 10.0
#: What the request head is not copied with; the two framing headers are set anew.
_REPLACED = frozenset({"connection", "content-length", "expect", "transfer-encoding"})


class Spent(web.StreamResponse):
    """The response of a connection that is no longer aiohttp's: writes nothing, keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """There is nothing to begin."""
        del request
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """There is nothing to end."""
        del data


def cut(request: web.BaseRequest) -> Spent:
    """Break the connection off, so that the client sees that its answer is not whole."""
    if request.transport is not None:
        request.transport.abort()
    return Spent()


class _Side(asyncio.Protocol):
    """One end of the splice: what comes in here goes out at `peer`."""

    #: of this end; from `connection_made` on
    transport: asyncio.Transport
    #: the other end; set before anything is received
    peer: "_Side"

    def __init__(self) -> None:
        #: nothing more will come in here
        self.has_ended = False
        #: set when the connection is gone
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.has_ended = True
        if self.peer.has_ended:
            self.peer.transport.close()
            return False  # which closes this end
        if not self.peer.transport.is_closing():
            self.peer.transport.write_eof()
        # Our half stays open for what the other end still says.
        return True

    def pause_writing(self) -> None:
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set()
        # What is still queued for the peer is written before it closes.
        self.peer.transport.close()


class _Front(_Side):
    """The client's end, taken over from aiohttp, which must learn when it is gone."""

    def __init__(self, taken_from: asyncio.Protocol, transport: asyncio.Transport) -> None:
        super().__init__()
        self._taken_from = taken_from
        self.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._taken_from.connection_lost(exc)


async def splice(request: web.BaseRequest, body: bytes, socket_path: str, path: str) -> Spent:
    """Join the client's connection to the engine's until one of them is gone.

    `body` is the request's, all of it; `path` is what the engine is asked, with version and query.
    Raises EngineError with status 0 if it cannot be reached: then the client is still in HTTP.
    """
    client = request.transport
    if client is None:
        raise ConnectionResetError("the client is gone")
    try:
        async with asyncio.timeout(_CONNECT_S):
            engine, back = await asyncio.get_running_loop().create_unix_connection(
                _Side, socket_path
            )
    except OSError as error:
        raise EngineError.unreachable(socket_path, error) from error
    try:
        front = _Front(request.protocol, client)
        front.peer, back.peer = back, front
        engine.write(_head(request, path, len(body)) + body + _read_ahead(request))
        client.set_protocol(front)
        client.resume_reading()
        # When the engine has said all, the client gets it before its connection ends.
        await back.lost.wait()
        await front.lost.wait()
    finally:
        engine.close()
        client.close()
    return Spent()


def _head(request: web.BaseRequest, path: str, body_bytes: int) -> bytes:
    """The request's head for the engine, which is to close after it."""
    upgrades = "Upgrade, " if "Upgrade" in request.headers else ""
    lines = [f"{request.method} {path} HTTP/1.1", f"Connection: {upgrades}close"]
    if body_bytes:
        lines.append(f"Content-Length: {body_bytes}")
    lines += [f"{k}: {v}" for k, v in request.headers.items() if k.lower() not in _REPLACED]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _read_ahead(request: web.BaseRequest) -> bytes:
    """What the client has sent after its request: aiohttp keeps it and has no way to ask for it."""
    protocol = request.protocol
    tail, protocol._message_tail = protocol._message_tail, b""  # noqa: SLF001 (see above)
    return tail
