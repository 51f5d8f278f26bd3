"""The engine's streams, taken apart without I/O.

A container without a terminal has a log of frames (stdcopy): one byte for the stream, three zeros,
four for the length, big endian, then one message of the log driver, which ends with a newline
unless it is a piece of an overlong line.  A container with a terminal has plain lines.  Both begin
each message with its time, because swarmd always asks for timestamps.  Events and progress are
lines of JSON.  Every splitter is fed chunks as they come and gives what is complete.
"""

from collections.abc import Iterator

from swarmd.engine.observe import timestamp
from swarmd.errors import EngineError
from swarmd.ports import LogChunk

_HEADER_BYTES = 8
#: A message of a log driver is at most 16 KiB and a driver's partial buffer 1 MiB; more is no frame.
MAX_FRAME_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024

STDIN, STDOUT, STDERR, SYSTEM_ERROR = range(4)


class Lines:
    """Splits a stream of bytes into its non-empty lines, without their newlines."""

    def __init__(self) -> None:
        #: what came after the last newline; at most MAX_LINE_BYTES
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes.  Raises EngineError when a line does not end."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise EngineError(502, "a line of the engine's stream does not end")
        self._rest = rest
        return [bytes(line) for line in lines if line.strip()]

    def finish(self) -> list[bytes]:
        """What is left when the stream has ended."""
        return self.feed(b"\n")


class Frames:
    """Splits a multiplexed stream into (stream, payload)."""

    def __init__(self) -> None:
        #: the beginning of a frame that is not complete
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that `data` completes.  Raises EngineError if this is no such stream."""
        self._rest += data
        at = 0
        try:
            while len(self._rest) - at >= _HEADER_BYTES:
                stream, size_bytes = self._header(at)
                end = at + _HEADER_BYTES + size_bytes
                if end > len(self._rest):
                    break
                payload = bytes(self._rest[at + _HEADER_BYTES : end])
                at = end
                yield stream, payload
        finally:
            del self._rest[:at]

    def _header(self, at: int) -> tuple[int, int]:
        """Stream and payload size of the frame that begins `at`."""
        stream = self._rest[at]
        size_bytes = int.from_bytes(self._rest[at + 4 : at + _HEADER_BYTES], "big")
        if stream > SYSTEM_ERROR or size_bytes > MAX_FRAME_BYTES:
            raise EngineError(502, "the engine's log stream is not framed")
        return stream, size_bytes


class LogSplitter:
    """Turns the bytes of `GET /containers/{id}/logs?timestamps=1` into log lines.

    `data` of a line keeps its newline, as the log driver has it.
    """

    def __init__(self, *, is_tty: bool) -> None:
        #: one of the two, by the container's kind
        self._lines = Lines() if is_tty else None
        self._frames = Frames()

    def feed(self, data: bytes) -> Iterator[LogChunk]:
        """The lines that `data` completes.  Raises EngineError with what the engine says in-band."""
        if self._lines is not None:
            for line in self._lines.feed(data):
                yield _chunk(STDOUT, line + b"\n")
            return
        for stream, payload in self._frames.feed(data):
            if stream == SYSTEM_ERROR:
                raise EngineError(500, payload.decode(errors="replace").strip())
            yield _chunk(stream, payload)


def _chunk(stream: int, message: bytes) -> LogChunk:
    """A message without the time that it begins with; without one, all of it, at 0."""
    stamp, space, data = message.partition(b" ")
    at = timestamp(stamp.decode("ascii", errors="replace")) if space else 0
    return LogChunk(stream=stream, at=at, data=data if at else message)
