"""Snapshots on a disk: `raft/snapshot`, written beside and renamed over; sealed part by part.

    file   = magic | salt | record* ;  record = u32 length | u32 crc32 | sealed body
    body   = u8 kind | payload ;  HEAD, then SLICEs, then END with the image's SHA-256

The record's place is its nonce, so none can be left out or moved, and a file without END is
damaged.  A member needs the newest alone, since the log in front of it is gone; older ones are kept
as `raft/snapshot.<index>` for as many as the operator wants to look back.  All calls block: make
them inside `Disk.run`.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator

import msgspec

from swarmd.errors import WireError
from swarmd.ports import Disk, DiskFile
from swarmd.raft.image import Head, decode_head, encode_head, join, split
from swarmd.raft.interface import CorruptError
from swarmd.raft.seal import SALT_BYTES, Sealer

NAME = "raft/snapshot"
_MAGIC = b"SWSNAP1\n"
_RECORD = struct.Struct("<II")
_HEAD, _SLICE, _END = b"\x01", b"\x02", b"\x03"
#: synced in portions, so that the journal's syncs never wait for much
_SYNC_BYTES = 4 << 20


class Stored(msgspec.Struct, frozen=True):
    """A snapshot that was read and checked."""

    head: Head
    image: bytes
    sha256: bytes


class SnapshotWriter:
    """Writes one snapshot; call `begin`, `add` as often as there are parts, then `finish` or `abort`.

    Every call raises OSError, after which only `abort` makes sense.
    """

    def __init__(self, disk: Disk, sealer: Sealer, salt: bytes, *, name: str) -> None:
        self._disk, self._sealer, self._salt = disk, sealer, salt
        #: the name until it is finished
        self._name = f"{NAME}.{name}"
        self._file: DiskFile | None = None
        self._digest = hashlib.sha256()
        self._count, self._end, self._unsynced = 0, 0, 0

    def begin(self, head: Head) -> None:
        """Make the file, in place of a half-written one."""
        self._disk.delete(self._name)
        self._file = self._disk.open(self._name)
        self._put(_MAGIC + self._salt)
        self._add(_HEAD, encode_head(head))

    def add(self, parts: Iterable[bytes]) -> None:
        """Slices of the state."""
        for part in parts:
            self._add(_SLICE, part)

    def set_aside(self, index: int, keep: int) -> None:
        """Before `finish`: keep the present one, of that index, and the newest `keep` with it."""
        if keep and (present := self._disk.read(NAME)) is not None:
            self._disk.write(f"{NAME}.{index:020}", present)
        old = [name for name in self._disk.list(f"{NAME}.") if name[len(NAME) + 1 :].isdecimal()]
        for name in old[: max(0, len(old) - keep)]:
            self._disk.delete(name)

    def finish(self) -> None:
        """Durable, and in place of the one before, when it returns."""
        assert self._file is not None
        self._record(_END, self._digest.digest())
        self._file.sync()
        self._file.close()
        self._disk.rename(self._name, NAME)

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._file.close()
        self._disk.delete(self._name)

    def _add(self, kind: bytes, part: bytes) -> None:
        self._digest.update(join((part,)))
        self._record(kind, part)

    def _record(self, kind: bytes, payload: bytes) -> None:
        body = self._sealer.seal(self._salt, self._count, kind + payload)
        self._count += 1
        self._put(_RECORD.pack(len(body), zlib.crc32(body)) + body)

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        self._file.pwrite(data, self._end)
        self._end += len(data)
        self._unsynced += len(data)
        if self._unsynced >= _SYNC_BYTES:
            self._file.sync()
            self._unsynced = 0


def write_image(disk: Disk, sealer: Sealer, salt: bytes, image: bytes) -> None:
    """Store a received snapshot.  Raises OSError."""
    parts = split(image)
    writer = SnapshotWriter(disk, sealer, salt, name="received")
    writer.begin(decode_head(next(parts)))
    writer.add(parts)
    writer.finish()


def read_snapshot(disk: Disk, sealer: Sealer) -> Stored | None:
    """The newest snapshot, None if there is none.  Raises CorruptError, OSError."""
    data = disk.read(NAME)
    if data is None:
        return None
    try:
        return _parse(data, sealer)
    except WireError as error:
        raise CorruptError(f"{NAME}: the raft snapshot is damaged: {error}") from error


def _parse(data: bytes, sealer: Sealer) -> Stored:
    if len(data) < len(_MAGIC) + SALT_BYTES or data[: len(_MAGIC)] != _MAGIC:
        raise CorruptError(f"{NAME}: not a raft snapshot of this version")
    bodies = list(_bodies(data, sealer))
    if len(bodies) < 2 or bodies[0][:1] != _HEAD or bodies[-1][:1] != _END:
        raise WireError("its beginning or end is missing")
    if any(body[:1] != _SLICE for body in bodies[1:-1]):
        raise WireError("it has a part of an unknown kind")
    image = join(body[1:] for body in bodies[:-1])
    digest = hashlib.sha256(image).digest()
    if digest != bodies[-1][1:]:
        raise WireError("its digest does not fit")
    return Stored(decode_head(bodies[0][1:]), image, digest)


def _bodies(data: bytes, sealer: Sealer) -> Iterator[bytes]:
    at, count = len(_MAGIC) + SALT_BYTES, 0
    salt = data[len(_MAGIC) : at]
    while at < len(data):
        if len(data) - at < _RECORD.size:
            raise WireError("half a record")
        length, checksum = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        body = data[at : at + length]
        if len(body) != length or zlib.crc32(body) != checksum:
            raise WireError(f"record {count}")
        yield sealer.unseal(salt, count, body)
        at, count = at + length, count + 1
