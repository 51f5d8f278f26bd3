"""Datagrams: sealed, rotated, and never able to hurt."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.ca.crypto import X509Crypto
from swarmd.errors import WireError
from swarmd.gossip import wire
from swarmd.gossip.keyring import MOST_KEYS, keyring, rotated
from swarmd.gossip.members import Membership
from swarmd.gossip.messages import (
    Ack,
    Digest,
    Member,
    Message,
    Nack,
    News,
    Ping,
    PingRequest,
    Rows,
    Status,
)
from swarmd.ports import Address
from tests.unit.gossip.swarm import SeededRandom, address_of

CRYPTO, RANDOM = X509Crypto(), SeededRandom(1)
KEYS = [bytes([number]) * 32 for number in range(5)]
MEMBER = Member("n1", Address("10.0.0.1:7946"), 3, Status.SUSPECT, b"meta")
MESSAGES: list[Message] = [
    Ping(1, "n1"),
    Ack(2),
    PingRequest(3, "n1", Address("10.0.0.1:7946")),
    Nack(4),
    News(MEMBER, "n2"),
    Digest(2**64 - 1),
    Rows((MEMBER, MEMBER), wants_reply=True),
]


def test_messages_are_the_same_after_the_wire() -> None:
    packet = wire.pack("sender", [wire.encode(message) for message in MESSAGES])
    assert wire.unpack(packet) == ("sender", MESSAGES)


def test_a_message_is_an_array_that_begins_with_its_kind() -> None:
    """The shape is fixed: nodes of two versions gossip with each other during an upgrade."""
    assert msgspec.msgpack.decode(wire.encode(News(MEMBER, "n2"))) == [
        5,
        ["n1", "10.0.0.1:7946", 3, 1, b"meta"],
        "n2",
    ]


def test_a_message_of_a_later_version_is_skipped_and_the_others_are_heard() -> None:
    later = msgspec.msgpack.encode([99, "hello"])
    longer = msgspec.msgpack.encode([2, 7, "another field"])
    packet = wire.pack("n1", [later, wire.encode(Ack(1)), longer])
    assert wire.unpack(packet) == ("n1", [Ack(1), Ack(7)])


def test_the_room_is_what_fits() -> None:
    for sender in ("n", "x" * 60):
        packet = wire.pack(sender, [bytes([0x01])] * wire.room(sender))
        datagram = wire.seal(packet, keyring(KEYS[:1]), CRYPTO, RANDOM)
        assert len(datagram) <= wire.MOST_DATAGRAM_BYTES
        with pytest.raises(AssertionError, match="a packet of"):
            wire.pack(sender, [bytes([0x01])] * (wire.room(sender) + 10))


def test_a_datagram_opens_with_the_key_it_names() -> None:
    ring = keyring(KEYS[:3])
    datagram = wire.seal(b"packet", ring, CRYPTO, RANDOM)
    assert b"packet" not in datagram
    assert wire.unseal(datagram, ring, CRYPTO) == b"packet"
    assert wire.unseal(datagram, keyring([KEYS[1]]), CRYPTO) == b"packet"
    with pytest.raises(WireError, match="does not have"):
        wire.unseal(datagram, keyring([KEYS[0], KEYS[2]]), CRYPTO)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_datagram_does_not_open(at: int, change: int) -> None:
    ring = keyring(KEYS[:1])
    datagram = bytearray(wire.seal(b"packet", ring, CRYPTO, RANDOM))
    datagram[at % len(datagram)] ^= change
    with pytest.raises(WireError):
        wire.unseal(bytes(datagram), ring, CRYPTO)


@given(st.binary(max_size=80))
def test_noise_is_a_wire_error_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(WireError):
        wire.unseal(noise, keyring(KEYS[:1]), CRYPTO)


def test_during_a_rotation_every_two_nodes_understand_each_other() -> None:
    """The new keys reach some nodes a moment earlier than others."""
    keys: tuple[bytes, ...] = (KEYS[0],)
    for new in KEYS[1:]:
        before, after = keyring(keys), keyring(rotated(keys, new))
        for sealing, opening in ((before, after), (after, before)):
            datagram = wire.seal(b"packet", sealing, CRYPTO, RANDOM)
            assert wire.unseal(datagram, opening, CRYPTO) == b"packet"
        keys = rotated(keys, new)
    assert len(keys) == MOST_KEYS
    assert keyring(keys).primary == KEYS[3]


malformed = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=5) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=6),
        max_leaves=30,
    ).map(msgspec.msgpack.encode),
    st.lists(
        st.tuples(st.integers(1, 8), st.lists(st.integers(0, 5) | st.text(max_size=3), max_size=5))
        .map(lambda pair: [pair[0], *pair[1]])
        .map(msgspec.msgpack.encode),
        max_size=5,
    ).map(lambda messages: wire.pack("n9", messages)),
)


@given(st.lists(malformed, max_size=10))
def test_no_packet_can_raise_in_the_core(packets: list[bytes]) -> None:
    """Only who has a key gets this far; a bug of one version must not stop the others."""
    core = Membership(Member("me", address_of("me"), 1), SeededRandom(1), 100.0)
    for packet in packets:
        core.handle(packet, Address("10.0.0.9:1"), 100.0)
        core.check()
    assert core.alive() == ("me",)


def test_a_packet_that_cannot_be_read_is_counted() -> None:
    core = Membership(Member("me", address_of("me"), 1), SeededRandom(1), 100.0)
    assert core.handle(b"\xc1", Address("10.0.0.9:1"), 100.0) == []
    assert core.dropped_count == 1
