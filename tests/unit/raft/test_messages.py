"""What comes from a wire is a message, or nothing; never an exception, never code."""

import pickle
import random

import msgspec
import pytest

from swarmd.raft import messages as m
from swarmd.raft.interface import RaftID
from swarmd.raft.membership import Change

ENTRIES = [(b"\0a", 6, 2), (Change("add", RaftID("n9")).command(), 7, 3)]
APPEND = m.Append(3, 5, 2, 4, 1, m.encode_entries(ENTRIES))
EVERY: list[m.Message] = [
    APPEND,
    m.Chunk(3, 4, 1, None),
    m.Chunk(3, 4, 1, m.Piece(9, 2, 100, bytes(32), 0, b"data")),
    m.Ack(3, 1, 8, True, False),
    m.RequestVote(3, 7, 3),
    m.Vote(3),
    m.PreVote(4, 7, 3),
    m.PreVoteYes(4),
    m.Behind(4),
    m.TimeoutNow(3),
    m.Read(3, 1),
    m.ReadOk(3, 1),
]


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_a_message_is_decoded_as_it_was_encoded(message: m.Message) -> None:
    assert m.decode(m.encode(message)) == message


def test_entries_come_back_as_they_were() -> None:
    assert m.decode_entries(APPEND, 1000) == ENTRIES


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_frame_is_a_message_or_nothing(seed: int) -> None:
    """And the entries of what is left are consecutive, or nothing."""
    rng = random.Random(seed)
    for _ in range(300):
        frame = bytearray(m.encode(rng.choice(EVERY)))
        for _ in range(rng.randint(1, 4)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        if rng.random() < 0.3:
            del frame[rng.randrange(len(frame)) :]
        message = m.decode(bytes(frame))
        if isinstance(message, m.Append):
            entries = m.decode_entries(message, 1000)
            assert entries is None or [entry[1] for entry in entries] == list(
                range(message.prev_index + 1, message.prev_index + 1 + len(entries))
            )


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_nothing_or_a_message(seed: int) -> None:
    rng = random.Random(seed)
    for size in range(200):
        m.decode(rng.randbytes(size))
    m.decode(b"\x91" * 100_000)  # arrays in arrays
    m.decode(b"\xdd\xff\xff\xff\xff")  # an array announced as very long
    m.decode(b"\xc6\xff\xff\xff\xff")  # bytes announced as very long


@pytest.mark.parametrize(
    "value",
    [
        [99, 1],  # an unknown kind, of a later version
        [5],
        [5, -1],
        [5, (1 << 64) - 1],
        [5, "1"],
        [5, 1.0],
        {"type": "request_vote"},
        "vote",
        None,
        [2, 1, 1, 1, [1, 1, 1, b"short", 0, b""]],
    ],
    ids=str,
)
def test_a_frame_with_wrong_fields_is_nothing(value: object) -> None:
    assert m.decode(msgspec.msgpack.encode(value)) is None


def test_a_field_that_a_later_version_appends_is_ignored() -> None:
    assert m.decode(msgspec.msgpack.encode([5, 3, "new"])) == m.Vote(3)


def test_a_pickle_is_nothing() -> None:
    """Pysyncobj would run it (D21)."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, ("raise SystemExit",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert m.decode(pickle.dumps(Bomb(), protocol)) is None


@pytest.mark.parametrize(
    "entries",
    [
        [(b"\0a", 7, 2)],  # a gap behind prev_index
        [(b"\0a", 6, 2), (b"\0a", 8, 2)],
        [(b"\0a", 6, 4)],  # of a later term than the leader's
        [(b"\0a", 6, 1)],  # terms do not fall
        [(b"", 6, 2)],
        [(b"\x03\x80\x02K\x05.", 6, 2)],  # pysyncobj's VERSION, with a pickle in it (D15)
        [(b"\x02\xc1", 6, 2)],  # a membership change that cannot be read
        [(b"\0" + bytes(1001), 6, 2)],  # larger than any command (D17)
    ],
    ids=["gap", "hole", "future", "falling", "empty", "version", "change", "large"],
)
def test_entries_that_no_honest_leader_sends_are_nothing(
    entries: list[tuple[bytes, int, int]],
) -> None:
    append = m.Append(3, 5, 2, 4, 1, m.encode_entries(entries))
    assert m.decode_entries(append, 1000) is None
