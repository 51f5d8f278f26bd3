"""The journal on a disk: segments that grow in steps of zeros, synced once per batch.

All calls block: make them inside `Disk.run`, one at a time.  The file grows in steps written with
zeros beforehand, so that the sync of a batch has no metadata to write.  Whole segments are deleted
when the log begins behind them, so trimming copies nothing.

A disk that is full while space is being reserved has lost nothing: `NoSpaceError`, write the same
batch again later.  Any error behind that, of a sync above all, is `JournalError`: the system may
have dropped the pages, so the file is never synced again by this process; a restart reads what is
there.
"""

import errno

from swarmd.ports import Disk, DiskFile
from swarmd.raft.interface import CorruptError, JournalError
from swarmd.raft.journal import begin_segment, frame_batch, parse_segment
from swarmd.raft.records import Batch, Log
from swarmd.raft.seal import Sealer

PREFIX = "raft/journal-"


class NoSpaceError(Exception):
    """The disk is full; the batch is not written, and may be written again."""


class JournalFile:
    """The segments under `raft/journal-`."""

    def __init__(self, disk: Disk, sealer: Sealer, *, step_bytes: int, segment_bytes: int) -> None:
        self._disk, self._sealer = disk, sealer
        self._step_bytes, self._segment_bytes = step_bytes, segment_bytes
        #: name -> highest entry index in it, oldest first; the last one is being written
        self._segments: dict[str, int] = {}
        self._file: DiskFile | None = None
        self._salt = b""
        #: number of the last batch, where the next one goes, and how far the zeros reach
        self._number, self._end, self._reserved = 0, 0, 0
        self._is_torn = False
        #: the next step could not be reserved: there is room for what is under way, not for more
        self.is_short = False
        #: an empty batch is last: rot in the one before it would be noticed
        self.is_confirmed = True
        #: batches synced since the start
        self.sync_count = 0

    def wants_segment(self, batch: Batch) -> bool:
        """Should `write` begin a segment with this batch?  Then it needs a salt."""
        return self._file is None or self._is_torn or batch.is_trim or self._is_long

    @property
    def _sizes(self) -> tuple[int, ...]:
        """The steps to try: smaller ones when the disk is nearly full, so that others may write."""
        return tuple(self._step_bytes // part for part in (1, 4, 16))

    @property
    def _is_long(self) -> bool:
        return self._end >= self._segment_bytes

    # ---- opening --------------------------------------------------------------------------------

    def open(self) -> Log:
        """The log as it was promised.  Raises CorruptError, JournalError."""
        try:
            return self._open()
        except OSError as error:
            raise JournalError(f"journal: {error}") from error

    def _open(self) -> Log:
        log, names = Log(), self._disk.list(PREFIX)
        if not names:
            raise CorruptError("the journal is gone: this node must rejoin under a new raft id")
        after: int | None = None
        for name in names:
            data = self._disk.read(name)
            assert data is not None
            try:
                segment = parse_segment(data, self._sealer, after)
            except CorruptError as error:
                raise CorruptError(f"{name}: {error}") from error
            self._segments[name] = max(map(log.replay, segment.batches))
            after = segment.number
            self._salt, self._end, self._reserved = segment.salt, segment.end, len(data)
            self._number, self._is_torn = segment.number, segment.is_torn
        self._file = self._disk.open(names[-1])
        # What was read may have been written but not synced, by a process that was killed.
        self._file.sync()
        return log

    # ---- writing --------------------------------------------------------------------------------

    def write(self, batch: Batch, salt: bytes | None) -> None:
        """Durable when it returns.  A salt begins a segment.  Raises NoSpaceError, JournalError."""
        if salt is not None:
            self._begin(batch, salt)
        else:
            self._append(batch)
        name = next(reversed(self._segments))
        self._segments[name] = max(self._segments[name], batch.last_index)
        self.is_confirmed = not batch.records
        self.sync_count += 1
        if salt is not None:
            self._delete_before(batch.first_index)
        self._reserve_ahead()

    def _append(self, batch: Batch) -> None:
        assert self._file is not None
        data = frame_batch(self._sealer, self._salt, self._number + 1, batch.records)
        while self._reserved < self._end + len(data):
            self._grow()
        try:
            self._file.pwrite(data, self._end)
            self._file.sync()
        except OSError as error:
            raise JournalError(f"journal: {error}") from error
        self._number += 1
        self._end += len(data)

    def _begin(self, batch: Batch, salt: bytes) -> None:
        number = self._number + 1
        data = begin_segment(salt)
        data += frame_batch(self._sealer, salt, number, batch.state() + batch.records)
        last = next(reversed(self._segments), PREFIX + "0")
        name = f"{PREFIX}{int(last.removeprefix(PREFIX)) + 1:010d}"
        try:
            reserved = self._write_segment(name, data)
            file = self._disk.open(name)
        except OSError as error:
            raise JournalError(f"journal: {error}") from error
        if self._file is not None:
            self._file.close()
        self._file, self._salt, self._number, self._is_torn = file, salt, number, False
        self._end, self._reserved = len(data), reserved
        self._segments[name] = 0

    def _write_segment(self, name: str, data: bytes) -> int:
        """How long the file is, zeros included.  Raises NoSpaceError, OSError."""
        for size in self._sizes:
            try:
                self._disk.write(name, data + bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            else:
                return len(data) + size
        raise NoSpaceError

    def _delete_before(self, first_index: int) -> None:
        """Oldest first, so that numbers have no gap whenever a crash comes."""
        for name in list(self._segments)[:-1]:
            if self._segments[name] >= first_index:
                return
            try:
                self._disk.delete(name)
            except OSError as error:
                raise JournalError(f"journal: {error}") from error
            del self._segments[name]

    def _reserve_ahead(self) -> None:
        """The next step before it is needed, so that a full disk is known in time."""
        self.is_short = False
        while not self._is_long and self._reserved - self._end < self._step_bytes // 2:
            try:
                self._grow()
            except NoSpaceError:
                self.is_short = True
                return

    def retry_reserve(self) -> None:
        """Look whether the disk has room again; the answer is in `is_short`."""
        self._reserve_ahead()

    def _grow(self) -> None:
        assert self._file is not None
        try:
            size = next(size for size in self._sizes if self._has_reserved(size))
        except StopIteration:
            raise NoSpaceError from None
        try:
            self._file.sync()
        except OSError as error:
            raise JournalError(f"journal: {error}") from error
        self._reserved += size

    def _has_reserved(self, size: int) -> bool:
        """Whether there was room for so many zeros; if not, none of it is kept from others."""
        assert self._file is not None
        try:
            self._file.pwrite(bytes(size), self._reserved)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise JournalError(f"journal: {error}") from error
            self._file.truncate(self._reserved)
            return False
        return True

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None
