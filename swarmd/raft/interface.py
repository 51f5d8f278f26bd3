"""What others see of Raft: commands in, results out, and the errors that say what became of a command.

Raft carries bytes and knows no model.  A command has three possible ends, and the class of the
error tells which: applied (its result is returned), certainly never applied (`RefusedError` and
below), or unknown (`OutcomeUnknownError`: a retry must carry the same request id).

The state machine lives above and is driven from one task: `apply` in the order of the log, once
per entry, also after a restart, where it begins with `install` of the last snapshot.
"""

from collections.abc import Callable, Iterable
from typing import NewType, Protocol

import msgspec

from swarmd.errors import InvalidArgumentError, SwarmError, UnavailableError
from swarmd.errors import StateError as _StateError
from swarmd.ports import Connection, Seconds

#: One life of one disk: a random 63-bit number in decimal digits, never used again.
RaftID = NewType("RaftID", str)

MIB = 1 << 20


class RefusedError(UnavailableError):
    """The command was not appended, or lost its place to another: it is not and never will be applied."""


class NotLeaderError(RefusedError):
    """Ask the leader, if one is known.

    Attributes:
        leader: who led when this was raised, or None.
    """

    def __init__(self, leader: RaftID | None) -> None:
        super().__init__(f"raft member {leader} leads" if leader else "no raft member leads")
        self.leader = leader


class QueueFullError(RefusedError):
    """More is waiting than may wait; try again later."""


class DiskFullError(QueueFullError):
    """The journal cannot grow; tried again each second."""


class TooLargeError(RefusedError, InvalidArgumentError):
    """A command above `RaftConfig.max_command_bytes`."""


class ChangeInProgressError(RefusedError):
    """One membership change at a time (diss. §4.1), and none before the leader's first entry."""


class NotCaughtUpError(RefusedError):
    """A learner gets a vote when its last round took less than an election timeout (diss. §4.2.1)."""


class ApplyFailedError(SwarmError):
    """The state machine raised: the entry counts as applied, on every member, and had no result."""


class JournalError(_StateError):
    """The disk failed under the journal, so nothing further may be promised: the member stops."""


class CorruptError(JournalError):
    """Promised records are damaged: this member must not vote on what is left, but rejoin with a new id."""


class ContradictionError(_StateError):
    """A leader contradicts a committed entry: somewhere a promise was broken."""


class StateMachine(Protocol):
    """What the log is for.  All calls come from the member's loop; none may await or take long."""

    def apply(self, index: int, command: bytes) -> bytes:
        """Deterministic.  A failure is a result: what is raised here leaves no trace but a log line.

        Except StateError: this member cannot go on where others can (the command was written by a
        newer version); it stops in front of the entry, and begins with it when it runs again.
        """
        ...

    def snapshot(self) -> Iterable[bytes]:
        """The state at the moment of the call, encoded lazily, each slice within a millisecond.

        The first slice is drawn in the call's own moment, so a generator that copies what it needs
        before its first `yield` will do.  Commands are applied while the others are drawn; what is
        drawn must not change with them.
        """
        ...

    def install(self, index: int, chunks: Iterable[bytes]) -> None:
        """Forget everything and become the state that `snapshot` gave, as of entry `index`."""
        ...


class RaftConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and times; equal on all members.  Slow links: raise all times by one factor."""

    #: the leader's pause between two appends without news
    heartbeat_s: Seconds = 0.1
    #: a follower without a leader campaigns after a random time in this range; > 3 heartbeats
    election_min_s: Seconds = 0.5
    #: also: a leader that hears no majority for so long steps down
    election_max_s: Seconds = 1.0
    #: longest pause between two turns of the loop
    turn_s: Seconds = 0.03
    #: `propose` gives up, outcome unknown, after
    proposal_s: Seconds = 10.0
    #: entries applied since the last snapshot that make the next one due
    snapshot_interval: int = 10_000
    #: entries kept behind a snapshot for followers that lag
    keep_entries: int = 500
    #: snapshots kept beside the newest, for whoever wants to look back; the member reads none of them
    old_snapshots: int = 0
    max_command_bytes: int = 3 * MIB // 2
    #: entries of one append, before it is cut into pieces; larger than any command (D17)
    batch_bytes: int = 2 * MIB
    #: bulk is cut into frames of about this size, so that heartbeats do not wait behind it
    piece_bytes: int = 256 << 10
    #: unsent bytes to a peer above which it gets no more bulk
    unsent_bytes: int = MIB
    #: frames that wait for the loop; above, connections are not read
    inbox_frames: int = 10_000
    inbox_bytes: int = 64 * MIB
    #: proposals that wait for the loop; above, QueueFullError
    queued_proposals: int = 10_000
    queued_bytes: int = 64 * MIB
    #: the journal grows in steps of this, written with zeros beforehand
    journal_step_bytes: int = 4 * MIB
    #: a segment of the journal that has grown to this is followed by a new one
    segment_bytes: int = 64 * MIB
    #: a snapshot announced larger than this is not received
    max_snapshot_bytes: int = 1 << 30
    #: a dial is given up after
    dial_s: Seconds = 5.0

    def __post_init__(self) -> None:
        """ValueError for values that pysyncobj would misunderstand."""
        if not 3 * self.heartbeat_s < self.election_min_s < self.election_max_s:
            raise ValueError("election times: 3 heartbeats < minimum < maximum")
        if self.max_command_bytes + 1 >= self.batch_bytes:
            raise ValueError("batch_bytes must exceed max_command_bytes")


class MemberStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One member as seen from here."""

    id: RaftID
    is_voter: bool
    is_connected: bool
    #: last entry it is known to hold; 0 if unknown, and only the leader knows
    match_index: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """This member and what it knows of the others; of the moment, without a round of messages."""

    id: RaftID
    #: who leads as far as we know; None while unknown, and while this member's disk is full
    leader: RaftID | None
    is_leader: bool
    #: False for a learner and for one that its own log does not name yet
    is_voter: bool
    term: int
    commit: int
    applied: int
    last_index: int
    snapshot_index: int
    #: sorted by id
    members: tuple[MemberStatus, ...]


class Raft(Protocol):
    """What the layers above use of a member."""

    async def propose(self, command: bytes) -> bytes:
        """The state machine's result.

        Raises RefusedError or OutcomeUnknownError, the latter also after `RaftConfig.proposal_s`.
        """
        ...

    async def barrier(self) -> int:
        """The applied index, once a local read is linearizable.

        Raises NotLeaderError, or NoQuorumError when no majority confirms in time.
        """
        ...

    async def add_learner(self, member: RaftID) -> None:
        """It gets the log and counts nowhere; the leader dials it.  Raises as `propose`."""
        ...

    async def promote(self, member: RaftID) -> None:
        """Give a learner a vote.  Raises NotCaughtUpError, ChangeInProgressError, or as `propose`."""
        ...

    async def remove(self, member: RaftID) -> None:
        """Take a voter or learner out.

        Raises PreconditionError for the leader itself and if too few of the rest are reachable,
        ChangeInProgressError, or as `propose`.
        """
        ...

    async def transfer(self, to: RaftID | None = None) -> None:
        """Hand leadership to a voter, None = the one that holds most.  Best effort.

        Proposals are refused meanwhile.  Raises NotLeaderError, and UnavailableError if we still lead.
        """
        ...

    def status(self) -> Status:
        """Of this moment."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after a turn in which leader, term, applied index or membership changed.

        The callback must not raise.  Returns what ends the subscription.
        """
        ...

    async def attach(self, member: RaftID, connection: Connection) -> None:
        """Serve a connection that the caller authenticated as `member`, until it ends."""
        ...
