"""What the journal must survive, and what it must refuse; plain and sealed."""

import random

import pytest

from swarmd.ca.crypto import X509Crypto
from swarmd.raft.interface import CorruptError, JournalError
from swarmd.raft.journal import FIRST_BATCH, HEAD_BYTES
from swarmd.raft.journalfile import PREFIX, JournalFile, NoSpaceError
from swarmd.raft.records import Log
from swarmd.raft.seal import KeySealer, Sealer
from tests.unit.raft.cluster import PlainSealer
from tests.unit.raft.memory import MemoryDisk, as_disk

SEALERS = (PlainSealer(), KeySealer(X509Crypto(), bytes(range(32))))
FIRST = PREFIX + "0000000001"

sealed_or_not = pytest.mark.parametrize("sealer", SEALERS, ids=["plain", "sealed"])


def journal_on(disk: MemoryDisk, sealer: Sealer, segment_bytes: int = 1 << 20) -> JournalFile:
    return JournalFile(as_disk(disk), sealer, step_bytes=1024, segment_bytes=segment_bytes)


class Writer:
    """A log and its journal, as a member uses them."""

    def __init__(self, disk: MemoryDisk, sealer: Sealer, segment_bytes: int = 1 << 20) -> None:
        self.journal = journal_on(disk, sealer, segment_bytes)
        self.log = self.journal.open() if disk.files else Log()
        self.salts = 0

    def sync(self) -> None:
        batch = self.log.take()
        salt = None
        if self.journal.wants_segment(batch):
            self.salts += 1
            salt = random.Random(f"{self.salts} {self.journal.sync_count}").randbytes(16)
        self.journal.write(batch, salt)


def filled(sealer: Sealer, batches: int = 12) -> tuple[MemoryDisk, list[int]]:
    """A disk with batches of three entries, and where each of them begins and the last one ends."""
    disk = MemoryDisk()
    writer = Writer(disk, sealer)
    writer.log.setCurrentTerm(7, "n2")
    writer.sync()
    starts = []
    for b in range(batches):
        for k in range(3):
            writer.log.add(b"\0command %d %d" % (b, k), 3 * b + k + 1, 7)
        starts.append(writer.journal._end)
        writer.sync()
    return disk, [*starts, writer.journal._end]


def opened(disk: MemoryDisk, sealer: Sealer) -> int | None:
    """How many entries are read back, None if the journal is refused."""
    try:
        log = journal_on(disk, sealer).open()
    except CorruptError:
        return None
    assert (log.term, log.vote) == (7, "n2")
    return len(log)


@sealed_or_not
def test_what_was_synced_is_read_back(sealer: Sealer) -> None:
    disk, _ = filled(sealer)
    disk.crash()
    assert opened(disk, sealer) == 36


@sealed_or_not
def test_a_torn_last_batch_was_never_promised_and_is_cut(sealer: Sealer) -> None:
    """Power fails during a write: any part of the batch may be missing."""
    disk, starts = filled(sealer)
    last, end = starts[-2:]
    whole = bytes(disk.files[FIRST])
    for at in range(last, end):
        disk.files[FIRST] = bytearray(whole)
        disk.files[FIRST][at:end] = bytes(end - at)
        assert opened(disk, sealer) == 33, at
    disk.files[FIRST] = bytearray(whole)
    disk.files[FIRST][last + HEAD_BYTES :][:8] = bytes(8)
    disk.files[FIRST][last + HEAD_BYTES : last + HEAD_BYTES + 8] = bytes(8)
    assert opened(disk, sealer) == 33  # its beginning lost, its end on disk: a reordered write


@sealed_or_not
def test_after_a_torn_batch_the_journal_goes_on_in_a_new_segment(sealer: Sealer) -> None:
    """The torn batch's number is used again, so it needs another key."""
    disk, starts = filled(sealer)
    disk.files[FIRST][starts[-2] + 5] ^= 0xFF
    writer = Writer(disk, sealer)
    assert len(writer.log) == 33
    writer.log.add(b"\0again", 34, 7)
    writer.sync()
    assert disk.list(PREFIX) == [FIRST, PREFIX + "0000000002"]
    assert opened(disk, sealer) == 34
    assert opened(disk, sealer) == 34


@sealed_or_not
def test_damage_with_an_intact_batch_behind_it_is_refused(sealer: Sealer) -> None:
    """Bit rot in what was promised: this member must not vote on what is left."""
    disk, starts = filled(sealer)
    whole = bytes(disk.files[FIRST])
    places = [0, FIRST_BATCH, FIRST_BATCH + 4, FIRST_BATCH + HEAD_BYTES]
    places += range(starts[0], starts[1])
    places += [starts[5] + 1, starts[5] + 5, starts[5] + 9, starts[5] + HEAD_BYTES + 3]
    for at in places:
        disk.files[FIRST] = bytearray(whole)
        disk.files[FIRST][at] ^= 0x55
        assert opened(disk, sealer) is None, at


@sealed_or_not
def test_a_missing_segment_or_none_at_all_is_refused(sealer: Sealer) -> None:
    disk = MemoryDisk()
    writer = Writer(disk, sealer, segment_bytes=600)
    for index in range(1, 40):
        writer.log.add(b"\0" + bytes(20), index, 1)
        writer.sync()
    names = disk.list(PREFIX)
    assert len(names) > 3
    disk.delete(names[1])
    with pytest.raises(CorruptError, match="missing"):
        journal_on(disk, sealer).open()
    for name in names:
        disk.delete(name)
    with pytest.raises(CorruptError, match="gone"):
        journal_on(disk, sealer).open()


def test_a_journal_does_not_open_with_another_key() -> None:
    disk, _ = filled(SEALERS[1])
    with pytest.raises(CorruptError, match="key"):
        journal_on(disk, KeySealer(X509Crypto(), bytes(32))).open()


def test_nothing_of_a_command_is_readable_on_a_sealed_disk() -> None:
    disk, _ = filled(SEALERS[1])
    assert all(b"command" not in data for data in disk.files.values())


@sealed_or_not
@pytest.mark.parametrize("seed", range(8))
def test_any_history_of_a_log_is_read_back(sealer: Sealer, seed: int) -> None:
    """Appends, cuts, trims, new terms and restarts, against a plain list."""
    rng, disk = random.Random(seed), MemoryDisk()
    writer = Writer(disk, sealer, segment_bytes=1500)
    model: list[tuple[bytes, int, int]] = []
    for step in range(150):
        chance = rng.random()
        if chance < 0.7 or len(model) < 3:
            entry = (b"\0" + bytes(rng.randint(0, 50)), model[-1][1] + 1 if model else 1, step)
            writer.log.add(*entry)
            model.append(entry)
        elif chance < 0.8:
            at = rng.randint(1, len(model) - 1)
            writer.log.deleteEntriesFrom(at)
            del model[at:]
        elif chance < 0.84:
            index = model[-1][1] + 100  # a snapshot was received
            writer.log.clear()
            writer.log.add(b"\0", index, step)
            model = [(b"\0", index, step)]
        else:
            at = rng.randint(0, len(model) - 2)
            writer.log.deleteEntriesTo(at)
            del model[:at]
        writer.log.setCurrentTerm(step, rng.choice(["n1", None]))
        if rng.random() < 0.5:
            writer.sync()
        if rng.random() < 0.1:
            writer.sync()
            vote = writer.log.vote
            disk.crash()
            writer = Writer(disk, sealer, segment_bytes=1500)
            # Whole segments are deleted, so more than the log's front may come back.
            assert writer.log.entries[-len(model) :] == model
            assert (writer.log.term, writer.log.vote) == (step, vote)
            writer.log.deleteEntriesTo(len(writer.log) - len(model))
        assert writer.log.entries == model


@sealed_or_not
def test_segments_go_when_the_log_begins_behind_them(sealer: Sealer) -> None:
    disk = MemoryDisk()
    writer = Writer(disk, sealer, segment_bytes=600)
    for index in range(1, 100):
        writer.log.add(b"\0" + bytes(20), index, 1)
        writer.sync()
    before = disk.list(PREFIX)
    writer.log.deleteEntriesTo(90)
    writer.sync()
    after = disk.list(PREFIX)
    assert len(after) < len(before) / 2
    assert len(writer.log) == 9
    assert journal_on(disk, sealer).open().entries[-9:] == writer.log.entries


def test_a_full_disk_loses_nothing_and_the_batch_is_written_later() -> None:
    disk = MemoryDisk()
    writer = Writer(disk, SEALERS[0])
    writer.sync()
    disk.is_full = True
    written = 0
    while True:
        writer.log.add(b"\0" + bytes(100), written + 1, 1)
        batch = writer.log.take()
        try:
            writer.journal.write(batch, None)
        except NoSpaceError:
            break
        written += 1
    assert written > 0
    assert writer.journal.is_short
    assert opened_entries(disk) == written
    disk.is_full = False
    writer.journal.write(batch, None)
    assert opened_entries(disk) == written + 1
    writer.journal.retry_reserve()
    assert not Writer(disk, SEALERS[0]).journal.is_short


def test_a_nearly_full_disk_is_used_in_smaller_steps_and_nothing_is_held_in_vain() -> None:
    """What the journal cannot use, the agent on the same disk can."""
    disk = MemoryDisk()
    writer = Writer(disk, SEALERS[0])
    writer.sync()
    (name,) = disk.list(PREFIX)
    step = writer.journal._step_bytes
    disk.room_bytes = step // 4
    for index in range(1, 200):
        writer.log.add(b"\0" + bytes(100), index, 1)
        writer.journal.write(writer.log.take(), None)
    assert not is_short(writer)
    disk.room_bytes = step // 17
    size = 0
    while not is_short(writer):
        size = len(disk.files[name])
        index += 1
        writer.log.add(b"\0" + bytes(100), index, 1)
        writer.journal.write(writer.log.take(), None)
    assert len(disk.files[name]) == size
    assert opened_entries(disk) == index


def is_short(writer: Writer) -> bool:
    return writer.journal.is_short


def opened_entries(disk: MemoryDisk) -> int:
    return len(journal_on(disk, SEALERS[0]).open())


def test_a_full_disk_refuses_a_new_segment_and_keeps_the_old_one() -> None:
    disk, _ = filled(SEALERS[0])
    writer = Writer(disk, SEALERS[0])
    writer.log.deleteEntriesTo(5)
    batch = writer.log.take()
    disk.is_full = True
    with pytest.raises(NoSpaceError):
        writer.journal.write(batch, bytes(16))
    assert opened(disk, SEALERS[0]) == 36
    disk.is_full = False
    writer.journal.write(batch, bytes(16))
    assert opened(disk, SEALERS[0]) == 36


def test_a_sync_that_fails_ends_the_journal() -> None:
    """The system may have dropped the pages: nothing may be promised on them again."""
    disk, _ = filled(SEALERS[0])
    writer = Writer(disk, SEALERS[0])
    disk.fails_sync = True
    writer.log.add(b"\0", 37, 7)
    with pytest.raises(JournalError, match="Input/output"):
        writer.sync()


def test_an_unread_sync_of_the_process_before_is_made_up_at_the_start() -> None:
    """Kill -9 between write and sync: what is read from the page cache is not yet on the disk."""
    disk, _ = filled(SEALERS[0])
    disk.syncs = 0
    journal_on(disk, SEALERS[0]).open()
    assert disk.syncs == 1


def test_a_record_of_a_newer_version_is_refused() -> None:
    with pytest.raises(CorruptError, match="newer"):
        Log().replay(b"\x01\0\0\0\x09x")
