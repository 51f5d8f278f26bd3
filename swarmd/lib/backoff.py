"""Exponential back-off with jitter."""

from collections.abc import Callable


class Backoff:
    """Doubling delays, each drawn from the upper half, so that a herd spreads out."""

    def __init__(
        self, uniform: Callable[[float, float], float], *, first_s: float, most_s: float
    ) -> None:
        self._uniform = uniform
        #: the first and the longest delay
        self.first_s, self.most_s = first_s, most_s
        self._bound_s = first_s

    def next_s(self) -> float:
        """The delay to wait now; the next one is up to twice as long."""
        bound, self._bound_s = self._bound_s, min(self._bound_s * 2, self.most_s)
        return self._uniform(bound / 2, bound)

    def reset(self) -> None:
        """Begin again after a success."""
        self._bound_s = self.first_s
