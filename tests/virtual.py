"""Tests in virtual time: a wait is a step of the clock (`swarmd.sim.loop`)."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from swarmd.ports import Seconds, Timestamp
from swarmd.sim.loop import SimLoop

P = ParamSpec("P")
T = TypeVar("T")

#: Nothing that a test tells takes longer.
_LONGEST_S = 3600.0


def told(story: Coroutine[Any, Any, T], *, seed: int = 1) -> T:
    """What a story comes to; each seed is another order of what is ready at the same moment.

    What the story leaves running is cancelled.
    """

    async def bounded() -> T:
        async with asyncio.timeout(_LONGEST_S):
            return await story

    with asyncio.Runner(loop_factory=lambda: SimLoop(seed)) as runner:
        return runner.run(bounded())


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a story."""

    @functools.wraps(test)
    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        told(test(*args, **kwargs))

    return tell


async def until(fact: Callable[[], object], within_s: Seconds = 60.0) -> None:
    """Virtual time passes until something is so."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 - any fact of the world, and time is virtual
            await asyncio.sleep(0.01)


class LoopClock:
    """`ports.Clock` of the loop that runs; the wall clock can be set by `offset`."""

    def __init__(self, offset: Timestamp = 0) -> None:
        self.offset = offset

    def monotonic(self) -> Seconds:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> Timestamp:
        """It was `offset` when the loop's time was 0."""
        return self.offset + int(self.monotonic() * 1e9)
