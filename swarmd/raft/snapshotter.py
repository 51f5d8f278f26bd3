"""Takes snapshots of our own, and brings the image when a peer needs it; beside the turns.

The state machine's slices are drawn a portion at a time with the loop running in between, so that
heartbeats do not wait.  The log is cut at the beginning of a later turn, when the snapshot is on
disk; whether it still is the newest is asked right before it takes its place.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from swarmd.ports import Disk, Seconds
from swarmd.raft.core import Core
from swarmd.raft.image import Head
from swarmd.raft.interface import CorruptError, RaftConfig
from swarmd.raft.storage import Storage

log = logging.getLogger(__name__)

#: After a failure (a full disk, mostly) the next attempt waits.
_RETRY_S: Seconds = 10.0
#: The image of the snapshot is kept in memory for so long after it was last wanted.
_KEEP_IMAGE_S: Seconds = 5.0
_PORTION_BYTES = 256 << 10


class Snapshotter:
    """One helper task of a member."""

    def __init__(
        self, core: Core, storage: Storage, disk: Disk, config: RaftConfig, wake: Callable[[], None]
    ) -> None:
        self._core, self._storage, self._disk = core, storage, disk
        self._wake = wake
        #: replaced when the settings change
        self.config = config
        self._is_due = asyncio.Event()
        #: on disk, and the log not yet cut
        self._finished: Head | None = None
        #: the snapshot on disk cannot be read back
        self._failure: CorruptError | None = None
        #: when the image in memory was last of use
        self._lent_at: Seconds = 0.0

    def turn(self, now: Seconds) -> None:
        """Begin a turn: cut the log behind a finished snapshot, start the next.

        Raises CorruptError if the snapshot on disk cannot be read back.
        """
        if self._failure is not None:
            raise self._failure
        core = self._core
        if self._finished is not None:
            core.finish_snapshot(self._finished, self.config.keep_entries)
            self._finished = None
        if core.transfers.is_sending:
            self._lent_at = now
        elif now - self._lent_at >= _KEEP_IMAGE_S:
            core.transfers.unload()
        if core.transfers.wants_image or self._has_grown():
            self._is_due.set()

    def _has_grown(self) -> bool:
        grown = self._core.kernel.applied - self._core.transfers.index
        return grown >= self.config.snapshot_interval and self._finished is None

    async def run(self) -> None:
        """Until cancelled, or until the next turn is to raise what happened."""
        while self._failure is None:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                if self._core.transfers.wants_image:
                    stored = await self._storage.read_snapshot()
                    if stored is not None:
                        self._core.transfers.load(stored.image, stored.sha256)
                if self._has_grown():
                    await self._write()
            except CorruptError as error:
                self._failure = error
                self._wake()
            except OSError:
                log.exception("raft snapshot failed", extra={"retry_s": _RETRY_S})
                await asyncio.sleep(_RETRY_S)

    async def _write(self) -> None:
        begun = self._core.begin_snapshot()
        if begun is None:
            return
        head, parts = begun
        writer, run = self._storage.snapshot_writer(), self._disk.run
        try:
            await run(partial(writer.begin, head))
            for portion in _portions(parts):
                await run(partial(writer.add, portion))
                await asyncio.sleep(0)
            aside = partial(writer.set_aside, self._core.transfers.index, self.config.old_snapshots)
            await run(aside)
            # Nothing is awaited between this look and the rename.
            if head.index <= self._core.transfers.index:
                await run(writer.abort)  # a later one was received meanwhile
                return
            await run(writer.finish)
        except OSError:
            await run(writer.abort)
            raise
        log.info("raft snapshot was taken", extra={"index": head.index})
        self._finished = head
        self._wake()


def _portions(parts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The parts in lists of about `_PORTION_BYTES`."""
    portion: list[bytes] = []
    size = 0
    for part in parts:
        portion.append(part)
        size += len(part)
        if size >= _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
