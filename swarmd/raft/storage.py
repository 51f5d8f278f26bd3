"""A member's disk: journal and snapshot together, and the order between them.

A snapshot that was received is on disk before the journal that begins behind it.  All methods are
coroutines on `Disk.run`, which runs calls one at a time and in order; so a later snapshot is never
replaced by an earlier one, as long as whoever begins a rename has looked who is newer.
"""

import errno
from functools import partial

from swarmd.ports import Disk, Random
from swarmd.raft.interface import JournalError, RaftConfig
from swarmd.raft.journalfile import JournalFile, NoSpaceError
from swarmd.raft.reconcile import reconcile
from swarmd.raft.records import Batch, Log
from swarmd.raft.seal import SALT_BYTES, Sealer
from swarmd.raft.snapshotfile import SnapshotWriter, Stored, read_snapshot, write_image


class Storage:
    """Everything durable but the id."""

    def __init__(self, disk: Disk, sealer: Sealer, random: Random, config: RaftConfig) -> None:
        self._disk, self._sealer, self._random, self._config = disk, sealer, random, config
        self.journal = JournalFile(
            disk,
            sealer,
            step_bytes=config.journal_step_bytes,
            segment_bytes=config.segment_bytes,
        )

    async def open(self) -> tuple[Log, Stored | None]:
        """Log and snapshot, in agreement.  Raises CorruptError, JournalError."""
        try:
            return await self._disk.run(self._open)
        except OSError as error:
            raise JournalError(f"raft files: {error}") from error

    def _open(self) -> tuple[Log, Stored | None]:
        log, stored = self.journal.open(), read_snapshot(self._disk, self._sealer)
        reconcile(log, stored.head if stored else None, self._config.keep_entries)
        return log, stored

    async def save(self, batch: Batch, image: bytes | None) -> None:
        """Received snapshot first, then the journal; both durable when it returns.

        Raises JournalError; NoSpaceError if all of it may be tried again.
        """
        salt = self._salt() if self.journal.wants_segment(batch) else None
        image_salt = self._salt()
        await self._disk.run(partial(self._save, batch, salt, image, image_salt))

    def _save(
        self, batch: Batch, salt: bytes | None, image: bytes | None, image_salt: bytes
    ) -> None:
        if image is not None:
            try:
                write_image(self._disk, self._sealer, image_salt, image)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise NoSpaceError from error
                raise JournalError(f"raft snapshot: {error}") from error
        self.journal.write(batch, salt)

    async def retry_reserve(self) -> None:
        """Look whether a disk that was full has room again."""
        await self._disk.run(self.journal.retry_reserve)

    async def read_snapshot(self) -> Stored | None:
        """The newest snapshot.  Raises CorruptError, OSError."""
        return await self._disk.run(partial(read_snapshot, self._disk, self._sealer))

    def snapshot_writer(self) -> SnapshotWriter:
        """For a snapshot of our own; every call of it inside `run`."""
        return SnapshotWriter(self._disk, self._sealer, self._salt(), name="own")

    async def close(self) -> None:
        """After everything that was begun."""
        await self._disk.run(self.journal.close)

    def _salt(self) -> bytes:
        return self._random.token(SALT_BYTES)
