"""One member without I/O: kernel, guard, log and snapshots put together.

Driven by hand, one turn after the other: `receive` what has come, `tick`, send `take_early`, make
`log.take` durable, send `take_late`.  The same core runs under asyncio (`member.py`) and in the
seeded simulator (`tests/sim/raft`).  Nothing may touch it between `tick` and the durable log.

In the tick in which a lone voter elects itself, the kernel counts its first entry before the sync.
That entry is empty, everything before it was read from the disk, and no message or result leaves
before the sync; every other entry of a leader is counted in a later tick than it was appended (D23).
"""

import itertools
import logging
from collections.abc import Callable, Iterable

from swarmd.errors import NotFoundError, PreconditionError, StateError
from swarmd.ports import Seconds
from swarmd.raft import messages as m
from swarmd.raft.catchup import CatchUp
from swarmd.raft.guard import Guard, Post
from swarmd.raft.image import FORMAT, Head, slices
from swarmd.raft.interface import (
    ApplyFailedError,
    ChangeInProgressError,
    NotCaughtUpError,
    NotLeaderError,
    RaftConfig,
    RaftID,
    StateMachine,
    TooLargeError,
)
from swarmd.raft.kernel import Done, Kernel, Peer
from swarmd.raft.membership import REGULAR, Change, Configuration
from swarmd.raft.planted import PLANTED
from swarmd.raft.records import Log
from swarmd.raft.transfers import Transfers
from swarmd.raft.translate import Translator

log = logging.getLogger(__name__)

_REGULAR = bytes((REGULAR,))


class Core:
    """One member.  Its log is in agreement with its snapshot (`snapshotfile.reconcile`)."""

    def __init__(
        self,
        me: RaftID,
        log: Log,
        head: Head | None,
        machine: StateMachine,
        config: RaftConfig,
        uniform: Callable[[float, float], float],
    ) -> None:
        self.me, self.log, self._machine, self._config = me, log, machine, config
        self._uniform = uniform
        #: the newest snapshot and its way to others
        self.transfers = Transfers(config, head)
        #: the filter; the driver sets its `unsent_bytes`
        self.guard = Guard(me, log, self.transfers, config)
        self.transfers.may_send = self.guard.takes_bulk
        self._catch_up = CatchUp(config.election_min_s)
        #: connected peers and what the kernel takes each for: "voter", "learner", "" (a stranger)
        self._links: dict[RaftID, str] = {}
        self._seen: Configuration | None = None

    def start(self, now: Seconds, image: bytes | None) -> None:
        """Begin as of the snapshot, whose image this is, or from nothing."""
        self._enter(now)
        translator = Translator(self.guard, Peer)
        self.guard.translator = translator
        if "config-from-applied" in PLANTED and self.log.entries:
            known = self.transfers.index or sum(term <= 1 for _, _, term in self.log.entries)
            self.log.membership.rebase(self.log.last_index, self.log.membership.at(known))
        self.kernel = Kernel(self.me, self.log, translator, self.transfers, self, self._config)
        self.guard.kernel = self.kernel
        if image is not None:
            self.kernel.start_at(self.transfers.index)
            self._machine.install(self.transfers.index, slices(image))

    def _enter(self, now: Seconds) -> None:
        self.guard.now = now
        Kernel.enter(now, self._uniform)

    @property
    def configuration(self) -> Configuration:
        """In force now: as the log says, committed or not."""
        return self.log.membership.current

    # ---- turns ------------------------------------------------------------------------------------

    def link_up(self, now: Seconds, peer: RaftID) -> None:
        """A new connection to a peer, whoever it is to us."""
        self._enter(now)
        self.guard.connected(peer)
        self._links[peer] = ""
        self._classify()

    def link_down(self, now: Seconds, peer: RaftID) -> None:
        """It ended."""
        self._enter(now)
        self.guard.disconnected(peer)
        self._take_down(peer, self._links.pop(peer, ""))

    def receive(self, now: Seconds, peer: RaftID, message: m.Message) -> None:
        """A message over the present connection."""
        self._enter(now)
        self.guard.receive(peer, message)
        self._reclassify()
        self.guard.restore_withheld()

    def tick(self, now: Seconds) -> None:
        """What time and proposals cause."""
        self._enter(now)
        self.kernel.tick()
        if "leader-counts-unsynced" in PLANTED:
            self.kernel.tick()
        self._reclassify()
        self.guard.restore_withheld()
        if self.kernel.leads:
            for learner in self.configuration.learners:
                match = self.kernel.match_index(learner)
                self._catch_up.observe(learner, match=match, last=self.log.last_index, now=now)

    def take_early(self) -> list[Post]:
        """What may leave before the log of this turn is durable."""
        return self.guard.take_early()

    def take_late(self) -> list[Post]:
        """What may leave after it."""
        return self.guard.take_late()

    def _reclassify(self) -> None:
        if self.configuration is not self._seen:
            self._classify()

    def _classify(self) -> None:
        """Bring the kernel's view of who is connected in line with links and configuration."""
        self._seen = configuration = self.configuration
        for peer, kind in list(self._links.items()):
            if peer in configuration.voters:
                wanted = "voter"
            else:
                wanted = "learner" if peer in configuration.learners else ""
            if wanted == kind:
                continue
            self._take_down(peer, kind)
            self._links[peer] = wanted
            if wanted == "voter":
                self.kernel.voter_up(peer)
            elif wanted == "learner":
                self.kernel.learner_up(peer)

    def _take_down(self, peer: RaftID, kind: str) -> None:
        if kind == "voter":
            self.kernel.voter_down(peer)
        elif kind == "learner":
            self.kernel.learner_down(peer)

    # ---- proposals --------------------------------------------------------------------------------

    def propose(self, command: bytes, done: Done) -> None:
        """Queue a command for the next tick.  Raises NotLeaderError, TooLargeError."""
        self._demand_lead()
        if len(command) > self._config.max_command_bytes:
            most = self._config.max_command_bytes
            raise TooLargeError(f"a command of {len(command)} bytes; the most is {most}")
        self.kernel.propose(_REGULAR + command, done)

    def change(self, change: Change, done: Done) -> None:
        """Queue a membership change for the next tick.

        Raises NotLeaderError, NotFoundError, NotCaughtUpError, PreconditionError or
        ChangeInProgressError; `done` may still say that it was refused, for the last reason.
        """
        self._demand_lead()
        if change.verb == "add" and not self._catch_up.is_caught_up(change.member):
            raise NotCaughtUpError(f"raft member {change.member} has not caught up yet")
        if change.verb == "rem":
            self._demand_removable(change.member)
        if change.verb in ("add", "rem") and not self.may_change():
            raise ChangeInProgressError("another membership change is not finished yet")
        self.kernel.propose(change.command(), done)

    def _demand_lead(self) -> None:
        if not self.kernel.leads:
            raise NotLeaderError(self.kernel.leader)

    def _demand_removable(self, member: RaftID) -> None:
        if member == self.me:
            raise PreconditionError("the leader cannot remove itself: transfer leadership first")
        if member not in self.configuration.voters:
            raise NotFoundError("raft member", member)
        rest = self.configuration.after(Change("rem", member))
        reachable = [voter for voter in rest.voters if voter == self.me or voter in self._links]
        if not rest.is_majority(reachable):
            raise PreconditionError(
                f"removing raft member {member} would leave {len(reachable)} of "
                f"{len(rest.voters)} voters reachable, too few for a majority"
            )

    def successor(self, to: RaftID | None) -> RaftID:
        """The voter to hand leadership to.  Raises NotLeaderError, NotFoundError, PreconditionError."""
        self._demand_lead()
        others = [voter for voter in self.configuration.voters if voter != self.me]
        if to is not None:
            if to not in others:
                raise NotFoundError("raft voter", to)
            return to
        linked = [voter for voter in others if voter in self._links]
        if not linked:
            raise PreconditionError("no other voter is reachable")
        return max(linked, key=self.kernel.match_index)

    def hand_over(self, to: RaftID) -> bool:
        """Ask `to` to take over if it holds the whole log; False: not yet."""
        if self.kernel.match_index(to) != self.log.last_index:
            return False
        self.kernel.hand_over(to)
        return True

    # ---- reads ------------------------------------------------------------------------------------

    def start_read(self) -> int | None:
        """A linearizable read's id; None until we lead and have committed our first entry."""
        return self.guard.start_read()

    def take_read(self, read: int) -> bool | None:
        """True: read the state machine now.  False: leadership was lost.  None: ask again."""
        return self.guard.reads.take(
            read,
            term=self.kernel.term if self.kernel.leads else 0,
            applied=self.kernel.applied,
            configuration=self.configuration,
        )

    def drop_read(self, read: int) -> None:
        """Nobody waits for it any more."""
        self.guard.reads.drop(read)

    # ---- snapshots --------------------------------------------------------------------------------

    def begin_snapshot(self) -> tuple[Head, Iterable[bytes]] | None:
        """Head and slices of the state as it is now; None if there is nothing new to keep."""
        index = self.kernel.applied
        if index <= self.transfers.index or self.log.term_at(index - 1) is None:
            return None
        configuration = self.log.membership.at(index)
        head = Head(FORMAT, self.log.entry(index - 1), self.log.entry(index), configuration)
        parts = iter(self._machine.snapshot())
        # Drawn at once, so that a generator has seen the state of this moment.
        first = list(itertools.islice(parts, 1))
        return head, itertools.chain(first, parts)

    def finish_snapshot(self, head: Head, keep_entries: int) -> None:
        """It is on disk: drop the log in front of it, but for some entries for those who lag."""
        if head.index <= self.transfers.index:
            return  # a later one was received meanwhile
        self.transfers.took(head)
        self.log.membership.rebase(head.index, head.configuration)
        # Two entries stay at least: pysyncobj looks at both ends of the log (D16).
        self.log.deleteEntriesTo(max(0, head.index - self.log.first_index - 1 - keep_entries))

    # ---- what the kernel asks -----------------------------------------------------------------------

    def apply(self, index: int, command: bytes) -> object:
        """Raises StateError alone, which ends the member.

        After any other exception pysyncobj would apply the entry again, forever (D14).
        """
        if command[0] != REGULAR:
            return b""
        try:
            return self._machine.apply(index, command[1:])
        except StateError:
            raise
        except Exception as error:
            log.exception("command failed to apply", extra={"index": index})
            return ApplyFailedError(f"the state machine failed at entry {index}: {error!r}")

    def may_campaign(self) -> bool:
        """See `Guard.may_campaign`."""
        return self.guard.may_campaign()

    def leads(self) -> None:
        """An election was won."""
        self._catch_up.reset()
        self.transfers.cancel_all()

    def may_change(self) -> bool:
        """One change of the voters at a time, and first an entry of our own term (D11).

        The latter is the correction of 2015 to single-server changes (Ongaro on raft-dev).
        """
        if "two-changes-at-once" in PLANTED:
            return True
        kernel = self.kernel
        if kernel.applied < kernel.first_own_index() and "change-before-noop" not in PLANTED:
            return False
        return kernel.applied >= self.log.membership.last_voter_change()

    def install(self) -> int:
        """A snapshot has come: log, configuration and state begin anew with it."""
        head, image = self.transfers.head, self.transfers.unsaved
        assert head is not None
        assert image is not None
        self.log.membership.rebase(head.index, head.configuration)
        self.log.clear()
        self.log.add(*head.previous)
        self.log.add(*head.last)
        self._machine.install(head.index, slices(image))
        return head.index

    # ---- invariants ---------------------------------------------------------------------------------

    def check(self) -> None:
        """What only a bug can break; for tests and the simulator."""
        kernel, entries = self.kernel, self.log.entries
        assert [entry[1] for entry in entries] == list(
            range(entries[0][1], entries[0][1] + len(entries))
        )
        assert kernel.applied <= kernel.commit <= self.log.last_index
        assert self.transfers.index <= kernel.applied
        others = [voter for voter in self.configuration.voters if voter != self.me]
        assert kernel.voters_but_me() == others
        assert kernel.term >= self.log.last_term
