"""The Clock and Random ports of production.  The one place where time and chance are read."""

import secrets
import time
from collections.abc import Sequence
from typing import TypeVar

from swarmd.ports import Seconds, Timestamp

T = TypeVar("T")


class SystemClock:
    """This machine's clocks."""

    def monotonic(self) -> Seconds:
        """CLOCK_MONOTONIC: stands still while the machine sleeps."""
        return time.monotonic()  # noqa: TID251 - this is the port

    def wall(self) -> Timestamp:
        """Nanoseconds since 1970."""
        return time.time_ns()


class SystemRandom:
    """The kernel's randomness."""

    def __init__(self) -> None:
        self._source = secrets.SystemRandom()

    def uniform(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        return low + (high - low) * self._source.random()

    def below(self, count: int) -> int:
        """An integer in [0, count)."""
        return secrets.randbelow(count)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list, in a random order."""
        return self._source.sample(items, len(items))

    def token(self, size_bytes: int) -> bytes:
        """Unguessable bytes."""
        return secrets.token_bytes(size_bytes)

    def rarely(self, name: str) -> bool:  # noqa: ARG002 - the name is the simulator's
        """Never: rare paths are taken on purpose in the simulator only."""
        return False
