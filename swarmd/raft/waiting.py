"""Callers that wait for a member's turns: proposals and read barriers.

Nothing here awaits: the member resolves the futures in its turns.  A future that its caller gave up
is passed over.
"""

import asyncio
from collections import deque

from swarmd.errors import OutcomeUnknownError, SwarmError
from swarmd.raft.core import Core
from swarmd.raft.interface import (
    ChangeInProgressError,
    NotLeaderError,
    QueueFullError,
    RaftConfig,
)
from swarmd.raft.kernel import Done, Outcome
from swarmd.raft.membership import Change

Future = asyncio.Future[bytes]


def _fail(future: asyncio.Future[bytes] | asyncio.Future[int], error: SwarmError) -> None:
    if not future.done():
        future.set_exception(error)


class Proposals:
    """Commands that wait for the next turn, bounded, and those whose outcome is awaited."""

    def __init__(self, config: RaftConfig) -> None:
        self._config = config
        self._queue: deque[tuple[bytes | Change, Future]] = deque()
        self._queued_bytes = 0
        self._open: dict[Future, None] = {}

    def add(self, command: bytes | Change) -> Future:
        """Queue it.  Raises QueueFullError."""
        size = len(command) if isinstance(command, bytes) else 0
        config = self._config
        if len(self._queue) >= config.queued_proposals or self._queued_bytes >= config.queued_bytes:
            raise QueueFullError("too many commands wait for the raft log")
        future: Future = asyncio.get_running_loop().create_future()
        self._queue.append((command, future))
        self._queued_bytes += size
        return future

    def hand_over(self, core: Core) -> None:
        """All that wait go to the core, which appends them in its next tick, in one batch."""
        queue, self._queue, self._queued_bytes = self._queue, deque(), 0
        for command, future in queue:
            if future.done():
                continue
            done = self._answer(core, command, future)
            try:
                if isinstance(command, bytes):
                    core.propose(command, done)
                else:
                    core.change(command, done)
            except SwarmError as error:
                _fail(future, error)
            else:
                self._open[future] = None

    def _answer(self, core: Core, command: bytes | Change, future: Future) -> Done:
        def done(outcome: Outcome, result: object) -> None:
            self._open.pop(future, None)
            if outcome is Outcome.UNKNOWN:
                _fail(future, OutcomeUnknownError("the command's entry was lost sight of"))
            elif outcome is Outcome.REFUSED:
                _fail(future, _refusal(core, command))
            elif isinstance(result, SwarmError):
                _fail(future, result)
            elif not future.done():
                assert isinstance(result, bytes)
                future.set_result(result)

        return done

    def forget(self, future: Future) -> None:
        """Its caller gave up."""
        self._open.pop(future, None)

    def refuse_queued(self, error: SwarmError) -> None:
        """What was not handed over yet certainly never will be."""
        queue, self._queue, self._queued_bytes = self._queue, deque(), 0
        for _, future in queue:
            _fail(future, error)

    def close(self) -> None:
        """The member ends: nobody will learn what becomes of the rest."""
        self.refuse_queued(NotLeaderError(None))
        for future in list(self._open):
            _fail(future, OutcomeUnknownError("this raft member has stopped"))
        self._open.clear()


def _refusal(core: Core, command: bytes | Change) -> SwarmError:
    if isinstance(command, Change) and core.kernel.leads:
        return ChangeInProgressError("another membership change is not finished yet")
    return NotLeaderError(None if core.kernel.leads else core.kernel.leader)


class Barriers:
    """Reads that wait for a majority; all that ask in one turn share one round."""

    def __init__(self) -> None:
        self._new: list[asyncio.Future[int]] = []
        self._asked: dict[int, list[asyncio.Future[int]]] = {}

    def add(self) -> asyncio.Future[int]:
        """A future of the applied index."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._new.append(future)
        return future

    def turn(self, core: Core) -> None:
        """Ask for the new ones, answer those that are confirmed."""
        self._new = [future for future in self._new if not future.done()]
        if self._new:
            self._ask(core)
        for read, futures in list(self._asked.items()):
            if all(future.done() for future in futures):
                core.drop_read(read)
                del self._asked[read]
                continue
            ready = core.take_read(read)
            if ready is None:
                continue
            del self._asked[read]
            for future in futures:
                if not ready:
                    _fail(future, NotLeaderError(core.kernel.leader))
                elif not future.done():
                    future.set_result(core.kernel.applied)

    def _ask(self, core: Core) -> None:
        if not core.kernel.leads:
            for future in self._new:
                _fail(future, NotLeaderError(core.kernel.leader))
            self._new = []
            return
        read = core.start_read()
        if read is not None:  # else: our first entry is not committed yet, ask in the next turn
            self._asked[read], self._new = self._new, []

    def close(self) -> None:
        """The member ends."""
        for futures in [self._new, *self._asked.values()]:
            for future in futures:
                _fail(future, NotLeaderError(None))
        self._new, self._asked = [], {}
