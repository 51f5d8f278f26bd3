"""The Network port of production: frames over TLS 1.3 over TCP, and UDP datagrams.

A connection's two queues are bounded: reading stops while `receive` is behind, `drain` waits while
the peer is.  Frames that arrived before an end are still handed out; then `receive` raises, with
the reason in words.

Frames that are sent in one step of the loop leave together, in as few TLS records and system calls
as they fit into.

A peer that lost power, or its network, says nothing: without asking, TCP would believe in it for ever
on an idle connection, and for a quarter of an hour on a busy one.  So an idle connection is probed,
and one whose bytes are not acknowledged is given up; both take DEAD_AFTER_S.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

from swarmd.errors import InvalidArgumentError, WireError
from swarmd.net.addresses import join_address, split_address
from swarmd.net.contexts import client_context, peer_of, server_context
from swarmd.net.frames import FrameDecoder, frame_header
from swarmd.net.tls import TLSProtocol
from swarmd.ports import Address, Connection, Credentials, Peer, Seconds

log = logging.getLogger(__name__)

#: From the first SYN to the end of the handshake.
CONNECT_TIMEOUT_S: Seconds = 5.0
#: Received and not yet taken: reading stops above it.  A longer frame still gets through.
MOST_UNREAD_BYTES = 1024 * 1024
#: Sent and not yet taken by the kernel: `drain` waits above it.
MOST_UNSENT_BYTES = 256 * 1024
#: Sent and not yet encrypted: more than this does not wait for the end of the loop's step.
MOST_GATHERED_BYTES = 64 * 1024
#: The longest frame from a peer without a certificate, who asks for the root or to join, no more:
#: memory is held for frames that are half here.
STRANGER_FRAME_BYTES = 64 * 1024
#: A peer whose kernel has acknowledged nothing for so long is gone (RFC 5482, RFC 1122 §4.2.3.6).
DEAD_AFTER_S = 8
#: When an idle connection is first probed, and the pause between two probes.
PROBE_AFTER_S, PROBE_AGAIN_S = 4, 1


class TLSNetwork:
    """Streams and datagrams of this machine."""

    async def listen(
        self,
        address: Address,
        credentials: Callable[[], Credentials],
        accept: Callable[[Connection], Awaitable[None]],
    ) -> "StreamListener":
        """Serve connections; port 0 takes a free one.

        Each connection gets a task with `accept` in it, and is closed when that returns.  What
        `accept` raises is logged.  Raises OSError if the address cannot be bound.
        """
        listener = StreamListener(credentials, accept)
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        # A host of "" binds every address of both families.
        listener.server = await loop.create_server(listener.new_protocol, host or None, port)
        return listener

    async def connect(self, address: Address, credentials: Credentials) -> "StreamConnection":
        """Raises ConnectionError (refused, no answer, handshake) naming the address.

        That this client is refused shows at its first `receive` only: so is TLS 1.3.
        """
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        connected: asyncio.Future[StreamConnection] = loop.create_future()
        protocol = _client_protocol(credentials, connected)
        connection: StreamConnection | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: protocol, host, port)
                connection = await connected
        except TimeoutError:
            reason = f"no answer within {CONNECT_TIMEOUT_S:g} s"
            raise ConnectionAbortedError(f"cannot connect to {address}: {reason}") from None
        except OSError as error:
            # Refused, there is a host: that is worth a type of its own to whoever asks if it lives.
            is_refused = isinstance(error, ConnectionRefusedError)
            kind = ConnectionRefusedError if is_refused else ConnectionAbortedError
            raise kind(f"cannot connect to {address}: {_words(error)}") from error
        finally:
            if connection is None:
                connected.cancel()
                protocol.abort()
        return connection

    async def open_datagrams(
        self, address: Address, receive: Callable[[bytes, Address], None]
    ) -> "UDPDatagrams":
        """Port 0 takes a free one.  Raises OSError if the address cannot be bound."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(
            lambda: UDPDatagrams(receive), local_addr=split_address(address)
        )
        return protocol


class StreamListener:
    """A bound TCP port and the tasks of what it accepted."""

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        accept: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self._credentials = credentials
        self._accept = accept
        #: set once bound
        self.server: asyncio.Server | None = None
        #: one per open connection
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The bound port."""
        assert self.server is not None
        return int(self.server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept nothing more, and end what was accepted."""
        assert self.server is not None
        self.server.close()
        for task in tuple(self._tasks):
            task.cancel()

    def new_protocol(self) -> asyncio.Protocol:
        """For one connection, with the credentials of this moment."""
        context = server_context(self._credentials())
        return TLSProtocol(context, lambda: StreamConnection(self._begin), server_side=True)

    def _begin(self, connection: "StreamConnection") -> None:
        task = asyncio.get_running_loop().create_task(self._own(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _own(self, connection: "StreamConnection") -> None:
        try:
            await self._accept(connection)
        except ConnectionError as error:
            log.debug("connection lost", extra={"peer": connection.peer, "reason": str(error)})
        except Exception:
            # The last frame above a connection: what fails here ends this connection alone.
            log.exception("connection failed", extra={"peer": connection.peer})
        finally:
            connection.close()


class StreamConnection(asyncio.Protocol):
    """A Connection: frames on a TLS transport.  `ready` is called once it is usable."""

    def __init__(self, ready: Callable[["StreamConnection"], None]) -> None:
        self._ready = ready
        self._transport: asyncio.Transport | None = None
        self._peer = Peer()
        self._decoder = FrameDecoder()
        #: received, in order
        self._frames: deque[bytes] = deque()
        self._unread_bytes = 0
        #: why there will be no more frames
        self._ended: ConnectionError | None = None
        #: those who wait in receive (one) and in drain
        self._receiver: asyncio.Future[None] | None = None
        self._drainers: list[asyncio.Future[None]] = []
        self._is_write_paused = False
        #: sent in this step of the loop, headers and frames by turns, and not yet encrypted
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0

    @property
    def peer(self) -> Peer:
        """As the handshake showed."""
        return self._peer

    def send(self, frame: bytes) -> None:
        """Queue a frame; lost silently if the connection has ended."""
        if self._ended is not None:
            return
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered += (frame_header(len(frame)), frame)
        self._gathered_bytes += len(frame)
        if self._gathered_bytes >= MOST_GATHERED_BYTES:
            self._flush()

    def pending_bytes(self) -> int:
        """Sent and not yet taken by the kernel."""
        if self._ended is not None:
            return 0
        return self._gathered_bytes + self._tls_transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Returns when less than MOST_UNSENT_BYTES are queued."""
        while self._is_write_paused and self._ended is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drainers.append(waiter)
            try:
                await waiter
            finally:
                self._drainers.remove(waiter)
        if self._ended is not None:
            raise _again(self._ended)

    async def receive(self) -> bytes:
        """The next frame.  One caller at a time."""
        while not self._frames:
            if self._ended is not None:
                raise _again(self._ended)
            assert self._receiver is None, "two tasks receive from one connection"
            self._receiver = asyncio.get_running_loop().create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        frame = self._frames.popleft()
        self._unread_bytes -= len(frame)
        if self._unread_bytes <= MOST_UNREAD_BYTES // 2:
            self._tls_transport.resume_reading()
        return frame

    def close(self) -> None:
        """What is queued is still sent, if the peer reads it soon."""
        if self._ended is None:
            self._flush()
            self._end(ConnectionAbortedError("the connection was closed at this end"))
            self._tls_transport.close()

    # What the TLS protocol calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=MOST_UNSENT_BYTES)
        _watch_peer(cast("socket.socket", transport.get_extra_info("socket")))
        tls = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
        self._peer = peer_of(tls, str(transport.get_extra_info("peername")[0]))
        if not self._peer.node_id:
            self._decoder = FrameDecoder(STRANGER_FRAME_BYTES)
        self._ready(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes of the stream."""
        try:
            frames = self._decoder.feed(data)
        except WireError as error:
            self._end(ConnectionAbortedError(str(error)))
            self._tls_transport.abort()
            return
        if self._ended is not None:
            return
        self._frames.extend(frames)
        self._unread_bytes += sum(map(len, frames))
        if self._unread_bytes > MOST_UNREAD_BYTES:
            self._tls_transport.pause_reading()
        if frames:
            self._wake_receiver()

    def eof_received(self) -> bool:
        """Nothing here half-closes: an end of one side is an end of both."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """No more frames."""
        reason = exc or ConnectionResetError("the peer closed the connection")
        if not isinstance(reason, ConnectionError):
            reason = ConnectionAbortedError(str(reason))
        self._end(reason)

    def pause_writing(self) -> None:
        """Make drain wait."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Let drain go on."""
        self._is_write_paused = False
        self._wake_drainers()

    @property
    def _tls_transport(self) -> asyncio.Transport:
        assert self._transport is not None, "the handshake is not done"
        return self._transport

    def _flush(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if gathered and self._ended is None:
            self._tls_transport.writelines(gathered)

    def _end(self, reason: ConnectionError) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        self._wake_receiver()
        self._wake_drainers()

    def _wake_drainers(self) -> None:
        for waiter in self._drainers:
            if not waiter.done():
                waiter.set_result(None)

    def _wake_receiver(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)


class UDPDatagrams(asyncio.DatagramProtocol):
    """A bound UDP port."""

    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._bound.get_extra_info("sockname")[1])

    def send(self, data: bytes, to: Address) -> None:
        """Best effort; an address that cannot be parsed or reached is skipped."""
        if self._bound.is_closing():
            return
        try:
            self._bound.sendto(data, split_address(to))
        except (InvalidArgumentError, OSError, ValueError) as error:
            log.debug("datagram not sent", extra={"to": to, "reason": str(error)})

    def close(self) -> None:
        """Idempotent."""
        self._bound.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound."""
        # uvloop's UDP transport is none of asyncio's classes.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand it on."""
        self._receive(data, join_address(addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """ICMP's word on an earlier datagram; whoever waits for an answer notices by himself."""
        log.debug("datagram refused", extra={"reason": str(exc)})

    @property
    def _bound(self) -> asyncio.DatagramTransport:
        assert self._transport is not None
        return self._transport


def _client_protocol(
    credentials: Credentials, connected: "asyncio.Future[StreamConnection]"
) -> TLSProtocol:
    """A client's protocol that reports to `connected`: the connection, or why there is none."""

    def ready(connection: StreamConnection) -> None:
        if not connected.done():
            connected.set_result(connection)

    def failed(error: ConnectionError) -> None:
        if not connected.done():
            connected.set_exception(error)

    context = client_context(credentials)
    return TLSProtocol(context, lambda: StreamConnection(ready), server_side=False, failed=failed)


def _watch_peer(stream: socket.socket) -> None:
    """Have the kernel end the connection DEAD_AFTER_S after it last heard of the peer's."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_AGAIN_S)
    probes = (DEAD_AFTER_S - PROBE_AFTER_S) // PROBE_AGAIN_S
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_S * 1000)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _again(error: ConnectionError) -> ConnectionError:
    """A fresh copy: an exception that is raised twice drags its first traceback along."""
    return type(error)(*error.args)


def _words(error: OSError) -> str:
    """The system's sentence without asyncio's wrapping, or our own."""
    return os.strerror(error.errno) if error.errno else str(error)
