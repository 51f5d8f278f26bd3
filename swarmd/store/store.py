"""The store: the replicated records of this manager, and the loop through which the leader writes.

It is the state machine under Raft (`apply`, `snapshot`, `install`) and the only caller of the
sequencer.  Readers take a view; whoever must follow changes subscribes.  One batch is in flight at
a time: what arrives meanwhile is decided together as the next one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from swarmd.errors import (
    InvalidArgumentError,
    NoLeaderError,
    OutcomeUnknownError,
    StateError,
    SwarmError,
    WireError,
)
from swarmd.model.ids import Version
from swarmd.ports import Clock, Timestamp
from swarmd.store.apply import Touched, apply, restore, snapshot, touches
from swarmd.store.clock import FAR_OFF_NS, ClusterTime
from swarmd.store.entry import ARRAY_HEAD_BYTES, Entry, Kind, decode, encode, joined
from swarmd.store.sequencer import Decided, Write, sequence
from swarmd.store.view import Tables, View

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Writes decided together, and waiting at the most.
BATCH_WRITES = 256
QUEUE_WRITES = 4096
#: Bytes of one proposal, but for one write that is larger by itself.
PROPOSAL_BYTES = 1 << 20
#: The most that one write may be (raft.interface.RaftConfig.max_command_bytes, and its envelope).
MOST_BYTES = 3 << 19
#: A write that got no answer within this is of unknown outcome.
WRITE_TIMEOUT_S = 20.0

#: Told after each batch what it touched; None = everything may have changed.
Watcher = Callable[[Sequence[Touched] | None], None]


class _UnfitError(InvalidArgumentError):
    """A write that no log entry can hold; nothing of its batch was proposed."""


class _UndecidedError(SwarmError):
    """A write whose decision failed by a bug; nothing of its batch was proposed."""


class Log(Protocol):
    """What the store needs of Raft."""

    async def propose(self, command: bytes) -> bytes:
        """The result of `Store.apply`, once applied here.  Raises NoLeaderError, OutcomeUnknownError."""
        ...

    async def barrier(self) -> int:
        """Returns when everything acknowledged before is applied here.  Raises NoLeaderError."""
        ...

    def leading_term(self) -> int | None:
        """The term in which this member leads, or None."""
        ...


class Store:
    """The records; a Raft state machine."""

    def __init__(self, clock: Clock, node_id: str) -> None:
        self._clock = clock
        self._node_id = node_id
        self._tables = Tables()
        self._view: View | None = None
        self.time = ClusterTime(clock.wall(), clock.monotonic())
        #: batches proposed here: what is applied are the very records, not decoded copies
        self._proposed: dict[bytes, tuple[Entry, ...]] = {}
        self._watchers: list[Watcher] = []
        self._applied = asyncio.Condition()
        self._queue: asyncio.Queue[tuple[Write, asyncio.Future[Version]]] = asyncio.Queue(
            QUEUE_WRITES
        )
        #: the term in which a barrier has passed since the last unknown outcome
        self._ready_term: int | None = None
        self._notifying: asyncio.Event = asyncio.Event()

    # ---- reading

    def view(self) -> View:
        """The committed records as of now."""
        if self._view is None:
            self._view = self._tables.view()
        return self._view

    def now(self) -> Timestamp:
        """Cluster time."""
        return self.time.now(self._clock.monotonic())

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` after each batch, inside the step that applied it; returns the way out."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    @contextlib.contextmanager
    def ringing(self, kind: Kind, ring: Callable[[], None]) -> Iterator[None]:
        """While inside, call `ring` after each batch that touched an object of that kind."""

        def heard(touched: Sequence[Touched] | None) -> None:
            if touches(touched, kind):
                ring()

        end = self.watch(heard)
        try:
            yield
        finally:
            end()

    async def wait_for(self, index: Version) -> None:
        """Returns when the entry at `index` is applied here."""
        async with self._applied:
            await self._applied.wait_for(lambda: self._tables.index >= index)

    # ---- the state machine

    def apply(self, index: int, command: bytes) -> bytes:
        """Apply a batch of entries.  Deterministic; the result is the index.

        Raises StateError for a batch that this version cannot read: to go on without it would be
        another state than the others'.
        """
        batch = self._proposed.pop(command, None) or _readable(lambda: decode(command))
        self._view = None
        touched: list[Touched] = []
        for entry in batch:
            touched.extend(apply(self._tables, Version(index), entry))
            self.time.applied(entry.time, self._clock.monotonic())
        self._notify(touched)
        return index.to_bytes(8, "big")

    def snapshot(self) -> Iterator[bytes]:
        """The records at this moment, encoded slice by slice when asked for."""
        return snapshot(self.view())

    def install(self, index: int, chunks: Iterable[bytes]) -> None:
        """Replace everything by a snapshot.  Raises StateError if this version cannot read it."""
        self._tables = _readable(lambda: restore(chunks))
        assert self._tables.index <= index, (self._tables.index, index)
        self._view = None
        self.time.applied(self._tables.time, self._clock.monotonic())
        self._notify(None)

    def _notify(self, touched: Sequence[Touched] | None) -> None:
        for watcher in self._watchers:
            watcher(touched)
        self._notifying.set()

    # ---- writing

    async def write(self, write: Write) -> Version:
        """Decide a write on the leader and commit it; the index whose state shows it.

        Raises what `decide` raised, InvalidArgumentError (too large), NoLeaderError (not written),
        OutcomeUnknownError (retry with the same request id).
        """
        future: asyncio.Future[Version] = asyncio.get_running_loop().create_future()
        await self._queue.put((write, future))
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                return await future
        except TimeoutError:
            raise OutcomeUnknownError("the write was not confirmed in time") from None

    async def run(self, raft: Log) -> None:
        """Decide and commit, batch by batch; wake those who wait for an index."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._wake_waiters())
                while True:
                    await self._commit(raft, [await self._queue.get()])
        finally:
            while not self._queue.empty():
                _refuse([self._queue.get_nowait()], NoLeaderError())

    async def _wake_waiters(self) -> None:
        """`apply` cannot await the condition itself."""
        while True:
            await self._notifying.wait()
            self._notifying.clear()
            async with self._applied:
                self._applied.notify_all()

    async def _commit(self, raft: Log, batch: list[tuple[Write, asyncio.Future[Version]]]) -> None:
        try:
            await self._be_ready(raft)
            self._fill(batch)
            try:
                await self._propose(raft, batch)
            except (_UnfitError, _UndecidedError):
                # What was decided after it may build on it: each by itself, and only it is refused.
                await self._propose_each(raft, batch)
        except SwarmError as error:
            if isinstance(error, OutcomeUnknownError):
                self._ready_term = None
            _refuse(batch, error)
        except asyncio.CancelledError:
            # Not the callers' cancellation: they are told, and ask another manager.
            _refuse(batch, OutcomeUnknownError("this manager has stopped"))
            raise

    async def _be_ready(self, raft: Log) -> None:
        """Everything that earlier leaders acknowledged is applied here; else plans would miss it."""
        term = raft.leading_term()
        if term is None:
            raise NoLeaderError
        if term != self._ready_term:
            await raft.barrier()
            if raft.leading_term() != term:
                raise NoLeaderError
            self._ready_term = term

    def _fill(self, batch: list[tuple[Write, asyncio.Future[Version]]]) -> None:
        """Add what waits; a request that is in the batch already stays for the next."""
        ids = {write.request_id for write, _ in batch}
        later = []
        while len(batch) < BATCH_WRITES and not self._queue.empty():
            write, future = self._queue.get_nowait()
            if future.done():
                continue
            if write.request_id and write.request_id in ids:
                later.append((write, future))
            else:
                ids.add(write.request_id)
                batch.append((write, future))
        for item in later:
            self._queue.put_nowait(item)

    async def _propose(self, raft: Log, batch: list[tuple[Write, asyncio.Future[Version]]]) -> None:
        offset = self.time.slew(self._clock.wall(), self._clock.monotonic())
        if abs(offset) > FAR_OFF_NS:
            log.warning("wall clock far from cluster time", extra={"offset_s": offset / 1e9})
        # Strictly later than any entry before, so that the order of records is that of their times.
        now = max(self.now(), self._tables.time + 1)
        writes = [write for write, _ in batch]
        try:
            decided = sequence(self._tables, writes, proposer=self._node_id, now=now)
        except Exception as error:
            raise _UndecidedError("internal error in the decision of a write") from error
        parts = _parts(decided)
        waiting = (future for _, future in batch)
        # A part that is in the log is answered for, whatever becomes of the next: if that fails, its
        # writes may be told "not written", those before it may not.
        for part, command in parts:
            index = await self._propose_part(raft, part, command)
            for one in part:
                if not (future := next(waiting)).done():
                    _settle(future, one, index)

    async def _propose_each(
        self, raft: Log, batch: list[tuple[Write, asyncio.Future[Version]]]
    ) -> None:
        for write, future in batch:
            try:
                await self._propose(raft, [(write, future)])
            except _UnfitError as error:
                _refuse([(write, future)], error)
            except _UndecidedError as error:
                log.exception("write not decided", extra={"principal": write.principal})
                _refuse([(write, future)], error)

    async def _propose_part(self, raft: Log, part: list[Decided], command: bytes) -> Version:
        if not command:
            return self._tables.index
        self._proposed = {command: tuple(one.entry for one in part if one.entry is not None)}
        return Version(int.from_bytes(await raft.propose(command), "big"))


def _readable(read: Callable[[], T]) -> T:
    try:
        return read()
    except WireError as error:
        raise StateError(str(error)) from error


def _refuse(batch: Iterable[tuple[Write, asyncio.Future[Version]]], error: SwarmError) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # the caller may have gone


def _settle(future: asyncio.Future[Version], decided: Decided, index: Version) -> None:
    if decided.refused is not None:
        future.set_exception(decided.refused)
        future.exception()  # the caller may have gone
    else:
        future.set_result(index if decided.done is None else decided.done)


def _parts(decided: list[Decided]) -> list[tuple[list[Decided], bytes]]:
    """What is decided, in parts that fit into the log, each with its command (empty: no entries).

    What needs no entry, and what was refused, was decided in sight of the entries before it, and
    stays behind them.  Raises _UnfitError.
    """
    parts: list[tuple[list[Decided], bytes]] = []
    part: list[Decided] = []
    encoded: list[bytes] = []
    size = ARRAY_HEAD_BYTES
    for one in decided:
        entry = b"" if one.entry is None else _encoded(one.entry)
        if encoded and size + len(entry) > PROPOSAL_BYTES:
            parts.append((part, joined(encoded)))
            part, encoded, size = [], [], ARRAY_HEAD_BYTES
        part.append(one)
        if entry:
            encoded.append(entry)
            size += len(entry)
    return [*parts, (part, joined(encoded) if encoded else b"")]


def _encoded(entry: Entry) -> bytes:
    """Raises _UnfitError."""
    try:
        data = encode(entry)
    except OverflowError as error:
        raise _UnfitError("the request holds a number that does not fit into 64 bits") from error
    if len(data) + ARRAY_HEAD_BYTES > MOST_BYTES:
        raise _UnfitError(
            f"the request is too large: it takes {len(data)} bytes of the swarm's log, which takes "
            f"{MOST_BYTES} at a time"
        )
    return data
