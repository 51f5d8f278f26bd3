"""The RPC protocol by tables: what a frame is, which answers fit, what credit allows."""

import msgspec
import pytest

from swarmd import errors
from swarmd.errors import (
    EngineError,
    InvalidArgumentError,
    NameInUseError,
    NoLeaderError,
    NotFoundError,
    SequenceError,
    SwarmError,
    UnavailableError,
    WireError,
)
from swarmd.net.rpc import (
    MAX_PAYLOAD_BYTES,
    STREAM_WINDOW_BYTES,
    Answer,
    Call,
    Calls,
    Cancel,
    Credit,
    End,
    Error,
    Item,
    Question,
    Reading,
    Reply,
    Window,
    decode_answer,
    decode_question,
    encode,
    error_of,
    raised_by,
)


@pytest.mark.parametrize(
    "question",
    [
        Call(id=1, method="m", payload=b"p", is_stream=False),
        Cancel(id=2),
        Credit(id=3, size_bytes=4),
    ],
)
def test_a_question_is_the_same_after_the_wire(question: Question) -> None:
    assert decode_question(encode(question)) == question


@pytest.mark.parametrize(
    "answer",
    [
        Reply(id=1, payload=b"p"),
        Error(id=2, code="SwarmError", message="no", details={"status": 500}),
        Item(id=3, payload=b"i"),
        End(id=4),
    ],
)
def test_an_answer_is_the_same_after_the_wire(answer: Answer) -> None:
    assert decode_answer(encode(answer)) == answer


def test_a_frame_is_an_array_that_begins_with_its_kind() -> None:
    """The shape is fixed: a later version must still read it."""
    frame = encode(Call(id=7, method="join", payload=b"x", is_stream=True))
    assert msgspec.msgpack.decode(frame) == [1, 7, "join", b"x", True]


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x00", encode(Reply(id=1, payload=b""))])
def test_what_is_no_question_is_a_wire_error(frame: bytes) -> None:
    with pytest.raises(WireError, match="not a call"):
        decode_question(frame)


@pytest.mark.parametrize("frame", [b"", b"\x91\x63", encode(Cancel(id=1))])
def test_what_is_no_answer_is_a_wire_error(frame: bytes) -> None:
    with pytest.raises(WireError, match="not an answer"):
        decode_answer(frame)


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("service", "web"),
        NameInUseError("service", "web"),
        EngineError(409, "conflict"),
        SequenceError(),
        NoLeaderError(),
        SwarmError("anything"),
    ],
)
def test_an_error_is_raised_as_what_it_was_with_its_parts(error: SwarmError) -> None:
    """A follower that forwards a request gives the client the leader's own answer."""
    answer = decode_answer(encode(error_of(5, error)))
    assert isinstance(answer, Error)
    raised = raised_by(answer)
    assert (type(raised), str(raised), vars(raised)) == (type(error), str(error), vars(error))


def test_every_class_of_the_tree_can_travel() -> None:
    """Also one that is added tomorrow."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, SwarmError):
            raised = raised_by(Error(id=1, code=kind.__name__, message="why", details={}))
            assert (type(raised), str(raised)) == (kind, "why")


def test_a_packages_own_class_travels_as_the_one_it_derives_from() -> None:
    """A leader whose disk is full is unavailable to the followers' clients as well."""

    class QueueFullError(UnavailableError):
        pass

    answer = decode_answer(encode(error_of(5, QueueFullError("no space left"))))
    assert isinstance(answer, Error)
    raised = raised_by(answer)
    assert (type(raised), str(raised)) == (UnavailableError, "no space left")


@pytest.mark.parametrize("code", ["SystemExit", "NewerError", "__doc__", "", "SwarmError"])
def test_a_class_that_is_not_in_the_tree_becomes_the_plain_error(code: str) -> None:
    """A peer may be newer, and must not be able to name just any class."""
    raised = raised_by(Error(id=1, code=code, message="why", details={"x": 1}))
    assert type(raised) is SwarmError
    assert str(raised) == "why"


def test_answers_are_matched_until_the_call_has_ended() -> None:
    calls = Calls()
    first = calls.begin("a", b"", is_stream=False)
    second = calls.begin("b", b"", is_stream=True)
    assert (first.id, second.id) == (1, 2)
    assert calls.answered(Item(id=2, payload=b""))
    assert calls.answered(Reply(id=1, payload=b""))
    assert not calls.answered(Reply(id=1, payload=b""))
    assert calls.answered(End(id=2))
    assert not calls.answered(Item(id=2, payload=b""))
    assert not calls.answered(End(id=99))
    calls.check()


def test_a_cancelled_call_is_cancelled_once_and_its_late_answer_dropped() -> None:
    calls = Calls()
    call = calls.begin("a", b"", is_stream=False)
    assert calls.cancel(call.id) == Cancel(id=call.id)
    assert calls.cancel(call.id) is None
    assert not calls.answered(Error(id=call.id, code="", message="", details={}))
    calls.check()


@pytest.mark.parametrize(
    ("is_stream", "answer"),
    [(True, Reply(id=1, payload=b"")), (False, Item(id=1, payload=b"")), (False, End(id=1))],
)
def test_an_answer_of_the_other_sort_is_a_wire_error(*, is_stream: bool, answer: Answer) -> None:
    calls = Calls()
    calls.begin("a", b"", is_stream=is_stream)
    with pytest.raises(WireError, match="answered with"):
        calls.answered(answer)


def test_a_payload_that_fits_no_frame_is_refused_before_it_is_a_call() -> None:
    calls = Calls()
    with pytest.raises(InvalidArgumentError, match="too many"):
        calls.begin("a", bytes(MAX_PAYLOAD_BYTES + 1), is_stream=False)
    assert calls.begin("a", b"", is_stream=False).id == 1


def test_a_stream_stops_at_its_window_and_goes_on_with_credit() -> None:
    window, most = Window(), MAX_PAYLOAD_BYTES
    steps = [
        (window.sent, STREAM_WINDOW_BYTES - 1, True),
        (window.sent, most, False),
        (window.granted, most - 1, False),
        (window.granted, 1, True),
    ]
    for step, size_bytes, is_open in steps:
        step(size_bytes)
        assert window.is_open == is_open


def test_no_peer_can_grant_more_than_one_window() -> None:
    window = Window()
    window.granted(2**60)
    assert window.credit_bytes == STREAM_WINDOW_BYTES


def test_credit_is_granted_in_quarters_and_nothing_is_lost() -> None:
    """One credit per item would double the frames of a log stream."""
    reading, window = Reading(9), Window()
    credits_sent = 0
    for _ in range(10_000):
        assert window.is_open
        window.sent(1000)
        if (credit := reading.taken(1000)) is not None:
            credits_sent += 1
            window.granted(credit.size_bytes)
    assert credits_sent < 50


def test_empty_items_count_too() -> None:
    window = Window()
    for _ in range(STREAM_WINDOW_BYTES):
        window.sent(0)
    assert not window.is_open
