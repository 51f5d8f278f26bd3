"""The one module that imports pysyncobj, and the one place for its private names.

`Kernel` is its `SyncObj` without journal, dumps, sockets, threads, clock and chance: seven private
methods are replaced (`pinned.py` lists them and refuses any other text of the package), the rest
is driven by hand.  Decisions are not made here but in `KernelHooks` (implemented by `core.Core`).

pysyncobj looks `monotonicTime` and `random` up in its module at each call.  Both are replaced once,
by the moment of the kernel that is being driven: `enter` before every call that may read them.  So
several members in one process each have their own clock, and time stands still during a call.

Traps: `SyncObj.__init__` evaluates every attribute of the instance, properties too; it keeps nodes
in sets, hence `Peer` with a hash that does not follow PYTHONHASHSEED; importing it patches the
standard library's `pickle._Unpickler`, which nothing here uses.
"""
# Names of pysyncobj's methods, mangled as Python does it.
# ruff: noqa: N802

import enum
import zlib
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import pysyncobj.config
import pysyncobj.syncobj as upstream
import pysyncobj.version
from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf
from pysyncobj.node import Node

from swarmd.ports import Seconds
from swarmd.raft import pinned
from swarmd.raft.interface import RaftConfig, RaftID
from swarmd.raft.membership import Change, parse_change
from swarmd.raft.planted import PLANTED
from swarmd.raft.records import Log
from swarmd.raft.translate import Translator

pinned.check(SyncObj, pysyncobj.config, pysyncobj.version.VERSION)

#: No limit of its own: the member compacts, and bounds its queue.
_NEVER = 10**12


class Outcome(enum.Enum):
    """What is known of a command."""

    APPLIED = "applied"
    #: certainly not applied, and never will be
    REFUSED = "refused"
    UNKNOWN = "unknown"


#: Called exactly once, or never if the entry is lost with its leader.  Must not raise.
Done = Callable[[Outcome, object], None]

_OUTCOMES = {
    FAIL_REASON.SUCCESS: Outcome.APPLIED,
    FAIL_REASON.QUEUE_FULL: Outcome.REFUSED,
    FAIL_REASON.MISSING_LEADER: Outcome.REFUSED,
    FAIL_REASON.DISCARDED: Outcome.REFUSED,  # another entry was applied at its index
    FAIL_REASON.NOT_LEADER: Outcome.REFUSED,
    FAIL_REASON.REQUEST_DENIED: Outcome.REFUSED,
    FAIL_REASON.LEADER_CHANGED: Outcome.UNKNOWN,
    FAIL_REASON.UNKNOWN_OUTCOME: Outcome.UNKNOWN,
}


class _Moment:
    """Time and chance of the kernel that is driven now."""

    def __init__(self) -> None:
        self.now: Seconds = 0.0
        self.uniform: Callable[[float, float], float] = lambda low, _high: low

    def time(self) -> Seconds:
        # pysyncobj asks for an election "at once" with a deadline of 0, so now is never 0.
        return self.now + 1.0

    def random(self) -> float:
        return self.uniform(0.0, 1.0)


_moment = _Moment()
_create_journal = upstream.createJournal
upstream.monotonicTime = _moment.time
upstream.random = _moment
upstream.createJournal = lambda journal: (
    journal if isinstance(journal, Log) else _create_journal(journal)
)


class Peer(Node):  # type: ignore[misc]  # pysyncobj has no types
    """A node whose hash is the same in every process."""

    def __init__(self, id: RaftID) -> None:  # noqa: A002  pysyncobj's name
        super().__init__(id)
        self._hash = zlib.crc32(id.encode())

    def __hash__(self) -> int:
        return self._hash


class KernelHooks(Protocol):
    """What the kernel asks of its owner."""

    def apply(self, index: int, command: bytes) -> object:
        """Carry out a committed command of any type; the result goes to whoever proposed it."""
        ...

    def may_campaign(self) -> bool:
        """The election deadline has passed.  Asked at every tick until it says yes."""
        ...

    def leads(self) -> None:
        """An election was won; the first entry of the term comes next."""
        ...

    def may_change(self) -> bool:
        """May a change of the voters be appended now?"""
        ...

    def install(self) -> int:
        """A whole snapshot has come: become it, log included; return its index."""
        ...


class SnapshotPort(Protocol):
    """What the kernel calls of its snapshots, under pysyncobj's names; `transfers.Transfers`."""

    def getTransmissionData(self, node: Node) -> tuple[object, bool, bool] | None:
        """(piece, is first, is last), or None: not now."""
        ...

    def setTransmissionData(self, transmission: object) -> bool:
        """True when a snapshot is whole."""
        ...

    def cancelTransmisstion(self, node: Node) -> None:
        """Stop sending to it."""
        ...


class Kernel(SyncObj):  # type: ignore[misc]  # pysyncobj has no types
    """pysyncobj's state machine of Raft: elections, the log, commits.  Unsafe without its guard."""

    def __init__(
        self,
        me: RaftID,
        log: Log,
        translator: Translator,
        snapshots: SnapshotPort,
        hooks: KernelHooks,
        config: RaftConfig,
    ) -> None:
        # Before super(), which evaluates every attribute of the instance.
        self._hooks, self._log = hooks, log
        self._nodes: dict[RaftID, Peer] = {me: Peer(me)}
        super().__init__(
            self._nodes[me],
            [self._node(voter) for voter in log.membership.current.voters if voter != me],
            SyncObjConf(
                autoTick=False,
                journalFile=log,
                dynamicMembershipChange=True,
                commandsWaitLeader=False,
                commandsQueueSize=0,
                appendEntriesUseBatch=True,
                appendEntriesBatchSizeBytes=config.batch_bytes,
                appendEntriesPeriod=config.heartbeat_s,
                raftMinTimeout=config.election_min_s,
                raftMaxTimeout=config.election_max_s,
                leaderFallbackTimeout=config.election_max_s,
                connectionTimeout=max(3.5, config.election_max_s),
                logCompactionMinEntries=_NEVER,
                logCompactionMinTime=_NEVER,
                useFork=False,
            ),
            nodeClass=Peer,
            transport=translator,
        )
        self._SyncObj__serializer = snapshots
        self._SyncObj__needLoadDumpFile = False

    @staticmethod
    def enter(now: Seconds, uniform: Callable[[float, float], float]) -> None:
        """From here on pysyncobj reads this time and this chance."""
        _moment.now, _moment.uniform = now, uniform

    def _node(self, member: RaftID) -> Peer:
        node = self._nodes.get(member)
        if node is None:
            node = self._nodes[member] = Peer(member)
        return node

    # ---- reading ----------------------------------------------------------------------------------

    @property
    def term(self) -> int:
        """The current term."""
        return int(self.raftCurrentTerm)

    @property
    def commit(self) -> int:
        """Entries up to it are known to be committed."""
        return int(self.raftCommitIndex)

    @property
    def applied(self) -> int:
        """Entries up to it are applied here."""
        return int(self.raftLastApplied)

    @property
    def leads(self) -> bool:
        """Do we believe that we lead?"""
        return bool(self._isLeader())

    @property
    def leader(self) -> RaftID | None:
        """Who leads as far as we know."""
        node = self._getLeader()
        return None if node is None else RaftID(node.id)

    def voters_but_me(self) -> list[RaftID]:
        """The other voters, as pysyncobj counts them; sorted."""
        return sorted(RaftID(node.id) for node in self.otherNodes)

    def first_own_index(self) -> int:
        """Index of the empty entry with which our present leadership began."""
        return int(self._SyncObj__noopIDx)

    def next_index(self, member: RaftID) -> int | None:
        """The next entry to send to it; None if it is neither voter nor learner."""
        found: int | None = self._SyncObj__raftNextIndex.get(self._node(member))
        return found

    def match_index(self, member: RaftID) -> int:
        """The last entry that it acknowledged in this term; 0 for none."""
        return int(self._SyncObj__raftMatchIndex.get(self._node(member), 0))

    # ---- driving ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Elect, commit, apply, append what was proposed; entries and commits go out at once."""
        last, commit = self._log.last_index, self.commit
        if "commits-earlier-term" in PLANTED and self.leads:
            held = sorted([last, *map(self.match_index, self.voters_but_me())], reverse=True)
            self._SyncObj__raftCommitIndex = max(self.commit, held[len(held) // 2])
        self.doTick(0)
        if self.leads and (self._log.last_index, self.commit) != (last, commit):
            # pysyncobj alone would wait for the next heartbeat; so would a follower that forwarded
            # a command and answers when it has applied it.
            self._SyncObj__sendAppendEntries()

    def set_next_index(self, member: RaftID, index: int) -> None:
        """Send to it from `index` on; it is a voter or learner."""
        self._SyncObj__raftNextIndex[self._node(member)] = index

    def start_at(self, index: int) -> None:
        """The state machine was started from a snapshot as of `index`."""
        self._SyncObj__raftLastApplied = self._SyncObj__raftCommitIndex = index
        if "restart-applies-twice" in PLANTED:
            self._SyncObj__raftLastApplied -= 1

    def propose(self, command: bytes, done: Done) -> None:
        """Queue a command, type byte first, for the next tick, which refuses it if we do not lead."""

        def answered(result: object, reason: int) -> None:
            outcome = _OUTCOMES[reason]
            if "unknown-told-as-refused" in PLANTED and outcome is Outcome.UNKNOWN:
                outcome = Outcome.REFUSED
            done(outcome, result)

        self._applyCommand(command, answered)

    def refuse_forwarded(self, request_id: int | None) -> None:
        """Pysyncobj would forward the command to the leader; nobody does, so that outcomes are known."""
        callback = self._SyncObj__commandsWaitingReply.pop(request_id, None)
        if callback is not None:
            callback(None, FAIL_REASON.NOT_LEADER)

    def hand_over(self, member: RaftID) -> None:
        """Ask a voter that holds everything to campaign at once; nothing happens if it does not."""
        self.transferLeadership(self._node(member))

    # ---- links ------------------------------------------------------------------------------------

    def voter_up(self, member: RaftID) -> None:
        """A voter can be reached."""
        self._SyncObj__onNodeConnected(self._node(member))

    def voter_down(self, member: RaftID) -> None:
        """It cannot any more."""
        self._SyncObj__onNodeDisconnected(self._node(member))

    def learner_up(self, member: RaftID) -> None:
        """A learner can be reached: pysyncobj's read-only node, which counts nowhere."""
        self._SyncObj__onReadonlyNodeConnected(self._node(member))

    def learner_down(self, member: RaftID) -> None:
        """It cannot any more, or it is no learner any more.

        pysyncobj forgets its indexes with it; a voter's, which the change has just set, stay.
        """
        node = self._node(member)
        is_voter = node in self.otherNodes
        following, match = self.next_index(member), self.match_index(member)
        self._SyncObj__onReadonlyNodeDisconnected(node)
        if is_voter:
            self._SyncObj__raftNextIndex[node] = following
            self._SyncObj__raftMatchIndex[node] = match

    def set_voters(self, voters: Iterable[RaftID]) -> None:
        """A snapshot's configuration replaces the present one."""
        others = [self._node(voter) for voter in voters if voter != self.selfNode.id]
        self._SyncObj__updateClusterConfiguration(others)

    # ---- replaced methods ---------------------------------------------------------------------------

    def _SyncObj__doApplyCommand(self, command: bytes) -> object:
        """No pickle, no code versions (D15), and no exception, which would repeat the entry (D14)."""
        return self._hooks.apply(self.applied + 1, command)

    def _SyncObj__connectedToAnyone(self) -> bool:
        """Consulted once the election deadline has passed: where a campaign can be held back."""
        return bool(self._SyncObj__transferInProgress) or self._hooks.may_campaign()

    def _SyncObj__onBecomeLeader(self) -> None:
        self._hooks.leads()
        super()._SyncObj__onBecomeLeader()

    def _SyncObj__changeCluster(self, request: Collection[object]) -> bool:
        return self._hooks.may_change() and bool(self._SyncObj__doChangeCluster(request))

    def _SyncObj__parseChangeClusterRequest(self, command: bytes) -> list[object] | None:
        """Learners come and go without pysyncobj: they count nowhere."""
        change: Change | None = parse_change(command)
        if change is None or change.verb not in ("add", "rem"):
            return None
        return [change.verb, change.member, self._node(change.member)]

    def _SyncObj__tryLogCompaction(self) -> None:
        """The member decides when (D16, D20)."""

    def _SyncObj__loadDumpFile(self, clearJournal: bool) -> None:  # noqa: ARG002, N803  pysyncobj's
        """A snapshot of the leader is complete and checked: it replaces log and state (D19)."""
        index = self._hooks.install()
        self._SyncObj__raftLastApplied = index
        self._SyncObj__raftCommitIndex = max(self.commit, index)
        self.set_voters(self._log.membership.current.voters)
        waiting = self._SyncObj__commandsWaitingCommit
        for passed in [at for at in waiting if at <= index]:  # pysyncobj would never call these
            for _, callback in waiting.pop(passed):
                callback(None, FAIL_REASON.UNKNOWN_OUTCOME)
