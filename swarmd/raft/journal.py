"""The journal's format: sealed batches in segments, and what is damage and what is only torn.

    segment = magic | salt | batch | batch | ... | zeros
    batch   = u32 length | u32 crc32 of salt, number and body | u64 number | body
    body    = the records of one turn, sealed as one

The unit is the batch, all of one group commit, because a torn group write may lose its middle only.
Numbers rise by one from batch to batch, across segments.  A segment begins with a batch that was
written as a whole with the file.

Batch n + 1 is written only after batch n was synced.  So a damaged batch with an intact later one
behind it, or in a later segment, had been promised: `CorruptError`.  A damaged batch with nothing
intact behind it was never promised, since its sync had not returned: it is cut off.  One gap: rot
in the very last batch looks torn; so the member writes an empty batch soon after the last one.
"""

import struct
import zlib

import msgspec

from swarmd.errors import WireError
from swarmd.raft.interface import CorruptError
from swarmd.raft.seal import SALT_BYTES, Sealer

_HEAD = struct.Struct("<IIQ")
_MAGIC = b"SWRAFT1\n"
HEAD_BYTES = _HEAD.size
#: where a segment's first batch begins
FIRST_BATCH = len(_MAGIC) + SALT_BYTES
MAX_BATCH_BYTES = 256 << 20


class Segment(msgspec.Struct):
    """What a segment holds."""

    salt: bytes
    #: the records of each intact batch
    batches: list[bytes]
    #: number of the last intact batch
    number: int
    #: where the next batch goes
    end: int
    #: something that is no batch lies behind `end`
    is_torn: bool


def begin_segment(salt: bytes) -> bytes:
    """The first bytes of a segment."""
    return _MAGIC + salt


def frame_batch(sealer: Sealer, salt: bytes, number: int, records: bytes) -> bytes:
    """A batch as it stands in the segment with this salt."""
    body = sealer.seal(salt, number, records)
    return _HEAD.pack(len(body), _checksum(salt, number, body), number) + body


def _checksum(salt: bytes, number: int, body: bytes) -> int:
    """With the salt, so that no command can carry what looks like a batch of its segment."""
    return zlib.crc32(body, zlib.crc32(salt + number.to_bytes(8, "little")))


def parse_segment(data: bytes, sealer: Sealer, after: int | None) -> Segment:
    """The batches of a segment that follows batch `after`; None: the oldest one held.

    Raises CorruptError where something promised is damaged or missing.
    """
    if len(data) < FIRST_BATCH or data[: len(_MAGIC)] != _MAGIC:
        raise CorruptError("journal: not a segment of this version")
    salt = data[len(_MAGIC) : FIRST_BATCH]
    segment = Segment(salt=salt, batches=[], number=0, end=FIRST_BATCH, is_torn=False)
    while (found := _parse_batch(data, segment.end, salt)) is not None:
        number, body, end = found
        expected = segment.number + 1 if segment.batches else after and after + 1
        if expected is not None and number != expected:
            raise CorruptError(f"journal: batch {expected} is missing, {number} is there")
        segment.batches.append(_unseal(sealer, salt, number, body))
        segment.number, segment.end = number, end
    if not segment.batches:
        raise CorruptError("journal: the first batch of a segment is damaged")
    segment.is_torn = bool(data[segment.end :].strip(b"\0"))
    if segment.is_torn and _has_batch_behind(data, segment):
        raise CorruptError(f"journal: batch {segment.number + 1} is damaged, a later one is intact")
    return segment


def _unseal(sealer: Sealer, salt: bytes, number: int, body: bytes) -> bytes:
    try:
        return sealer.unseal(salt, number, body)
    except WireError as error:
        raise CorruptError(f"journal: batch {number} does not open with this key") from error


def _parse_batch(data: bytes, at: int, salt: bytes) -> tuple[int, bytes, int] | None:
    """(number, sealed body, where the next one begins), None if no intact batch begins here."""
    if at + HEAD_BYTES > len(data):
        return None
    length, checksum, number = _HEAD.unpack_from(data, at)
    end = at + HEAD_BYTES + length
    if number == 0 or length > MAX_BATCH_BYTES or end > len(data):
        return None
    body = data[at + HEAD_BYTES : end]
    return (number, body, end) if _checksum(salt, number, body) == checksum else None


def _has_batch_behind(data: bytes, segment: Segment) -> bool:
    """Tries every offset, since lengths cannot be trusted here; needed only behind a torn batch."""
    first, most = segment.number + 1, segment.number + (1 << 20)
    for at in range(segment.end + 1, len(data.rstrip(b"\0"))):
        number = int.from_bytes(data[at + 8 : at + HEAD_BYTES], "little")
        if first <= number <= most and _parse_batch(data, at, segment.salt) is not None:
            return True
    return False
