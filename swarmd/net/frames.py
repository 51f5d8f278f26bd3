"""Frames: a big-endian u32 length, then that many bytes.

The length is checked before anything is set aside for the frame, so a stranger's four bytes cost
nothing.  Bytes in, frames out: who reads the socket is `streams`' business.
"""

import struct

from swarmd.errors import WireError

#: The longest frame: a raft snapshot's chunk or a large assignment fit many times over.
MAX_FRAME_BYTES = 16 * 1024 * 1024

_LENGTH = struct.Struct(">I")


def frame_header(size_bytes: int) -> bytes:
    """What goes before a frame of that size."""
    assert size_bytes <= MAX_FRAME_BYTES, f"a frame of {size_bytes} bytes is too long to be sent"
    return _LENGTH.pack(size_bytes)


class FrameDecoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self, most_bytes: int = MAX_FRAME_BYTES) -> None:
        #: the longest frame that is taken
        self._most_bytes = most_bytes
        #: received and not yet a whole frame
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The frames that `data` completes, in order; empty frames included.

        Raises WireError if a frame is announced that is too long; the stream is then lost.
        """
        self._buffer += data
        frames: list[bytes] = []
        at = 0
        while len(self._buffer) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer, at)
            if size > self._most_bytes:
                raise WireError(
                    f"a frame of {size} bytes was announced; {self._most_bytes} is most"
                )
            end = at + _LENGTH.size + size
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[at + _LENGTH.size : end]))
            at = end
        del self._buffer[:at]
        return frames
