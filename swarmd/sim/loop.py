"""An asyncio loop in virtual time, whose every choice comes from a seed.

The selector never waits: it moves the clock to the next timer.  Ready callbacks are shuffled by the
seed, so that each seed is another interleaving; tasks and futures hash to their sequence number, so
that sets of them iterate alike in every process.  Nothing scheduled and nothing ready is a deadlock
and raises.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine, Generator, Mapping
from contextvars import Context
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

#: Knuth's multiplicative hash, in 60 bits.
_SPREAD, _WORD = 0x9E3779B97F4A7C15, (1 << 60) - 1


class DeadlockError(RuntimeError):
    """Everybody waits, and nobody will ever wake."""


class _Task(asyncio.Task[T]):
    """A task that hashes alike in every run of a seed."""

    def __init__(self, sequence: int, coro: Any, **more: Any) -> None:
        # Before asyncio puts it into its set of all tasks: one hash for all makes that a list.
        self.sequence = sequence
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        # Spread: sets of consecutive numbers, with gaps where tasks ended, become long runs.
        return self.sequence * _SPREAD & _WORD

    def __eq__(self, other: object) -> bool:
        return self is other


class _Future(asyncio.Future[T]):
    """A future that hashes alike in every run of a seed."""

    sequence = 0

    def __hash__(self) -> int:
        # Spread: sets of consecutive numbers, with gaps where tasks ended, become long runs.
        return self.sequence * _SPREAD & _WORD

    def __eq__(self, other: object) -> bool:
        return self is other


class _NeverWaits(selectors.BaseSelector):
    """Instead of waiting, virtual time passes."""

    def __init__(self) -> None:
        self.loop: SimLoop | None = None
        self._map: dict[Any, selectors.SelectorKey] = {}

    def register(self, *_: Any) -> selectors.SelectorKey:
        """Not to be called."""
        raise RuntimeError("the simulation has no file descriptors")

    def unregister(self, *_: Any) -> selectors.SelectorKey:
        """Not to be called."""
        raise RuntimeError("the simulation has no file descriptors")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass until the next timer."""
        if timeout is None:
            raise DeadlockError("nothing is scheduled: everybody waits for ever")
        if timeout > 0:
            assert self.loop is not None
            self.loop.now += timeout
        return []

    def close(self) -> None:
        """Nothing to close."""

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Always empty."""
        return self._map


class SimLoop(asyncio.SelectorEventLoop):
    """One loop for all simulated processes."""

    #: BaseEventLoop's callbacks that are due
    _ready: "deque[asyncio.Handle]"

    def __init__(self, seed: int) -> None:
        #: virtual seconds since the beginning
        self.now = 0.0
        #: callbacks run so far
        self.steps = 0
        self._chance = Random(f"loop {seed}")
        self._sequence = 0
        selector = _NeverWaits()
        super().__init__(selector)
        selector.loop = self
        self.set_task_factory(self._new_task)
        self.set_exception_handler(self._unhandled)
        #: exceptions that nobody retrieved: bugs
        self.unhandled: list[BaseException] = []

    def time(self) -> float:
        """Virtual seconds."""
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        """A future with a stable hash."""
        future: _Future[Any] = _Future(loop=self)
        self._sequence += 1
        future.sequence = self._sequence
        return future

    def _new_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        context: Context | None = None,
        **_: Any,
    ) -> asyncio.Task[T]:
        self._sequence += 1
        return _Task(self._sequence, coro, loop=loop, context=context)

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.unhandled.append(error or RuntimeError(str(context.get("message"))))

    def _run_once(self) -> None:
        ready = self._ready
        if len(ready) > 1:
            batch = list(ready)
            self._chance.shuffle(batch)
            ready.clear()
            ready.extend(batch)
        self.steps += len(ready)
        super()._run_once()  # type: ignore[misc]  # the turn of BaseEventLoop

    # No self-pipe: nothing outside the simulation may wake it.

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        """There is none."""

    def _write_to_self(self) -> None:
        """Threads would do this; there are none."""

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]  # whatever it is given
        """Threads exist only behind ports, and the simulated ports have none."""
        raise RuntimeError("a thread in the simulation")
