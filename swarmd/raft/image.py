"""A snapshot as bytes: a head, then the state machine's slices.

    image = part* ;  part = u32 length | bytes ;  the first part is the head

The image is what travels between members, named by its SHA-256; on disk its parts are sealed one by
one (`snapshotfile.py`).  The head carries the last two entries, because pysyncobj's log never holds
fewer (D16), and the configuration as of the last, which is the one that belongs to the state (D12).
"""

import struct
from collections.abc import Iterable, Iterator

import msgspec

from swarmd.errors import WireError
from swarmd.raft.membership import Configuration, Entry

_LENGTH = struct.Struct("<I")
FORMAT = 1


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot is of."""

    format: int
    #: the entry before the last, and the last one that the state includes
    previous: Entry
    last: Entry
    #: applied configuration
    configuration: Configuration

    @property
    def index(self) -> int:
        """Of the last entry."""
        return self.last[1]

    @property
    def term(self) -> int:
        """Of the last entry."""
        return self.last[2]


_decode_head = msgspec.msgpack.Decoder(Head).decode


def encode_head(head: Head) -> bytes:
    """The first part."""
    return msgspec.msgpack.encode(head)


def decode_head(part: bytes) -> Head:
    """Raises WireError if it is none, or one of a newer format."""
    try:
        head = _decode_head(part)
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise WireError(f"snapshot head: {error}") from error
    if head.format != FORMAT:
        raise WireError(f"snapshot of format {head.format}: written by a newer version?")
    if head.previous[1] + 1 != head.last[1] or head.previous[1] < 1:
        raise WireError("snapshot head: its two entries are not consecutive")
    return head


def join(parts: Iterable[bytes]) -> bytes:
    """The image of parts."""
    return b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))


def split(image: bytes) -> Iterator[bytes]:
    """The parts of an image.  Raises WireError at one that does not fit."""
    at = 0
    while at < len(image):
        if len(image) - at < _LENGTH.size:
            raise WireError("snapshot: half a part")
        (length,) = _LENGTH.unpack_from(image, at)
        at += _LENGTH.size
        if len(image) - at < length:
            raise WireError("snapshot: a part is longer than the image")
        yield image[at : at + length]
        at += length


def slices(image: bytes) -> Iterator[bytes]:
    """The parts behind the head: what the state machine takes."""
    parts = split(image)
    next(parts)
    yield from parts


def head_of(image: bytes) -> Head:
    """The head of a whole image, whose parts are all there.  Raises WireError."""
    parts = split(image)
    first = next(parts, None)
    if first is None:
        raise WireError("snapshot: empty")
    head = decode_head(first)
    for _ in parts:
        pass
    return head
