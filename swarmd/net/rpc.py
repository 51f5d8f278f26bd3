"""Calls and streams, many at a time on one connection: the protocol, without I/O.

A frame is a msgpack array `[kind, ...]`.  One end calls, the other answers:

    caller  → Call(id, method, payload, is_stream)   Credit(id, size)   Cancel(id)
    answers → Reply(id, payload)   Item(id, payload)   End(id)   Error(id, code, message, details)

A stream is paced by credit: the answering end sends items while it has any, the caller grants it
again for what its reader has taken.  So a slow reader of one stream holds at most
STREAM_WINDOW_BYTES and one item here, and nobody else's call waits for it.

A call ends in exactly one of Reply, Error, and End; what comes for an id that is not known (a
cancelled call) is dropped.  An error travels as the name of its class in `errors`, its sentence and
its parts, and is raised as that class at the caller.
"""

from collections.abc import Mapping

import msgspec

from swarmd import errors
from swarmd.errors import InvalidArgumentError, SwarmError, WireError
from swarmd.net.frames import MAX_FRAME_BYTES

#: What a stream may be ahead of its reader.
STREAM_WINDOW_BYTES = 1024 * 1024
#: The longest payload; the rest of the frame is the envelope.
MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - 1024


class Call(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A question; the caller chooses an id that it has not used on this connection."""

    id: int
    method: str
    payload: bytes
    is_stream: bool


class Reply(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The answer to a call."""

    id: int
    payload: bytes


class Error(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The refusal of a call or the failure of a stream."""

    id: int
    #: a class of swarmd.errors
    code: str
    message: str
    #: the error's parts
    details: Mapping[str, str | int]


class Item(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """One of a stream's answers."""

    id: int
    payload: bytes


class End(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A stream is over, without error."""

    id: int


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """The caller has lost interest; no answer is wanted, nor that the work goes on."""

    id: int


class Credit(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The stream's reader has taken that many bytes of items."""

    id: int
    size_bytes: int


Question = Call | Cancel | Credit
Answer = Reply | Error | Item | End

_encoder = msgspec.msgpack.Encoder()
_questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

_CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, SwarmError)
}


def encode(message: Question | Answer) -> bytes:
    """As one frame."""
    return _encoder.encode(message)


def decode_question(frame: bytes) -> Question:
    """What an answering end may get.  Raises WireError."""
    try:
        return _questions.decode(frame)
    except msgspec.DecodeError as error:
        raise WireError(f"not a call: {error}") from error


def decode_answer(frame: bytes) -> Answer:
    """What a caller may get.  Raises WireError."""
    try:
        return _answers.decode(frame)
    except msgspec.DecodeError as error:
        raise WireError(f"not an answer: {error}") from error


def check_payload(payload: bytes) -> bytes:
    """`payload`.  Raises InvalidArgumentError if it does not fit into a frame."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        reason = f"{len(payload)} bytes are too many: {MAX_PAYLOAD_BYTES} fit into one message"
        raise InvalidArgumentError(reason)
    return payload


def error_of(call_id: int, error: SwarmError) -> Error:
    """As it travels; a class of some package's own as the nearest one that everybody knows."""
    code = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _CLASSES)
    parts = {
        name: value
        for name, value in vars(error).items()
        if isinstance(value, str | int) and not name.startswith("_")
    }
    return Error(id=call_id, code=code, message=str(error), details=parts)


def raised_by(error: Error) -> SwarmError:
    """As it is raised again; a class that this version does not know becomes SwarmError."""
    kind = _CLASSES.get(error.code, SwarmError)
    # Not made by its own __init__, whose parts another version may have changed.
    raised = kind.__new__(kind, error.message)
    if kind is not SwarmError:
        vars(raised).update(
            {name: value for name, value in error.details.items() if name[0] != "_"}
        )
    return raised


class Calls:
    """A caller's open calls: gives ids, matches answers."""

    def __init__(self) -> None:
        self._next_id = 1
        #: id → whether it is a stream
        self._open: dict[int, bool] = {}

    def begin(self, method: str, payload: bytes, *, is_stream: bool) -> Call:
        """A new call, to be sent.  Raises InvalidArgumentError if the payload is too long."""
        check_payload(payload)
        call = Call(id=self._next_id, method=method, payload=payload, is_stream=is_stream)
        self._open[call.id] = is_stream
        self._next_id += 1
        return call

    def cancel(self, call_id: int) -> Cancel | None:
        """Forget a call; None if it had ended."""
        return None if self._open.pop(call_id, None) is None else Cancel(id=call_id)

    def answered(self, answer: Answer) -> bool:
        """Whether `answer` belongs to an open call, which it ends unless it is an item.

        Raises WireError if it is an answer of the other sort: a reply to a stream, say.
        """
        is_stream = self._open.get(answer.id)
        if is_stream is None:
            return False
        if isinstance(answer, Reply) and is_stream:
            raise WireError(f"a stream was answered with a reply: call {answer.id}")
        if isinstance(answer, Item | End) and not is_stream:
            raise WireError(f"a call was answered with a stream: call {answer.id}")
        if not isinstance(answer, Item):
            del self._open[answer.id]
        return True

    def check(self) -> None:
        """Assert the invariant."""
        assert all(0 < call_id < self._next_id for call_id in self._open)


class Reading:
    """What a stream's reader has taken and not granted again, at the calling end."""

    def __init__(self, call_id: int) -> None:
        self._call_id = call_id
        self._taken_bytes = 0

    def taken(self, size_bytes: int) -> Credit | None:
        """Count an item that was read; now and then that makes a credit to be sent."""
        self._taken_bytes += max(size_bytes, 1)
        if self._taken_bytes < STREAM_WINDOW_BYTES // 4:
            return None
        credit, self._taken_bytes = self._taken_bytes, 0
        return Credit(id=self._call_id, size_bytes=credit)


class Window:
    """How far one stream may be ahead of its reader, at the answering end."""

    def __init__(self) -> None:
        #: bytes that may be sent; the item that takes it to zero or below may be of any size
        self.credit_bytes = STREAM_WINDOW_BYTES

    @property
    def is_open(self) -> bool:
        """Whether the next item may be sent."""
        return self.credit_bytes > 0

    def sent(self, size_bytes: int) -> None:
        """An item went out.  An empty one counts too: it costs memory there as well."""
        self.credit_bytes -= max(size_bytes, 1)

    def granted(self, size_bytes: int) -> None:
        """Credit came; never more than a whole window, whatever a peer says."""
        self.credit_bytes = min(self.credit_bytes + size_bytes, STREAM_WINDOW_BYTES)
