"""Disks and connections in memory, for members in virtual time."""

import asyncio
import errno
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from swarmd.ports import Disk, DiskFile, Peer

T = TypeVar("T")


class SeededRandom:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def below(self, count: int) -> int:
        return self._random.randrange(count)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self._random.sample(items, len(items))

    def token(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)

    def rarely(self, name: str) -> bool:
        return name == ""


class MemoryDisk:
    """Files in memory; a crash loses what was not synced.  `run` takes half a millisecond."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.durable: dict[str, bytes] = {}
        self.is_full = False
        #: beginnings of names for which there is no room
        self.full_names: tuple[str, ...] = ()
        #: by how much a file may grow at once
        self.room_bytes = 1 << 40
        self.fails_sync = False
        self.syncs = 0
        #: calls hang while it is not set
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._turn = asyncio.Lock()

    def crash(self) -> None:
        self.files = {name: bytearray(data) for name, data in self.durable.items()}
        self._turn = asyncio.Lock()

    def demand_room(self, name: str) -> None:
        if self.is_full or name.startswith(self.full_names):
            raise OSError(errno.ENOSPC, "No space left on device")

    def demand_sync(self) -> None:
        self.syncs += 1
        if self.fails_sync:
            raise OSError(errno.EIO, "Input/output error")

    # ---- swarmd.ports.Disk ------------------------------------------------------------------------

    def list(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        data = self.files.get(name)
        return None if data is None else bytes(data)

    def write(self, name: str, data: bytes) -> None:
        self.demand_room(name)
        self.demand_sync()
        self.files[name] = bytearray(data)
        self.durable[name] = data

    def rename(self, old: str, new: str) -> None:
        self.files[new] = self.files.pop(old)
        self.durable[new] = self.durable.pop(old)

    def delete(self, name: str) -> None:
        self.files.pop(name, None)
        self.durable.pop(name, None)

    def open(self, name: str) -> DiskFile:
        self.files.setdefault(name, bytearray())
        return MemoryFile(self, name)

    async def run(self, call: Callable[[], T]) -> T:
        async with self._turn:
            await asyncio.sleep(0.0005)
            await self.goes_on.wait()
            return call()


class MemoryFile:
    def __init__(self, disk: MemoryDisk, name: str) -> None:
        self._disk, self._name = disk, name

    def size(self) -> int:
        return len(self._disk.files[self._name])

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self._disk.files[self._name][offset : offset + size])

    def pwrite(self, data: bytes, offset: int) -> None:
        content = self._disk.files[self._name]
        if offset + len(data) > len(content):
            self._disk.demand_room(self._name)
            more = offset + len(data) - len(content)
            if more > self._disk.room_bytes:  # as much as fits, and then the error
                content.extend(bytes(self._disk.room_bytes))
                raise OSError(errno.ENOSPC, "No space left on device")
            content.extend(bytes(more))
        content[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        del self._disk.files[self._name][size:]

    def sync(self) -> None:
        self._disk.demand_sync()
        self._disk.durable[self._name] = bytes(self._disk.files[self._name])

    def close(self) -> None:
        """Nothing is held."""


def as_disk(disk: MemoryDisk) -> Disk:
    return disk


class MemoryConnection:
    """One end of a pair; frames take `delay_s`."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.other: MemoryConnection = self
        self.is_closed = False
        self.unsent = 0
        self._frames: deque[bytes] = deque()
        self._news = asyncio.Event()

    @property
    def peer(self) -> Peer:
        return Peer()

    def send(self, frame: bytes) -> None:
        if not self.is_closed:
            self.unsent += len(frame)
            asyncio.get_running_loop().call_later(self.delay_s, self._arrive, frame)

    def _arrive(self, frame: bytes) -> None:
        self.unsent -= len(frame)
        other = self.other
        if not other.is_closed:
            other._frames.append(frame)
            other._news.set()

    def pending_bytes(self) -> int:
        return self.unsent

    async def drain(self) -> None:
        if self.is_closed:
            raise ConnectionError("closed")

    async def receive(self) -> bytes:
        while not self._frames:
            if self.is_closed:
                raise ConnectionError("closed")
            self._news.clear()
            await self._news.wait()
        return self._frames.popleft()

    def close(self) -> None:
        for end in (self, self.other):
            end.is_closed = True
            end._news.set()


def pair(delay_s: float = 0.001) -> tuple[MemoryConnection, MemoryConnection]:
    a, b = MemoryConnection(delay_s), MemoryConnection(delay_s)
    a.other, b.other = b, a
    return a, b


async def outcome(call: Awaitable[object]) -> BaseException | None:
    """What it raised."""
    try:
        await call
    except Exception as error:
        return error
    return None


def raises(kind: type[Exception], call: Callable[[], object]) -> None:
    """It is raised, and nothing else."""
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")
