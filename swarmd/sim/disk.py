"""A disk that keeps its promises and no more: a crash loses what was not synced, or a part of it."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class DiskState:
    """What is on one host's disk, across the lives of its processes."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        #: name → writes since the last sync: (offset, data)
        self.unsynced: dict[str, list[tuple[int, bytes]]] = {}
        #: bytes that still fit
        self.room = 1 << 40
        #: a file is synced without effect: planted by a test of the simulator
        self.lies = False

    def crash(self, chance: Random) -> None:
        """Lose power: of each file's unsynced writes a prefix survives, its last one torn."""
        for name in sorted(self.unsynced):
            writes = self.unsynced[name]
            kept = chance.randrange(len(writes) + 1)
            for offset, data in writes[:kept]:
                self._write(name, offset, data)
            if kept < len(writes):
                offset, data = writes[kept]
                self._write(name, offset, data[: chance.randrange(len(data) + 1)])
        self.unsynced.clear()

    def _write(self, name: str, offset: int, data: bytes) -> None:
        content = self.files.setdefault(name, bytearray())
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data

    def sync(self, name: str) -> None:
        """Make the writes of a file durable."""
        if not self.lies:
            for offset, data in self.unsynced.pop(name, ()):
                self._write(name, offset, data)

    def visible(self, name: str) -> bytearray | None:
        """What a reader sees: synced or not."""
        content = self.files.get(name)
        writes = self.unsynced.get(name)
        if not writes:
            return content
        seen = bytearray(content or b"")
        for offset, data in writes:
            if len(seen) < offset:
                seen.extend(bytes(offset - len(seen)))
            seen[offset : offset + len(data)] = data
        return seen


class SimDisk:
    """The Disk port of one process."""

    def __init__(self, state: DiskState, is_alive: Callable[[], bool], chance: Random) -> None:
        self._state, self._is_alive, self._chance = state, is_alive, chance
        self._turn = asyncio.Lock()

    def list(self, prefix: str = "") -> Sequence[str]:
        """As `Disk.list`."""
        names = {*self._state.files, *self._state.unsynced}
        return sorted(name for name in names if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        """As `Disk.read`."""
        content = self._state.visible(name)
        return None if content is None else bytes(content)

    def write(self, name: str, data: bytes) -> None:
        """As `Disk.write`."""
        if self._is_alive():
            self._take(len(data))
            self._state.unsynced.pop(name, None)
            self._state.files[name] = bytearray(data)

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`."""
        if self._is_alive():
            self._state.files[new] = self._state.files.pop(old)
            self._state.unsynced.pop(new, None)
            writes = self._state.unsynced.pop(old, None)
            if writes:
                self._state.unsynced[new] = writes

    def delete(self, name: str) -> None:
        """As `Disk.delete`."""
        if self._is_alive():
            self._state.files.pop(name, None)
            self._state.unsynced.pop(name, None)

    def open(self, name: str) -> "SimFile":
        """As `Disk.open`."""
        if self._is_alive():
            self._state.files.setdefault(name, bytearray())
        return SimFile(self, name)

    async def run(self, call: Callable[[], T]) -> T:
        """Some time before and after the call: a crash may fall on either side of it."""
        async with self._turn:
            await asyncio.sleep(self._chance.uniform(0.00005, 0.001))
            result = call()
            await asyncio.sleep(self._chance.uniform(0.00005, 0.001))
            return result

    def take(self, size: int) -> None:
        """Use up room.  Raises OSError(ENOSPC)."""
        self._take(size)

    def _take(self, size: int) -> None:
        if size > self._state.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._state.room -= size

    @property
    def state(self) -> DiskState:
        """The host's disk."""
        return self._state

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs: a dead one writes nothing."""
        return self._is_alive()


class SimFile:
    """An open file."""

    def __init__(self, disk: SimDisk, name: str) -> None:
        self._disk, self._name = disk, name

    def size(self) -> int:
        """As `DiskFile.size`."""
        return len(self._disk.state.visible(self._name) or b"")

    def pread(self, size: int, offset: int) -> bytes:
        """As `DiskFile.pread`."""
        content = self._disk.state.visible(self._name) or b""
        return bytes(content[offset : offset + size])

    def pwrite(self, data: bytes, offset: int) -> None:
        """As `DiskFile.pwrite`."""
        if self._disk.is_alive:
            grows = max(0, offset + len(data) - self.size())
            self._disk.take(grows)
            self._disk.state.unsynced.setdefault(self._name, []).append((offset, bytes(data)))

    def sync(self) -> None:
        """As `DiskFile.sync`."""
        if self._disk.is_alive:
            self._disk.state.sync(self._name)

    def close(self) -> None:
        """Nothing is held."""
