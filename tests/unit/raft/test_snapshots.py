"""Snapshots on disk and on their way; log against snapshot after a start."""

import asyncio
import hashlib
import random
from collections.abc import Iterator

import pytest

from swarmd.ca.crypto import X509Crypto
from swarmd.errors import WireError
from swarmd.raft.image import FORMAT, Head, encode_head, head_of, join, slices
from swarmd.raft.interface import CorruptError, RaftConfig, RaftID
from swarmd.raft.membership import Configuration
from swarmd.raft.messages import Piece
from swarmd.raft.reconcile import reconcile
from swarmd.raft.records import Log
from swarmd.raft.seal import KeySealer, Sealer
from swarmd.raft.snapshotfile import NAME, SnapshotWriter, read_snapshot, write_image
from swarmd.raft.transfers import Transfers
from tests.unit.raft.cluster import Cluster, PlainSealer
from tests.unit.raft.memory import MemoryDisk, as_disk
from tests.unit.raft.test_members import SMALL
from tests.virtual import in_virtual_time, until

SEALERS = (PlainSealer(), KeySealer(X509Crypto(), bytes(range(32))))
HEAD = Head(
    FORMAT,
    (b"\0previous", 99, 4),
    (b"\0last", 100, 5),
    Configuration((RaftID("1"), RaftID("2")), (RaftID("3"),)),
)
PARTS = [b"slice %d" % k * 20 for k in range(20)] + [b""]
IMAGE = join([encode_head(HEAD), *PARTS])
DIGEST = hashlib.sha256(IMAGE).digest()
PEER = RaftID("9")

sealed_or_not = pytest.mark.parametrize("sealer", SEALERS, ids=["plain", "sealed"])


class _Node:
    id = PEER


def stored(sealer: Sealer) -> MemoryDisk:
    disk = MemoryDisk()
    write_image(as_disk(disk), sealer, bytes(range(16)), IMAGE)
    return disk


# ---- on disk -----------------------------------------------------------------------------------


@sealed_or_not
def test_a_snapshot_is_read_as_it_was_written(sealer: Sealer) -> None:
    disk = stored(sealer)
    disk.crash()
    found = read_snapshot(as_disk(disk), sealer)
    assert found is not None
    assert (found.head, found.image, found.sha256) == (HEAD, IMAGE, DIGEST)
    assert list(slices(found.image)) == PARTS


@sealed_or_not
def test_a_damaged_or_shortened_snapshot_is_refused(sealer: Sealer) -> None:
    """Pysyncobj would log it and lead with an empty state (D19)."""
    disk = stored(sealer)
    whole = bytes(disk.files[NAME])
    for at in [*range(0, len(whole), 7), len(whole) - 1]:
        disk.files[NAME] = bytearray(whole)
        if 8 <= at < 24 and sealer is SEALERS[0]:
            continue  # the salt, which means nothing where nothing is sealed
        disk.files[NAME][at] ^= 0x41
        with pytest.raises(CorruptError):
            read_snapshot(as_disk(disk), sealer)
        disk.files[NAME] = bytearray(whole[:at])
        with pytest.raises(CorruptError):
            read_snapshot(as_disk(disk), sealer)


def test_a_half_written_snapshot_leaves_the_one_before() -> None:
    """Killed while the next one was being written."""
    disk = stored(SEALERS[1])
    writer = SnapshotWriter(as_disk(disk), SEALERS[1], bytes(16), name="own")
    writer.begin(HEAD)
    writer.add([b"half"])
    disk.crash()
    found = read_snapshot(as_disk(disk), SEALERS[1])
    assert found is not None
    assert found.image == IMAGE
    again = SnapshotWriter(as_disk(disk), SEALERS[1], bytes(16), name="own")
    again.begin(HEAD)
    again.abort()
    assert disk.list() == [NAME]


def test_as_many_old_snapshots_are_kept_as_the_operator_wants() -> None:
    """`docker swarm update --max-snapshots`, raised and lowered."""
    disk = stored(SEALERS[1])
    seen = []
    for index, keep in ((100, 2), (200, 2), (300, 2), (400, 3), (500, 0), (600, 1)):
        writer = SnapshotWriter(as_disk(disk), SEALERS[1], bytes(16), name="own")
        writer.begin(HEAD)
        writer.set_aside(index, keep)
        writer.finish()
        seen.append([int(name.rpartition(".")[2]) for name in disk.list() if name != NAME])
    assert seen == [[100], [100, 200], [200, 300], [200, 300, 400], [], [600]]
    disk.crash()
    assert read_snapshot(as_disk(disk), SEALERS[1]) is not None


def test_a_head_that_nobody_writes_is_refused() -> None:
    for bad in (b"", b"\xc1", encode_head(HEAD)[:-1]):
        with pytest.raises(WireError):
            head_of(join([bad]))
    with pytest.raises(WireError, match="newer"):
        head_of(join([encode_head(Head(2, HEAD.previous, HEAD.last, HEAD.configuration))]))
    with pytest.raises(WireError, match="consecutive"):
        head_of(join([encode_head(Head(FORMAT, HEAD.last, HEAD.last, HEAD.configuration))]))
    with pytest.raises(WireError, match="empty"):
        head_of(b"")
    with pytest.raises(WireError):
        head_of(IMAGE[:-3])


# ---- on their way --------------------------------------------------------------------------------


def pieces(size_bytes: int = 100) -> list[Piece]:
    sender = Transfers(RaftConfig(piece_bytes=size_bytes), HEAD)
    assert sender.getTransmissionData(_Node()) is None
    assert sender.wants_image
    sender.load(IMAGE, DIGEST)
    found: list[Piece] = []
    while True:
        sent = sender.getTransmissionData(_Node())
        assert sent is not None
        piece, is_first, is_last = sent
        assert is_first == (not found)
        found.append(piece)
        if is_last:
            assert not sender.is_sending
            return found


def receive(receiver: Transfers, sent: list[Piece]) -> bool:
    return [receiver.setTransmissionData(piece) for piece in sent][-1]


def test_pieces_make_the_snapshot_again() -> None:
    receiver = Transfers(RaftConfig(), None)
    assert receive(receiver, pieces())
    assert receiver.head == HEAD
    assert receiver.take_unsaved() == IMAGE
    receiver.saved()
    assert receiver.take_unsaved() is None


@pytest.mark.parametrize("seed", range(30))
def test_pieces_lost_doubled_or_of_another_snapshot_install_nothing_wrong(seed: int) -> None:
    rng, sent = random.Random(seed), pieces()
    other = [Piece(p.index, p.term + 1, p.size_bytes, p.sha256, p.offset, p.data) for p in sent]
    receiver = Transfers(RaftConfig(), None)
    for _ in range(60):
        piece = rng.choice(rng.choice([sent, sent, other]))
        if rng.random() < 0.2:
            piece = Piece(
                piece.index, piece.term, piece.size_bytes, piece.sha256, piece.offset, b"!"
            )
        assert not receiver.setTransmissionData(piece) or receiver.take_unsaved() == IMAGE
    assert receive(receiver, sent)


def test_a_snapshot_with_a_wrong_digest_or_name_is_not_installed() -> None:
    receiver = Transfers(RaftConfig(), None)
    sent = pieces()
    wrong = [Piece(p.index, p.term, p.size_bytes, bytes(32), p.offset, p.data) for p in sent]
    assert not receive(receiver, wrong)
    renamed = [Piece(7, p.term, p.size_bytes, p.sha256, p.offset, p.data) for p in sent]
    assert not receive(receiver, renamed)
    assert receiver.head is None


def test_a_snapshot_announced_too_large_is_not_received() -> None:
    receiver = Transfers(RaftConfig(max_snapshot_bytes=10), None)
    assert not receive(receiver, pieces())


def test_a_transfer_goes_on_with_the_snapshot_that_it_began() -> None:
    sender = Transfers(RaftConfig(piece_bytes=100), HEAD)
    sender.load(IMAGE, DIGEST)
    first = sender.getTransmissionData(_Node())
    sender.took(Head(FORMAT, (b"\0", 199, 5), (b"\0", 200, 5), HEAD.configuration))
    second = sender.getTransmissionData(_Node())
    assert first is not None
    assert second is not None
    assert (second[0].index, second[0].offset) == (100, 100)
    sender.cancelTransmisstion(_Node())
    assert sender.getTransmissionData(_Node()) is None  # the new image is not there yet


# ---- after a start -------------------------------------------------------------------------------


def log_of(first: int, last: int, term: int) -> Log:
    log = Log()
    for index in range(first, last + 1):
        log.add(b"\0", index, term)
    log.take()
    return log


def test_a_log_that_holds_the_snapshots_end_keeps_what_follows() -> None:
    """It may have been acknowledged; killed between snapshot and trim."""
    log = log_of(1, 120, 5)
    reconcile(log, HEAD, keep_entries=10)
    assert (log.first_index, log.last_index) == (89, 120)
    assert log.membership.current == HEAD.configuration


@pytest.mark.parametrize("log", [log_of(1, 80, 5), log_of(1, 120, 4)], ids=["short", "other"])
def test_another_log_begins_anew_with_the_snapshot(log: Log) -> None:
    """Killed between a received snapshot and the journal behind it."""
    reconcile(log, HEAD, keep_entries=10)
    assert log.entries == [HEAD.previous, HEAD.last]
    again = Log()
    again.replay(log.take().records)
    assert again.entries == log.entries


def test_a_gap_between_snapshot_and_log_is_refused() -> None:
    with pytest.raises(CorruptError, match="101 to 110"):
        reconcile(log_of(111, 120, 5), HEAD, keep_entries=10)
    with pytest.raises(CorruptError, match="without a snapshot"):
        reconcile(log_of(2, 120, 5), None, keep_entries=10)


# ---- while the member goes on --------------------------------------------------------------------


@in_virtual_time
async def test_commands_are_applied_while_a_snapshot_is_being_taken() -> None:
    """No fork, no pause: slices, with the loop running in between (D20)."""

    def slowly() -> Iterator[bytes]:
        for command in list(node.ledger.commands):
            taken.append(len(node.ledger.commands))
            yield command.ljust(100_000)

    node = Cluster(SMALL).found()
    await until(lambda: node.leads)
    taken: list[int] = []
    node.ledger.snapshot = slowly  # type: ignore[method-assign]  # a fake
    for k in range(60):
        await node.member.propose(b"%d" % k)
    await until(lambda: node.member.status().snapshot_index > 0)
    assert taken[-1] > taken[0]
    await node.stop()
    node.start()
    await until(lambda: len(node.ledger.commands) == 60)
    assert [c.strip() for c in node.ledger.commands] == [b"%d" % k for k in range(60)]


@in_virtual_time
async def test_a_snapshot_that_rots_under_a_leader_ends_it_when_a_peer_needs_it() -> None:
    """It may not go on with a log whose beginning nobody can give any more."""
    cluster = Cluster(SMALL)
    node = cluster.found()
    await until(lambda: node.leads)
    for k in range(60):
        await node.member.propose(b"%d" % k)
    await until(lambda: node.member.status().snapshot_index > 0)
    node.disk.files[NAME][50] ^= 0xFF
    await node.member.add_learner(cluster.join().me)
    await asyncio.wait([node.task])
    assert isinstance(node.task.exception(), CorruptError)


@in_virtual_time
async def test_a_damaged_snapshot_keeps_the_member_from_starting() -> None:
    """D19."""
    node = Cluster(SMALL).found()
    await until(lambda: node.leads)
    for k in range(60):
        await node.member.propose(b"%d" % k)
    await until(lambda: node.member.status().snapshot_index > 0)
    await node.stop()
    node.disk.files[NAME][50] ^= 0xFF
    node.start()
    await asyncio.wait([node.task])
    assert isinstance(node.task.exception(), CorruptError)
