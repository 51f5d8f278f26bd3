"""Logs, progress and events, cut into pieces at every place."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.engine.streams import MAX_FRAME_BYTES, Frames, Lines, LogSplitter
from swarmd.errors import EngineError
from swarmd.ports import LogChunk

STAMP = b"2026-11-24T09:22:47.000000001Z "
AT = 1795512167_000000001


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at the places."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(ends)]


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(min_value=0, max_value=400), max_size=8),
)
def test_frames_come_out_as_they_went_in_wherever_the_stream_is_cut(
    frames: list[tuple[int, bytes]], places: list[int]
) -> None:
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    splitter = Frames()
    assert [f for piece in cut(data, places) for f in splitter.feed(piece)] == frames


@given(st.lists(st.text("ab ", min_size=1), max_size=8), st.lists(st.integers(0, 200), max_size=8))
def test_lines_come_out_whole_and_empty_ones_not_at_all(
    texts: list[str], places: list[int]
) -> None:
    lines = [text.encode() for text in texts]
    splitter = Lines()
    data = b"".join(line + b"\n" for line in lines)
    found = [line for piece in cut(data, places) for line in splitter.feed(piece)]
    assert found == [line for line in lines if line.strip()]


def test_a_framed_log_has_streams_times_and_newlines() -> None:
    data = frame(1, STAMP + b"out\n") + frame(2, STAMP + b"no newline")
    assert list(LogSplitter(is_tty=False).feed(data)) == [
        LogChunk(stream=1, at=AT, data=b"out\n"),
        LogChunk(stream=2, at=AT, data=b"no newline"),
    ]


def test_a_terminals_log_is_lines_of_one_stream() -> None:
    splitter = LogSplitter(is_tty=True)
    assert list(splitter.feed(STAMP + b"a b\r\n" + STAMP[:7])) == [
        LogChunk(stream=1, at=AT, data=b"a b\r\n")
    ]
    assert list(splitter.feed(STAMP[7:] + b"c\n")) == [LogChunk(stream=1, at=AT, data=b"c\n")]


def test_a_message_without_a_time_is_kept_whole() -> None:
    assert list(LogSplitter(is_tty=False).feed(frame(1, b"plain text\n"))) == [
        LogChunk(stream=1, at=0, data=b"plain text\n")
    ]


def test_an_error_that_comes_after_the_200_is_raised() -> None:
    """The engine lost its log file while it was sending."""
    splitter = LogSplitter(is_tty=False)
    with pytest.raises(EngineError, match="Error grabbing logs: EOF") as caught:
        list(splitter.feed(frame(3, b"Error grabbing logs: EOF\n")))
    assert caught.value.status == 500


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1", struct.pack(">BxxxI", 1, MAX_FRAME_BYTES + 1)], ids=["text", "huge"]
)
def test_what_is_no_frame_is_refused_before_anything_is_kept_for_it(data: bytes) -> None:
    with pytest.raises(EngineError, match="not framed"):
        list(Frames().feed(data))
