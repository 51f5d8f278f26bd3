"""One member: the loop that does what the core wants, and the calls of `interface.Raft`.

The turn is the whole contract between core and disk:

    1  hand the core what has arrived       (first, so that heartbeats that waited during a stall count)
    2  tick: elect, commit, apply, append what was proposed
    3  send appends                         (they may leave before our own sync)
    4  write the journal, one sync          (off the loop: the daemon goes on)
    5  send everything else                 (acknowledgements and votes: promises)

Our own entries are counted in the next turn's step 2, so after their sync.  Nothing but this loop
touches the core between 2 and 5: what arrives meanwhile waits.  What arrives during a sync is the
next batch, so commits are grouped without a timer.

A disk that is full stops the turns where they are: nothing is acknowledged, voted or led, the others
elect another leader, and each second the same batch is tried again.  A disk that hangs does so too,
and who asks is told at once that we lead no more: agents must not stay with a leader that has been
replaced.  A disk that fails otherwise ends the member.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

import msgspec

from swarmd.errors import NoQuorumError, OutcomeUnknownError, SwarmError, UnavailableError
from swarmd.ports import Clock, Connection, Disk, Random, Seconds
from swarmd.raft.core import Core
from swarmd.raft.interface import (
    DiskFullError,
    MemberStatus,
    NotLeaderError,
    RaftConfig,
    RaftID,
    StateMachine,
    Status,
    TooLargeError,
)
from swarmd.raft.journalfile import NoSpaceError
from swarmd.raft.links import Dial, Dialler, Links, to_dial
from swarmd.raft.membership import Change, Configuration
from swarmd.raft.records import Batch
from swarmd.raft.seal import Sealer
from swarmd.raft.snapshotter import Snapshotter
from swarmd.raft.storage import Storage
from swarmd.raft.waiting import Barriers, Proposals

log = logging.getLogger(__name__)

#: A full disk is tried again so often; an empty batch follows the last one after as long.
_DISK_S: Seconds = 1.0
#: Looks at the turn within the longest election.
_LOOKS = 4
_NO_ROOM = "no space left for the raft journal"


class RaftPorts(msgspec.Struct, frozen=True, kw_only=True):
    """The world of one member."""

    clock: Clock
    random: Random
    #: its `raft/` belongs to the member
    disk: Disk
    sealer: Sealer
    dial: Dial


class Member:
    """A member on a disk that `identity.bootstrap` or `identity.join` prepared; see `interface.Raft`."""

    def __init__(
        self, me: RaftID, ports: RaftPorts, machine: StateMachine, config: RaftConfig
    ) -> None:
        self._me, self._ports, self._machine, self._config = me, ports, machine, config
        self._awake = asyncio.Event()
        self._links = Links(config, self._awake.set)
        self._storage = Storage(ports.disk, ports.sealer, ports.random, config)
        self._proposals, self._barriers = Proposals(config), Barriers()
        #: None until `run` has read the disk, and again when it has ended
        self._core: Core | None = None
        self._snapshotter: Snapshotter | None = None
        #: who asked to be told of changes
        self._subscribers: dict[int, Callable[[], None]] = {}
        self._subscribed_count = 0
        #: a batch waits for room on the disk
        self._is_full = False
        #: a turn has lasted for so long that others may lead by now
        self._is_hung = False
        self._turn_count = 0
        #: whom leadership is handed to, and when it was last asked
        self._successor: RaftID | None = None
        self._asked_at: Seconds = 0.0
        self._written_at: Seconds = 0.0
        self._looked_at_disk: Seconds = 0.0

    # ---- the loop ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled.

        Raises CorruptError, JournalError or ContradictionError, after which this member must not run
        again before somebody has looked (JournalError: before a restart of the process).
        """
        failure: SwarmError | None = None
        try:
            core = await self._start()
            async with asyncio.TaskGroup() as group:
                dialler = Dialler(
                    self._links,
                    self._ports.dial,
                    self._to_dial,
                    self._config,
                    self._ports.random,
                )
                helpers = [group.create_task(dialler.run(group))]
                helpers.append(group.create_task(cast(Snapshotter, self._snapshotter).run()))
                helpers.append(group.create_task(self._watch(core)))
                try:
                    await self._turns(core)
                except SwarmError as error:
                    failure = error
                for helper in helpers:
                    helper.cancel()
        finally:
            self._core = None
            self._links.close()
            self._proposals.close()
            self._barriers.close()
            await self._storage.close()
        if failure is not None:
            raise failure

    async def _start(self) -> Core:
        log_, stored = await self._storage.open()
        head = stored.head if stored else None
        uniform = self._ports.random.uniform
        core = Core(self._me, log_, head, self._machine, self._config, uniform)
        core.guard.unsent_bytes = self._links.unsent_bytes
        core.start(self._ports.clock.monotonic(), stored.image if stored else None)
        self._snapshotter = Snapshotter(
            core, self._storage, self._ports.disk, self._config, self._awake.set
        )
        self._core = core
        log.info(
            "raft member started",
            extra={"raft_id": self._me, "term": core.kernel.term, "last": core.log.last_index},
        )
        return core

    async def _turns(self, core: Core) -> None:
        while True:
            before = self._told(core)
            await self._turn(core)
            if self._told(core) != before:
                self._tell()
            if not self._awake.is_set():
                try:
                    async with asyncio.timeout(self._config.turn_s):
                        await self._awake.wait()
                except TimeoutError:
                    pass  # a turn is due without news too: heartbeats, elections
            self._awake.clear()

    @staticmethod
    def _told(core: Core) -> tuple[RaftID | None, bool, int, int, Configuration]:
        """What subscribers are told of when it changes."""
        kernel = core.kernel
        return kernel.leader, kernel.leads, kernel.term, kernel.applied, core.configuration

    def _tell(self) -> None:
        for callback in list(self._subscribers.values()):
            callback()

    async def _watch(self, core: Core) -> None:
        """Notice a turn that hangs, by looks: a process that was stopped looked once only."""
        seen = looks = 0
        while True:
            await asyncio.sleep(self._config.election_max_s / _LOOKS)
            looks = looks + 1 if self._turn_count == seen else 0
            seen = self._turn_count
            is_hung = looks > _LOOKS and len(core.configuration.voters) > 1
            if is_hung is not self._is_hung:
                self._is_hung = is_hung
                log.warning("raft disk hangs" if is_hung else "raft disk goes on")
                self._tell()

    @property
    def _is_stuck(self) -> bool:
        return self._is_full or self._is_hung

    async def _turn(self, core: Core) -> None:
        self._turn_count += 1
        now = self._ports.clock.monotonic()
        cast(Snapshotter, self._snapshotter).turn(now)
        self._links.deliver(core, now)
        if self._storage.journal.is_short:
            self._make_way(core, now)
        self._proposals.hand_over(core)
        core.tick(now)
        self._hand_over(core, now)
        self._barriers.turn(core)
        self._links.send(core.take_early())
        await self._save(core, now)
        self._links.send(core.take_late())
        self._barriers.turn(core)

    async def _save(self, core: Core, now: Seconds) -> None:
        image, journal = core.transfers.take_unsaved(), self._storage.journal
        is_due = not journal.is_confirmed and now - self._written_at >= _DISK_S
        if core.log.is_dirty or image is not None or is_due:
            await self._write(core.log.take(), image)
            self._written_at = now
            if core.kernel.leads:
                self._awake.set()  # our own entries may be committed by now
        core.transfers.saved()
        if journal.is_short and now - self._looked_at_disk >= _DISK_S:
            self._looked_at_disk = now
            await self._storage.retry_reserve()

    async def _write(self, batch: Batch, image: bytes | None) -> None:
        while True:
            try:
                await self._storage.save(batch, image)
            except NoSpaceError:
                if not self._is_full:
                    log.error("raft disk is full", extra={"retry_s": _DISK_S})  # noqa: TRY400
                    self._is_full = True
                    self._tell()
                self._proposals.refuse_queued(DiskFullError(_NO_ROOM))
                await asyncio.sleep(_DISK_S)
            else:
                self._is_full = False
                return

    # ---- leadership -------------------------------------------------------------------------------

    def _make_way(self, core: Core, now: Seconds) -> None:
        """The disk is nearly full: whoever has room should lead."""
        self._proposals.refuse_queued(DiskFullError(_NO_ROOM))
        if core.kernel.leads and now - self._looked_at_disk >= _DISK_S:
            try:
                core.hand_over(core.successor(None))
            except SwarmError:
                log.debug("nobody else can lead, though the disk is nearly full")

    def _hand_over(self, core: Core, now: Seconds) -> None:
        if self._successor is None or not core.kernel.leads:
            return
        if now - self._asked_at >= self._config.election_min_s and core.hand_over(self._successor):
            self._asked_at = now

    def _to_dial(self) -> list[RaftID]:
        core = self._core
        if core is None:
            return []
        return to_dial(self._me, core.configuration, leads=core.kernel.leads)

    def configure(self, *, snapshot_interval: int, keep_entries: int, old_snapshots: int) -> None:
        """Other settings of `RaftConfig` from the next turn on; those of a member may differ."""
        self._config = msgspec.structs.replace(
            self._config,
            snapshot_interval=snapshot_interval,
            keep_entries=keep_entries,
            old_snapshots=old_snapshots,
        )
        if self._snapshotter is not None:
            self._snapshotter.config = self._config

    # ---- interface.Raft -----------------------------------------------------------------------------

    async def propose(self, command: bytes) -> bytes:
        """See `interface.Raft`.  All that is proposed in one turn is one append and one sync."""
        most = self._config.max_command_bytes
        if len(command) > most:
            raise TooLargeError(f"a command of {len(command)} bytes; the most is {most}")
        return await self._submit(command)

    async def _submit(self, command: bytes | Change) -> bytes:
        core = self._leading()
        if self._is_full or self._storage.journal.is_short:
            raise DiskFullError(_NO_ROOM)
        if self._successor is not None:
            raise NotLeaderError(None)
        future = self._proposals.add(command)
        self._awake.set()
        try:
            async with asyncio.timeout(self._config.proposal_s):
                return await future
        except TimeoutError as error:
            self._proposals.forget(future)
            raise OutcomeUnknownError(
                f"no majority confirmed the command in time (term {core.kernel.term})"
            ) from error

    def _leading(self) -> Core:
        core = self._core
        if core is None or self._is_hung or not core.kernel.leads:
            raise NotLeaderError(self.leader)
        return core

    async def barrier(self) -> int:
        """See `interface.Raft`."""
        self._leading()
        future = self._barriers.add()
        self._awake.set()
        try:
            async with asyncio.timeout(2 * self._config.election_max_s):
                return await future
        except TimeoutError as error:
            raise NoQuorumError("no majority of raft members answers") from error

    async def add_learner(self, member: RaftID) -> None:
        """See `interface.Raft`.  Nothing is done if it is a member already."""
        configuration = self._leading().configuration
        if member not in configuration.voters + configuration.learners:
            await self._submit(Change("learn", member))

    async def promote(self, member: RaftID) -> None:
        """See `interface.Raft`.  Nothing is done if it is a voter already."""
        if member not in self._leading().configuration.voters:
            await self._submit(Change("add", member))

    async def remove(self, member: RaftID) -> None:
        """See `interface.Raft`.  Nothing is done if it is no member."""
        configuration = self._leading().configuration
        if member in configuration.learners:
            await self._submit(Change("forget", member))
        elif member in configuration.voters:
            await self._submit(Change("rem", member))

    async def transfer(self, to: RaftID | None = None) -> None:
        """See `interface.Raft`."""
        core = self._leading()
        self._successor, self._asked_at = core.successor(to), float("-inf")
        self._awake.set()
        lost = asyncio.Event()
        end = self.subscribe(lambda: None if core.kernel.leads else lost.set())
        try:
            async with asyncio.timeout(3 * self._config.election_max_s):
                await lost.wait()
        except TimeoutError as error:
            raise UnavailableError(f"{self._successor} did not take over") from error
        finally:
            end()
            self._successor = None

    @property
    def leader(self) -> RaftID | None:
        """Who leads, as far as is known here; as in `status`, for those who ask often."""
        core = self._core
        return None if core is None or self._is_stuck else core.kernel.leader

    def check_room(self) -> None:
        """Raise DiskFullError if this member takes no part because its disk is full."""
        if self._is_full:
            raise DiskFullError(_NO_ROOM)

    def leading_term(self) -> int | None:
        """The term in which this member leads, or None; as in `status`."""
        core = self._core
        if core is None or self._is_stuck or not core.kernel.leads:
            return None
        return core.kernel.term

    def status(self) -> Status:
        """See `interface.Raft`.  Zeros while the member does not run."""
        core = self._core
        if core is None:
            return Status(
                id=self._me,
                leader=None,
                is_leader=False,
                is_voter=False,
                term=0,
                commit=0,
                applied=0,
                last_index=0,
                snapshot_index=0,
                members=(),
            )
        kernel, configuration = core.kernel, core.configuration
        return Status(
            id=self._me,
            leader=None if self._is_stuck else kernel.leader,
            is_leader=kernel.leads and not self._is_stuck,
            is_voter=self._me in configuration.voters,
            term=kernel.term,
            commit=kernel.commit,
            applied=kernel.applied,
            last_index=core.log.last_index,
            snapshot_index=core.transfers.index,
            members=tuple(
                self._member_status(core, member)
                for member in sorted(configuration.voters + configuration.learners)
            ),
        )

    def _member_status(self, core: Core, member: RaftID) -> MemberStatus:
        is_me = member == self._me
        match = core.kernel.match_index(member) if core.kernel.leads else 0
        return MemberStatus(
            id=member,
            is_voter=member in core.configuration.voters,
            is_connected=is_me or self._links.is_up(member),
            match_index=core.log.last_index if is_me else match,
        )

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See `interface.Raft`."""
        self._subscribed_count += 1
        number = self._subscribed_count
        self._subscribers[number] = callback

        def end() -> None:
            self._subscribers.pop(number, None)

        return end

    async def attach(self, member: RaftID, connection: Connection) -> None:
        """See `interface.Raft`.  The connection is closed when this returns."""
        await self._links.serve(member, connection)
