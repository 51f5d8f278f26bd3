"""A disk that keeps its promises and no more: a crash loses what was not synced, or a part of it."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class _Content:
    """One file: as written, as durable, and the writes between."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.durable = bytearray()
        #: (offset, data) since the last sync
        self.unsynced: list[tuple[int, bytes]] = []


class DiskState:
    """What is on one host's disk, across the lives of its processes."""

    def __init__(self) -> None:
        self.files: dict[str, _Content] = {}
        #: syncs have no effect: planted by a test of the simulator
        self.lies = False
        #: writes that need room fail while it is set
        self.is_full = False

    def crash(self, chance: Random) -> None:
        """Lose power: of each file's unsynced writes a prefix survives, its last one torn."""
        for name in sorted(self.files):
            content = self.files[name]
            kept = chance.randrange(len(content.unsynced) + 1)
            for offset, data in content.unsynced[:kept]:
                put(content.durable, offset, data)
            if kept < len(content.unsynced):
                offset, data = content.unsynced[kept]
                put(content.durable, offset, data[: chance.randrange(len(data) + 1)])
            content.seen = bytearray(content.durable)
            content.unsynced.clear()


def put(content: bytearray, offset: int, data: bytes) -> None:
    """Write into a file's bytes, growing them."""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class SimDisk:
    """The Disk port of one process."""

    def __init__(self, state: DiskState, is_alive: Callable[[], bool], chance: Random) -> None:
        self._state, self._is_alive, self._chance = state, is_alive, chance
        self._turn = asyncio.Lock()

    def list(self, prefix: str = "") -> Sequence[str]:
        """As `Disk.list`."""
        return sorted(name for name in self._state.files if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        """As `Disk.read`."""
        content = self._state.files.get(name)
        return None if content is None else bytes(content.seen)

    def write(self, name: str, data: bytes) -> None:
        """As `Disk.write`."""
        if self._is_alive():
            self.check_room(len(data))
            content = self._state.files[name] = _Content()
            content.seen, content.durable = bytearray(data), bytearray(data)

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`."""
        if self._is_alive():
            self._state.files[new] = self._state.files.pop(old)

    def delete(self, name: str) -> None:
        """As `Disk.delete`."""
        if self._is_alive():
            self._state.files.pop(name, None)

    def open(self, name: str) -> "SimFile":
        """As `Disk.open`."""
        content = self._state.files.get(name) or _Content()
        if self._is_alive():
            self._state.files[name] = content
        return SimFile(self, content)

    async def run(self, call: Callable[[], T]) -> T:
        """Some time before and after the call: a crash may fall on either side of it."""
        async with self._turn:
            await asyncio.sleep(self._chance.uniform(0.00005, 0.001))
            result = call()
            await asyncio.sleep(self._chance.uniform(0.00005, 0.001))
            return result

    def check_room(self, size: int) -> None:
        """Raises OSError(ENOSPC)."""
        if size and self._state.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    @property
    def lies(self) -> bool:
        """Whether syncs have no effect."""
        return self._state.lies

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs: a dead one writes nothing."""
        return self._is_alive()


class SimFile:
    """An open file."""

    def __init__(self, disk: SimDisk, content: _Content) -> None:
        self._disk, self._content = disk, content

    def size(self) -> int:
        """As `DiskFile.size`."""
        return len(self._content.seen)

    def pread(self, size: int, offset: int) -> bytes:
        """As `DiskFile.pread`."""
        return bytes(self._content.seen[offset : offset + size])

    def pwrite(self, data: bytes, offset: int) -> None:
        """As `DiskFile.pwrite`."""
        if self._disk.is_alive:
            self._disk.check_room(max(0, offset + len(data) - self.size()))
            put(self._content.seen, offset, data)
            self._content.unsynced.append((offset, bytes(data)))

    def truncate(self, size: int) -> None:
        """As `DiskFile.truncate`; what is cut off was never synced."""
        if self._disk.is_alive:
            content = self._content
            del content.seen[size:]
            content.unsynced = [(at, data) for at, data in content.unsynced if at < size]

    def sync(self) -> None:
        """As `DiskFile.sync`."""
        if self._disk.is_alive and not self._disk.lies:
            for offset, data in self._content.unsynced:
                put(self._content.durable, offset, data)
            self._content.unsynced.clear()

    def close(self) -> None:
        """Nothing is held."""
