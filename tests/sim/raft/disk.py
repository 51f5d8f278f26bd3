"""What a crash leaves of one member: synced records, a prefix of the others, whole snapshots."""

import hashlib
import random
from typing import Protocol

from swarmd.raft.image import Head, encode_head, head_of, join, slices
from swarmd.raft.interface import RaftID
from swarmd.raft.membership import founding_entries
from swarmd.raft.planted import PLANTED
from swarmd.raft.records import Batch, Log, encode_entry, encode_state, parse_records


class Machine(Protocol):
    def snapshot(self) -> list[bytes]: ...


class SimDisk:
    def __init__(self, founders: list[RaftID]) -> None:
        entries = founding_entries(founders) if founders else []
        self.synced = b"".join(map(encode_entry, entries))
        if entries:
            self.synced += encode_state(1, None)
        self.unsynced: list[bytes] = []
        self.image: bytes | None = None

    def write(self, batch: Batch) -> None:
        """Record by record, so that a crash may keep any prefix."""
        for kind, payload in parse_records(batch.records):
            self.unsynced.append(len(payload).to_bytes(4, "little") + bytes((kind,)) + payload)

    def sync(self) -> None:
        self.synced += b"".join(self.unsynced)
        self.unsynced.clear()

    def crash(self, rng: random.Random) -> None:
        self.synced += b"".join(self.unsynced[: rng.randint(0, len(self.unsynced))])
        self.unsynced.clear()

    def read(self) -> tuple[Log, Head | None]:
        log = Log()
        log.replay(self.synced)
        return log, None if self.image is None else head_of(self.image)

    def trim(self, log: Log) -> None:
        """Begin a segment anew with what the log holds; all of it is durable."""
        self.synced = encode_state(log.term, log.vote)
        self.synced += b"".join(map(encode_entry, log.entries))

    def store_own(self, head: Head, parts: list[bytes]) -> None:
        if "snapshot-not-synced" not in PLANTED:
            self.image = join([encode_head(head), *parts])

    def digest(self) -> bytes:
        assert self.image is not None
        return hashlib.sha256(self.image).digest()

    def state(self) -> list[bytes]:
        assert self.image is not None
        return list(slices(self.image))
