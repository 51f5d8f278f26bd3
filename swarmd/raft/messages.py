"""What members say to each other: msgpack arrays, the kind first; msgspec checks every field.

A frame is untrusted until it is decoded here: unknown kinds and fields out of bounds decode to
None and are dropped by the caller.  Fields appended to an array by a later version are ignored.
The entries of an append are encoded once for all peers, hence `Raw`.
"""

from typing import Annotated

import msgspec

from swarmd.errors import WireError
from swarmd.raft.membership import MEMBERSHIP, Entry, parse_change

#: terms, indexes, counters
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a snapshot, with the name of the whole."""

    index: Number
    term: Number
    size_bytes: Number
    sha256: _Digest
    offset: Number
    data: bytes


class Append(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Entries behind (prev_index, prev_term); none = heartbeat.  `number` counts them per peer."""

    term: Number
    prev_index: Number
    prev_term: Number
    commit: Number
    number: Number
    #: [[command, index, term], ...]; see `decode_entries`
    entries: msgspec.Raw


class Chunk(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The heartbeat to a peer that needs a snapshot: a piece of it, or None while it must wait."""

    term: Number
    commit: Number
    number: Number
    piece: Piece | None


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The answer to append `number`: held up to `next_index` - 1 (success), or begin there (reset)."""

    term: Number
    number: Number
    next_index: Number
    success: bool
    reset: bool


class RequestVote(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Paper §5.2."""

    term: Number
    last_index: Number
    last_term: Number


class Vote(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Yes; a no is not sent."""

    term: Number


class PreVote(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """The question whether the peer would vote for us in this term (diss. §9.6)."""

    term: Number
    last_index: Number
    last_term: Number


class PreVoteYes(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Yes, in that term."""

    term: Number


class Behind(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Your term is over; this is mine."""

    term: Number


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Campaign at once (diss. §3.10)."""

    term: Number


class Read(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """The question whether we are still the peer's leader (diss. §6.4)."""

    term: Number
    id: Number


class ReadOk(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """You were when I sent this."""

    term: Number
    id: Number


Message = (
    Append
    | Chunk
    | Ack
    | RequestVote
    | Vote
    | PreVote
    | PreVoteYes
    | Behind
    | TimeoutNow
    | Read
    | ReadOk
)

#: ValueError is msgspec's for text that is not UTF-8.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)
_entries = msgspec.msgpack.Decoder(list[tuple[bytes, Number, Number]])


def encode(message: Message) -> bytes:
    """One frame."""
    return _encoder.encode(message)


def decode(frame: bytes) -> Message | None:
    """The message of a frame, None if there is none that we know."""
    try:
        message: Message = _decoder.decode(frame)
    except _UNREADABLE:
        return None
    return message


def encode_entries(entries: list[Entry]) -> msgspec.Raw:
    """As they stand in an append."""
    return msgspec.Raw(_encoder.encode(entries))


def decode_entries(append: Append, max_command_bytes: int) -> list[Entry] | None:
    """The entries, None if they are not what an honest leader sends.

    Honest: consecutive behind `prev_index`, terms that do not fall and do not pass the leader's,
    commands with a type byte and within the bound, membership changes that can be read.
    """
    try:
        entries = _entries.decode(append.entries)
    except _UNREADABLE:
        return None
    index, term = append.prev_index, append.prev_term
    for command, own_index, own_term in entries:
        index += 1
        if own_index != index or not term <= own_term <= append.term:
            return None
        if not _is_command(command, max_command_bytes):
            return None
        term = own_term
    return entries


def _is_command(command: bytes, max_command_bytes: int) -> bool:
    if not 1 <= len(command) <= max_command_bytes + 1 or command[0] > MEMBERSHIP:
        return False
    try:
        parse_change(command)
    except WireError:
        return False
    return True
