"""DNS messages (RFC 1035, RFC 6891): questions read, answers written.

Pure, and made for hostile input: whatever arrives, `read` returns, and what it returns can be
answered.  Only what the resolver needs is understood: one question, and how long an answer the asker
takes.
"""

import ipaddress
import struct
from collections.abc import Iterator

import msgspec

A, PTR, AAAA, ANY = 1, 12, 28, 255
NOERROR, FORMERR, NOTIMP, REFUSED = 0, 1, 4, 5

#: Longest answer by UDP without EDNS, and the longest that needs no fragments (DNS flag day 2020).
PLAIN_BYTES, LONGEST_UDP_BYTES = 512, 1232
LONGEST_TCP_BYTES = 65535

_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!2H")
#: type, class, TTL, length of the data
_RECORD = struct.Struct("!HHIH")
_IN, _OPT = 1, 41
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION = 0x8000, 0x0400, 0x0200, 0x0080
_OPCODE, _RECURSION_DESIRED = 0x7800, 0x0100
_POINTER = 0xC0
#: A name that points back to the question's.
_QUESTION_NAME = b"\xc0\x0c"
_LONGEST_LABEL, _LONGEST_NAME = 63, 255
#: Records besides the question that are looked at; a question has one or two.
_MOST_RECORDS = 8


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A message to answer."""

    id: int
    #: the asker's flags that an answer repeats: opcode, recursion desired
    flags: int = 0
    #: not NOERROR: the only answer there is to it
    rcode: int = NOERROR
    #: lower case, without the last dot; a dot within a label is written `\\.`
    name: str = ""
    kind: int = 0
    #: the question section as it came, to be repeated
    question: bytes = b""
    #: bytes that the asker takes by UDP
    longest: int = PLAIN_BYTES
    has_edns: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What there is to say."""

    #: of both families
    addresses: tuple[str, ...] = ()
    #: the name that an address has; empty for none, and one that is no name is left out
    pointer: str = ""


NOTHING = Answer()


def read(packet: bytes) -> Query | None:
    """The query in a datagram; None for what must not be answered: answers, and scraps."""
    if len(packet) < _HEADER.size:
        return None
    number, flags, questions, *records = _HEADER.unpack_from(packet)
    if flags & _RESPONSE:
        return None
    query = Query(id=number, flags=flags & (_OPCODE | _RECURSION_DESIRED))
    if flags & _OPCODE:
        return msgspec.structs.replace(query, rcode=NOTIMP)
    broken = msgspec.structs.replace(query, rcode=FORMERR)
    if questions != 1 or sum(records) > _MOST_RECORDS:
        return broken
    try:
        return _read_body(query, packet, sum(records))
    except (ValueError, IndexError, struct.error):
        return broken


def write(query: Query, rcode: int, answer: "Answer", *, ttl_s: int, longest: int) -> bytes:
    """The answer with those records that are of the asked type, in at most `longest` bytes.

    What does not fit is left out and the answer is marked truncated: the asker comes again by TCP.
    """
    records = [
        _QUESTION_NAME + _RECORD.pack(kind, _IN, ttl_s, len(data)) + data
        for kind, data in _data(answer)
        if query.kind in (kind, ANY)
    ]
    edns = b"\0" + _RECORD.pack(_OPT, LONGEST_UDP_BYTES, 0, 0) if query.has_edns else b""
    room = longest - _HEADER.size - len(query.question) - len(edns)
    kept: list[bytes] = []
    for record in records:
        room -= len(record)
        if room < 0:
            break
        kept.append(record)
    flags = query.flags | rcode | _RESPONSE | _AUTHORITATIVE | _RECURSION
    if len(kept) < len(records):
        flags |= _TRUNCATED
    questions = 1 if query.question else 0
    header = _HEADER.pack(query.id, flags, questions, len(kept), 0, 1 if edns else 0)
    return header + query.question + b"".join(kept) + edns


def _data(answer: "Answer") -> Iterator[tuple[int, bytes]]:
    """(type, data) of each record."""
    for ip in map(ipaddress.ip_address, answer.addresses):
        yield (A if ip.version == 4 else AAAA), ip.packed
    labels = [label.encode() for label in answer.pointer.split(".")]
    if all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        if len(name) <= _LONGEST_NAME:
            yield PTR, name


def _read_body(query: Query, packet: bytes, count: int) -> Query:
    """Raises ValueError, IndexError or struct.error if the message is not what it says."""
    name, end = _read_name(packet, _HEADER.size)
    kind, group = _TYPE_AND_CLASS.unpack_from(packet, end)
    end += _TYPE_AND_CLASS.size
    found = msgspec.structs.replace(
        query,
        name=name,
        kind=kind,
        question=packet[_HEADER.size : end],
        rcode=NOERROR if group == _IN else REFUSED,
    )
    for _ in range(count):
        end = _skip_name(packet, end)
        kind, size, _ttl, length = _RECORD.unpack_from(packet, end)
        end += _RECORD.size + length
        if kind == _OPT:
            longest = min(max(size, PLAIN_BYTES), LONGEST_UDP_BYTES)
            found = msgspec.structs.replace(found, has_edns=True, longest=longest)
    if end > len(packet):
        raise ValueError("a record is cut off")
    return found


def _read_name(packet: bytes, start: int) -> tuple[str, int]:
    """(name, offset behind it).  A question's name has nothing to point back to."""
    labels = []
    end = start
    while (length := packet[end]) != 0:
        label = packet[end + 1 : end + 1 + length]
        if length > _LONGEST_LABEL or len(label) < length:
            raise ValueError("no label")
        labels.append(label.decode("latin-1").lower().replace(".", "\\."))
        end += 1 + length
    end += 1
    if end - start > _LONGEST_NAME:
        raise ValueError("the name is too long")
    return ".".join(labels), end


def _skip_name(packet: bytes, start: int) -> int:
    """The offset behind a name that may end in a pointer."""
    end = start
    while (length := packet[end]) != 0:
        if length >= _POINTER:
            return end + 2
        end += 1 + length
    return end + 1
