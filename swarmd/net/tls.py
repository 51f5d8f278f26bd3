"""TLS as an asyncio protocol, over memory: with half-close, and with little memory per connection.

asyncio's own TLS keeps a buffer of 256 KiB per connection and cannot half-close: when a client ends
its side (`docker exec` does when stdin ends) the loop drops the connection and the answer with it.
This protocol stands between a raw transport and any asyncio.Protocol, at either end:

    loop.create_server(lambda: TLSProtocol(context, factory, server_side=True), host, port)

Data go through OpenSSL in slices of one record (16 KiB), so its buffers stay that small.
A peer's close_notify is the end of its side: the application's `eof_received` decides whether to
go on writing.  A TCP end without close_notify is a cut (RFC 8446, §6.1): the application gets
ConnectionResetError.  A client that is refused learns so at its first read, not in the handshake:
TLS 1.3 has no later message (RFC 8446, §4.4.2.4); its error says that in words.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import cast

from swarmd.ports import Seconds

log = logging.getLogger(__name__)

#: One TLS record.
SLICE_BYTES = 16 * 1024
HANDSHAKE_TIMEOUT_S: Seconds = 10.0
#: How long after `close` the peer may take to read what is queued.
SHUTDOWN_TIMEOUT_S: Seconds = 10.0


class TLSProtocol(asyncio.Protocol):
    """One connection.  `factory` makes the application's protocol once the handshake is done.

    `failed` is called, instead of `factory`, with the reason if there will be no handshake.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        factory: Callable[[], asyncio.BaseProtocol],
        *,
        server_side: bool,
        failed: Callable[[ConnectionError], None] | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        #: OpenSSL's side of the connection
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self._factory = factory
        self._failed = failed
        self._is_server = server_side
        self._raw: asyncio.Transport | None = None
        #: the application; None before the handshake is done
        self.application: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: why the application's connection is lost, if not by its own wish
        self._reason: ConnectionError | None = None
        self._is_reading = True
        #: inside the read loop, where OpenSSL must not be asked to shut down
        self._is_pumping = False
        #: the peer's side has ended
        self._has_ended = False
        #: our side: asked to end; ended
        self._is_ending = False
        self._has_shut_down = False
        #: the transport is to be closed once our side has ended
        self._is_closing = False
        #: the raw transport is gone
        self._is_lost = False

    # What the raw transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        # uvloop's transports are none of asyncio's classes.
        self._raw = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_TIMEOUT_S, self._give_up_handshake)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Encrypted bytes."""
        view = memoryview(data)
        for at in range(0, len(view), SLICE_BYTES):
            self._incoming.write(view[at : at + SLICE_BYTES])
            self._pump()

    def eof_received(self) -> bool:
        """TCP's end.  After a close_notify our side may go on; without one the stream was cut."""
        if not self._has_ended and self._reason is None:
            self._reason = ConnectionResetError("the stream was cut: it ended without close_notify")
        return self._has_ended and not self._is_closing

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits: the application, or before it the one who asked for the handshake."""
        self._is_lost = self._is_ending = True
        if self._timer is not None:
            self._timer.cancel()
        reason = self._reason or exc
        if self.application is not None:
            self.application.connection_lost(reason)
        else:
            self._report_failure(reason or ConnectionResetError("closed during the TLS handshake"))

    def pause_writing(self) -> None:
        """The kernel takes no more."""
        if self.application is not None:
            self.application.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        if self.application is not None:
            self.application.resume_writing()

    # What the application's transport calls.

    @property
    def raw(self) -> asyncio.Transport:
        """The transport of the encrypted bytes."""
        assert self._raw is not None, "not connected yet"
        return self._raw

    @property
    def is_closing(self) -> bool:
        """Nothing more can be written."""
        return self._is_ending or self.raw.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; ignored once our side has ended, as asyncio's transports do."""
        if self._is_ending:
            return
        view = memoryview(data)
        for at in range(0, len(view), SLICE_BYTES):
            self.tls.write(view[at : at + SLICE_BYTES])
            self._flush()

    def write_eof(self) -> None:
        """End our side; the peer's goes on."""
        self._is_ending = True
        # Shutting down makes OpenSSL look for the peer's answer, and what it finds there instead is
        # a fatal error: what was received is read first, also when the application has paused.
        unread = self._is_pumping or self._incoming.pending or self.tls.pending()
        if not self._has_shut_down and (self._is_closing or not unread):
            self._has_shut_down = True
            self._shut_down()

    def close(self) -> None:
        """End both sides once what is queued was read, or after SHUTDOWN_TIMEOUT_S."""
        self._is_closing = self._is_ending = True
        if not self._is_pumping:
            self.write_eof()
            self._close_raw()

    def abort(self) -> None:
        """End both sides now; before the handshake too."""
        if self._raw is not None and not self._is_lost:
            self._raw.abort()

    def pause_reading(self) -> None:
        """Decrypt nothing more for now."""
        self._is_reading = False
        self.raw.pause_reading()

    def resume_reading(self) -> None:
        """Go on, with what has been received meanwhile first."""
        if not self._is_reading and not self.raw.is_closing():
            self._is_reading = True
            self.raw.resume_reading()
            asyncio.get_running_loop().call_soon(self._pump)

    @property
    def is_reading(self) -> bool:
        """Not paused, and something may still come."""
        return self._is_reading and not self._has_ended

    # Between the two.

    def _pump(self) -> None:
        """Move the handshake and the incoming data on as far as they go."""
        if self._is_pumping or self.raw.is_closing():
            return
        self._is_pumping = True
        try:
            if self.application is not None or self._shake_hands():
                self._read()
        except ssl.SSLError as error:
            self._fail(error)
        finally:
            self._is_pumping = False
            self._flush()
        if self._is_closing:
            self.close()
        elif self._is_ending:
            self.write_eof()

    def _shake_hands(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._flush()
        assert self._timer is not None
        self._timer.cancel()
        application = self._factory()
        assert isinstance(application, asyncio.Protocol)
        self.application = application
        application.connection_made(TLSTransport(self))
        return True

    def _read(self) -> None:
        while self._is_reading and not self._has_ended and not self._is_closing:
            try:
                data = self.tls.read(SLICE_BYTES)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLZeroReturnError:
                data = b""
            assert self.application is not None
            if data:
                self.application.data_received(data)
                continue
            self._has_ended = True
            if not self.application.eof_received():
                self._is_closing = True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.raw.write(self._outgoing.read())

    def _shut_down(self) -> None:
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # our close_notify is written; the peer's comes, or not
        except ssl.SSLError as error:
            log.debug("tls shutdown refused", extra={"reason": str(error)})
        self._flush()

    def _close_raw(self) -> None:
        if self.raw.is_closing():
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SHUTDOWN_TIMEOUT_S, self.raw.abort)
        self.raw.close()

    def _fail(self, error: ssl.SSLError) -> None:
        """OpenSSL gave up: its alert is still sent, and nothing else."""
        if self._reason is None:
            self._reason = ConnectionAbortedError(self._in_words(error))
        self._flush()
        self._is_ending = self._is_closing = self._has_shut_down = True

    def _in_words(self, error: ssl.SSLError) -> str:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the peer's certificate is not accepted: {error.verify_message}"
        if not self._is_server and self.application is not None and "alert" in reason:
            return (
                f"the server refused this client's certificate ({reason}); "
                "TLS 1.3 says so only at the client's first read"
            )
        return f"TLS failed: {reason}"

    def _give_up_handshake(self) -> None:
        self._reason = ConnectionAbortedError(f"no TLS handshake within {HANDSHAKE_TIMEOUT_S:g} s")
        self.raw.abort()

    def _report_failure(self, reason: Exception) -> None:
        if not isinstance(reason, ConnectionError):
            reason = ConnectionAbortedError(str(reason))
        if self._failed is not None:
            self._failed(reason)
        else:
            peer = self.raw.get_extra_info("peername")
            log.info("tls handshake failed", extra={"peer": peer, "reason": str(reason)})


class TLSTransport(asyncio.Transport):
    """What the application sees: asyncio's transport, word for word; all work is the protocol's."""

    def __init__(self, protocol: TLSProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def get_extra_info(self, name: str, default: object = None) -> object:
        """By asyncio's names: ssl_object, peercert, cipher, sslcontext; others are the socket's."""
        tls = self._protocol.tls
        match name:
            case "ssl_object":
                return tls
            case "sslcontext":
                return tls.context
            case "peercert":
                return tls.getpeercert()
            case "cipher":
                return tls.cipher()
            case _:
                return self._protocol.raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another application (an upgraded HTTP request)."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol.application = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The application."""
        assert self._protocol.application is not None
        return self._protocol.application

    def is_closing(self) -> bool:
        """Whether the transport is closing or closed."""
        return self._protocol.is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and queue."""
        self._protocol.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Encrypt and queue all, as one write."""
        self._protocol.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """True: half-close is what this is for."""
        return True

    def write_eof(self) -> None:
        """End this side; reading goes on."""
        self._protocol.write_eof()

    def close(self) -> None:
        """End both sides, after what is queued."""
        self._protocol.close()

    def abort(self) -> None:
        """End both sides now."""
        self._protocol.abort()

    def is_reading(self) -> bool:
        """Whether data may arrive."""
        return self._protocol.is_reading

    def pause_reading(self) -> None:
        """No data_received until resume_reading."""
        self._protocol.pause_reading()

    def resume_reading(self) -> None:
        """Undo pause_reading."""
        self._protocol.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Marks of pause_writing and resume_writing, in encrypted bytes."""
        self._protocol.raw.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high)."""
        return self._protocol.raw.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Encrypted bytes that the kernel has not taken."""
        return self._protocol.raw.get_write_buffer_size()
