"""What a journal is made of: records, and the log in memory that they build.

    record = u32 length | u8 kind | payload
             ENTRY  u64 index | u64 term | command
             STATE  u64 term | id voted for, or nothing
             CUT    u64 index: entries from it on are void

`Log` stands in for pysyncobj's journal: the kernel changes it at will, in memory; every change is
also a record in a buffer.  `take` hands the buffer over as one `Batch` to whoever does the I/O.
Nothing that depends on a record may be promised before its batch is durable.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from swarmd.raft.interface import CorruptError, RaftID
from swarmd.raft.membership import Entry, Tracker
from swarmd.raft.planted import PLANTED

ENTRY, STATE, CUT = 1, 2, 3
_RECORD = struct.Struct("<IB")
_ENTRY = struct.Struct("<IBQQ")
_PAIR = struct.Struct("<QQ")
_INDEX = struct.Struct("<Q")


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one turn, to be made durable together."""

    records: bytes
    #: term and vote after them: a new segment begins with both
    term: int
    vote: RaftID | None
    #: first entry of the log after them: segments that hold only earlier ones may go
    first_index: int
    #: highest entry among the records; 0 if none
    last_index: int
    #: entries were dropped from the front of the log
    is_trim: bool = False

    def state(self) -> bytes:
        """The STATE record with which a segment begins."""
        return encode_state(self.term, self.vote)


def encode_state(term: int, vote: RaftID | None) -> bytes:
    """A STATE record."""
    payload = _INDEX.pack(term) + (vote or "").encode()
    return _RECORD.pack(len(payload), STATE) + payload


def encode_entry(entry: Entry) -> bytes:
    """An ENTRY record."""
    command, index, term = entry
    return _ENTRY.pack(_PAIR.size + len(command), ENTRY, index, term) + command


def parse_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, payload) of each record.  Raises CorruptError at a record that does not fit."""
    at = 0
    while at < len(data):
        if len(data) - at < _RECORD.size:
            raise CorruptError("journal: half a record at the end of a batch")
        length, kind = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if len(data) - at < length:
            raise CorruptError("journal: a record is longer than its batch")
        yield kind, data[at : at + length]
        at += length


class Log:
    """Entries, term and vote, as pysyncobj's kernel changes them, and the records of what changed."""

    def __init__(self) -> None:
        #: (command, index, term); indexes are consecutive
        self.entries: list[Entry] = []
        #: the current term and whom we voted for in it
        self.term, self.vote = 0, RaftID("")
        #: the configuration that the entries make
        self.membership = Tracker()
        self._records: list[bytes] = []
        self._highest = 0
        self._is_trim = False

    # ---- what everybody reads -------------------------------------------------------------------

    @property
    def first_index(self) -> int:
        """Index of the first entry held.  The log is never empty once a kernel runs on it."""
        return self.entries[0][1]

    @property
    def last_index(self) -> int:
        """Index of the last entry."""
        return self.entries[-1][1]

    @property
    def last_term(self) -> int:
        """Term of the last entry."""
        return self.entries[-1][2]

    def term_at(self, index: int) -> int | None:
        """The term of entry `index`, None if it is not held."""
        at = index - self.entries[0][1]
        return self.entries[at][2] if 0 <= at < len(self.entries) else None

    def entry(self, index: int) -> Entry:
        """Entry `index`, which is held."""
        return self.entries[index - self.entries[0][1]]

    # ---- to disk and back -------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """Is there anything for `take`?"""
        return bool(self._records) or self._is_trim

    def take(self) -> Batch:
        """What has changed since the last call."""
        batch = Batch(
            records=b"".join(self._records),
            term=self.term,
            vote=self.vote or None,
            first_index=self.first_index if self.entries else 0,
            last_index=self._highest,
            is_trim=self._is_trim,
        )
        self._records, self._highest, self._is_trim = [], 0, False
        return batch

    def replay(self, data: bytes) -> int:
        """Make the changes that the records of a batch tell; the highest entry index among them."""
        highest = 0
        for kind, payload in parse_records(data):
            if kind == ENTRY and len(payload) > _PAIR.size:
                index, term = _PAIR.unpack_from(payload)
                self._replay_entry((payload[_PAIR.size :], index, term))
                highest = max(highest, index)
            elif kind == STATE and len(payload) >= _INDEX.size:
                self.term = _INDEX.unpack_from(payload)[0]
                self.vote = RaftID(payload[_INDEX.size :].decode())
            elif kind == CUT and len(payload) == _INDEX.size:
                self._cut(_INDEX.unpack(payload)[0])
            else:
                raise CorruptError(f"journal: record of kind {kind}: written by a newer version?")
        return highest

    def _replay_entry(self, entry: Entry) -> None:
        if self.entries and entry[1] != self.last_index + 1:
            raise CorruptError(f"journal: entry {entry[1]} follows entry {self.last_index}")
        self.entries.append(entry)
        self.membership.added(entry[0], entry[1])

    def _cut(self, first: int) -> None:
        if self.entries:
            del self.entries[max(0, first - self.entries[0][1]) :]
        self.membership.cut(first)

    # ---- what pysyncobj calls -----------------------------------------------------------------------

    def add(self, command: bytes, index: int, term: int) -> None:
        """Append an entry."""
        entry = (command, index, term)
        self.entries.append(entry)
        self.membership.added(command, index)
        self._records.append(encode_entry(entry))
        self._highest = max(self._highest, index)

    def clear(self) -> None:
        """Drop all entries, to begin anew behind a snapshot."""
        self.deleteEntriesFrom(0)

    def deleteEntriesFrom(self, at: int) -> None:  # noqa: N802  pysyncobj's name
        """Drop the entries from position (not index) `at` on."""
        if at < len(self.entries):
            # All: also those that were dropped from the front and are still in an old segment.
            first = self.entries[at][1] if at else 0
            self._records.append(_RECORD.pack(_INDEX.size, CUT) + _INDEX.pack(first))
            self._cut(first)

    def deleteEntriesTo(self, at: int) -> None:  # noqa: N802  pysyncobj's name
        """Drop the entries before position `at`; their segments go when nothing else is in them."""
        if at > 0:
            del self.entries[:at]
            self._is_trim = True

    def setCurrentTerm(self, term: int, vote: str | None) -> None:  # noqa: N802  pysyncobj's name
        """Term and vote change together: a vote counts in its term only."""
        if (term, vote or "") == (self.term, self.vote):
            return
        self.term, self.vote = term, RaftID(vote or "")
        stored = None if "vote-not-stored" in PLANTED else self.vote
        self._records.append(encode_state(term, stored))

    def getCurrentTerm(self) -> int:  # noqa: N802  pysyncobj's name
        """The stored term."""
        return self.term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802  pysyncobj's name
        """The stored vote."""
        return self.vote or None

    def setRaftCommitIndex(self, index: int) -> None:  # noqa: N802  pysyncobj's name
        """Not stored: volatile in Raft (paper, figure 2)."""

    def getRaftCommitIndex(self) -> int:  # noqa: N802  pysyncobj's name
        """At the start only the first entry is known to be committed."""
        return 1

    def onOneSecondTimer(self) -> None:  # noqa: N802  pysyncobj's name
        """Nothing: the member syncs, not a timer."""

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | list[Entry]:
        return self.entries[at]

    def __len__(self) -> int:
        return len(self.entries)


def extend(log: Log, entries: Sequence[Entry]) -> None:
    """Append several entries."""
    for entry in entries:
        log.add(*entry)
