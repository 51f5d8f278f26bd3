"""Clock and Random of one simulated process."""

from collections.abc import Sequence
from random import Random as Generator
from typing import TypeVar

from swarmd.ports import Seconds, Timestamp
from swarmd.sim.loop import SimLoop

T = TypeVar("T")

#: 2026-01-01: where wall clocks begin.
EPOCH: Timestamp = 1_767_225_600 * 10**9


class SimClock:
    """A host's clocks, which drift, and jump ahead when the host stalls."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        #: seconds of this clock per virtual second
        self._rate = 1.0
        #: what it showed when its rate was set last, and the virtual time then
        self._shown, self._since = 0.0, 0.0
        #: by how much somebody has set the wall clock
        self._set_by_s = 0.0

    def monotonic(self) -> Seconds:
        """Virtual seconds at this host's rate, and the seconds that it jumped."""
        return self._shown + (self._loop.now - self._since) * self._rate

    def wall(self) -> Timestamp:
        """EPOCH and what passed since, drift and jumps included, or as it was set."""
        return EPOCH + int((self.monotonic() + self._set_by_s) * 1e9)

    def drift(self, rate: float) -> None:
        """Go faster or slower from now on."""
        self._shown, self._since, self._rate = self.monotonic(), self._loop.now, rate

    def set_wall(self, by_s: Seconds) -> None:
        """A time server, or somebody with `date`, sets the wall clock: so far from what is right."""
        self._set_by_s = by_s

    def jump(self, by_s: Seconds) -> None:
        """Time passed in which nothing on this host was run; what came meanwhile lies there."""
        self._shown += by_s


class SimRandom:
    """A process's chance: its own stream, so that one process's draws do not move another's."""

    def __init__(self, seed: str) -> None:
        self._generator = Generator(seed)

    def uniform(self, low: float, high: float) -> float:
        """As `Random.uniform`."""
        return self._generator.uniform(low, high)

    def below(self, count: int) -> int:
        """As `Random.below`."""
        return self._generator.randrange(count)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """As `Random.shuffled`."""
        return self._generator.sample(items, len(items))

    def token(self, size_bytes: int) -> bytes:
        """As `Random.token`, but not unguessable."""
        return self._generator.randbytes(size_bytes)

    def rarely(self, name: str) -> bool:
        """Buggify: the product takes the rare path `name` now and then."""
        return self._generator.random() < 0.02 and bool(name)
