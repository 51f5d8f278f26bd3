"""Ways to wait that the agent's loops share: the first of several to end, a steady clock."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import TypeVar

from swarmd.ports import Clock, Seconds, Timestamp

T = TypeVar("T")

_NANO = 1_000_000_000


class SteadyClock:
    """Wall-clock time as of the start, carried on by the monotonic clock.

    It neither jumps nor runs back while the process lives, so deadlines hold; and what was written
    by the process before can be compared with it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.wall() - int(clock.monotonic() * _NANO)

    def now(self) -> Timestamp:
        """Nanoseconds since 1970."""
        return self._offset + int(self._clock.monotonic() * _NANO)

    def until(self, at: Timestamp | None) -> Seconds | None:
        """Seconds from now; None for never."""
        return None if at is None else max(0, at - self.now()) / _NANO


async def first_end(
    *runs: Coroutine[None, None, None], expected: tuple[type[Exception], ...]
) -> Exception | None:
    """Run all until one returns, or fails in a way that is expected; the others are cancelled.

    Returns that failure.  Others pass through, in the group that TaskGroup makes of them.
    """
    ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    async def watched(run: Coroutine[None, None, None]) -> None:
        failure: Exception | None = None
        try:
            await run
        except expected as error:
            failure = error
        if not ended.done():
            ended.set_result(failure)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watched(run)) for run in runs]
        try:
            return await ended
        finally:
            for task in tasks:
                task.cancel()


@contextlib.asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Leave a stream before its end without waiting for the garbage collector."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
