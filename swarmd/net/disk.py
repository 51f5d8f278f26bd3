"""The Disk port of production: a directory of files that survive a power cut.

A whole file is replaced by writing beside it, syncing, renaming, and syncing the folder: after a
crash there is the old one or the new one.  Names that begin with a dot are this module's own.
Blocking calls run in one thread, in the order they were given, so that the order of writes on the
disk is the order in which the loop decided them.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from swarmd.errors import StateError

T = TypeVar("T")

_LOCK = ".lock"


class FileDisk:
    """Files under `root`, which is made (0700) if need be.

    Raises StateError if it cannot be made or is in use by another daemon.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = _lock(root)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")

    def list(self, prefix: str = "") -> Sequence[str]:
        """Names that begin with `prefix`, sorted."""
        names = (
            str(path.relative_to(self._root))
            for path in self._root.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )
        return sorted(name for name in names if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        """The whole file, or None if there is none."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole, durably."""
        path = self._path(name)
        _make_folder(path.parent)
        # Always the same name: what a crash leaves behind is overwritten by the next write.
        beside = path.parent / f".{path.name}.new"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            beside.unlink()  # half a file would keep the room that others need on a full disk
            raise
        beside.replace(path)
        _sync_folder(path.parent)

    def rename(self, old: str, new: str) -> None:
        """Atomic and durable; replaces `new`."""
        source, target = self._path(old), self._path(new)
        _make_folder(target.parent)
        source.replace(target)
        _sync_folder(target.parent)
        if source.parent != target.parent:
            _sync_folder(source.parent)

    def delete(self, name: str) -> None:
        """Durable; no error if there is none."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def open(self, name: str) -> "OpenFile":
        """For reading and writing; created empty, and durably so, if absent."""
        path = self._path(name)
        _make_folder(path.parent)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            _sync_folder(path.parent)
        return OpenFile(descriptor)

    async def run(self, call: Callable[[], T]) -> T:
        """Run blocking calls off the loop, one at a time, in the order they were given.

        Cancelling the caller does not stop the call: it is finished, unseen.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        """Finish what is under way, and give the directory free.  Blocks."""
        self._thread.shutdown()
        os.close(self._lock)

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        assert all(part and not part.startswith(".") for part in parts), f"bad file name {name!r}"
        return self._root.joinpath(*parts)


class OpenFile:
    """A DiskFile on a descriptor, which it owns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_closed = False

    def size(self) -> int:
        """Length in bytes."""
        return os.fstat(self._descriptor).st_size

    def pread(self, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`; shorter only at the end of the file."""
        parts = []
        while size and (part := os.pread(self._descriptor, size, offset)):
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return b"".join(parts)

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`; not durable before `sync`."""
        rest = memoryview(data)
        while rest:
            # A full disk shows as a short write first and as ENOSPC at the next.
            size = os.pwrite(self._descriptor, rest, offset)
            rest, offset = rest[size:], offset + size

    def truncate(self, size: int) -> None:
        """Give back the room behind the first `size` bytes."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Returns when everything written is on the disk."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self._descriptor)


def _lock(root: Path) -> int:
    """A descriptor whose lock says that this process owns `root`; the kernel frees it at death."""
    try:
        _make_folder(root)
        descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise StateError(f"cannot use {root} as state directory: {reason}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise StateError(
            f"another swarmd (process {owner}) uses {root}: "
            "stop it first, or give this one another --state-dir"
        ) from None
    owner_line = f"{os.getpid()}\n".encode()
    with suppress(OSError):  # a disk that is full; the lock is what counts
        os.pwrite(descriptor, owner_line, 0)
        os.ftruncate(descriptor, len(owner_line))
    return descriptor


def _make_folder(folder: Path) -> None:
    """With its parents, 0700, and durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
