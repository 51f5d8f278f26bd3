"""Who votes and who learns, as a function of the last snapshot and the log behind it.

A change is in force from the moment its entry is in the log, committed or not (paper §6, diss.
§4.1), and taken back when the entry is cut.  So the configuration is never stored by itself but in
a snapshot, as of the snapshot's last entry.  There is no list of founders: the founder's log begins
with the entry that adds it, and every joiner receives that entry or a snapshot of it.
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from swarmd.errors import WireError
from swarmd.raft.interface import RaftID

#: First byte of a command: pysyncobj's types.  3 is its VERSION, which we never write (D15).
REGULAR, NO_OP, MEMBERSHIP = 0, 1, 2

#: command, index, term: pysyncobj's order
Entry = tuple[bytes, int, int]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One step of membership.  pysyncobj knows "add" and "rem", which change the voters."""

    verb: Literal["add", "rem", "learn", "forget"]
    member: RaftID

    def command(self) -> bytes:
        """As an entry's command."""
        return bytes((MEMBERSHIP,)) + msgspec.msgpack.encode(self)


_decode_change = msgspec.msgpack.Decoder(Change).decode


def parse_change(command: bytes) -> Change | None:
    """The change that a command makes, None for any other command.  Raises WireError if unreadable."""
    if command[:1] != b"\x02":
        return None
    try:
        return _decode_change(memoryview(command)[1:])
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise WireError(f"membership entry: {error}") from error


class Configuration(msgspec.Struct, frozen=True):
    """Voters and learners, each sorted, without a member in both."""

    voters: tuple[RaftID, ...] = ()
    learners: tuple[RaftID, ...] = ()

    def after(self, change: Change) -> "Configuration":
        """With the change made; the same if it was made already."""
        voters, learners = set(self.voters), set(self.learners)
        voters.discard(change.member)
        learners.discard(change.member)
        if change.verb == "add":
            voters.add(change.member)
        elif change.verb == "learn":
            learners.add(change.member)
        return Configuration(tuple(sorted(voters)), tuple(sorted(learners)))

    def is_majority(self, members: Collection[RaftID]) -> bool:
        """Are more than half of the voters among `members`?"""
        return 2 * sum(voter in members for voter in self.voters) > len(self.voters)


class Tracker:
    """The configuration while the log grows and is cut."""

    def __init__(self) -> None:
        #: the configuration as of entry `_index`; from a snapshot
        self._base, self._index = Configuration(), 0
        #: (index, change) of the entries behind it, ascending
        self._changes: list[(tuple[int, Change])] = []
        #: in force now
        self.current = Configuration()

    def added(self, command: bytes, index: int) -> None:
        """An entry was appended."""
        if command[:1] == b"\x02" and index > self._index:
            change = parse_change(command)
            assert change is not None
            self._changes.append((index, change))
            self.current = self.current.after(change)

    def cut(self, first: int) -> None:
        """Entries from index `first` on are gone."""
        if self._changes and self._changes[-1][0] >= first:
            self._changes = [pair for pair in self._changes if pair[0] < first]
            self.current = self.at(None)

    def rebase(self, index: int, base: Configuration) -> None:
        """A snapshot says what was in force at `index`."""
        self._base, self._index = base, index
        self._changes = [pair for pair in self._changes if pair[0] > index]
        self.current = self.at(None)

    def last_voter_change(self) -> int:
        """Index of the newest change of voters behind the snapshot; 0 if there is none."""
        return max((at for at, change in self._changes if change.verb in ("add", "rem")), default=0)

    def at(self, index: int | None) -> Configuration:
        """As of entry `index`, which is not below the last snapshot; None = the end of the log."""
        configuration = self._base
        for changed_at, change in self._changes:
            if index is not None and changed_at > index:
                break
            configuration = configuration.after(change)
        return configuration


def founding_entries(founders: Sequence[RaftID]) -> list[Entry]:
    """The log of a new cluster: pysyncobj's own first entry, then one for each founder.

    Every empty log begins with the same first entry, so that a joiner's fits the founder's.
    """
    entries: list[Entry] = [(bytes((NO_OP,)), 1, 0)]
    entries += [(Change("add", founder).command(), 2 + i, 1) for i, founder in enumerate(founders)]
    return entries
