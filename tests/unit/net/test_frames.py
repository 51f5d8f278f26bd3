import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.errors import WireError
from swarmd.net.frames import MAX_FRAME_BYTES, FrameDecoder, frame_header


def encoded(frames: list[bytes]) -> bytes:
    return b"".join(frame_header(len(frame)) + frame for frame in frames)


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 9), min_size=1))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    """TCP knows no frames: any cut may arrive, one byte at a time included."""
    decoder, out = FrameDecoder(), []
    stream, at, turn = encoded(frames), 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        out += decoder.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert out == frames


def test_a_frame_that_is_too_long_is_refused_at_its_first_four_bytes() -> None:
    """A port scanner speaks TLS and sends "GET ": that is a frame of a gigabyte."""
    with pytest.raises(WireError, match="1195725856 bytes"):
        FrameDecoder().feed(b"GET ")


def test_the_longest_frame_is_accepted() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(struct.pack(">I", MAX_FRAME_BYTES)) == []
    assert decoder.feed(bytes(MAX_FRAME_BYTES)) == [bytes(MAX_FRAME_BYTES)]


def test_a_frame_too_long_to_be_sent_is_a_bug_of_the_sender() -> None:
    with pytest.raises(AssertionError):
        frame_header(MAX_FRAME_BYTES + 1)
