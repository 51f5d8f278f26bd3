"""What was made of immutable objects, kept for the next who asks."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A pure function that is asked about the same few objects again and again.

    Objects are told apart by identity: records are shared, never changed and dear to compare.  An
    object is held as long as its result is, so nobody else can get its place in memory meanwhile.
    """

    def __init__(self, make: Callable[[K], V], size: int) -> None:
        self._make, self._size = make, size
        #: by id of the object, the one that was made first in front
        self._known: dict[int, tuple[K, V]] = {}

    def __call__(self, value: K) -> V:
        """What `make` makes of it."""
        known = self._known.get(id(value))
        if known is None:
            known = value, self._make(value)
            if len(self._known) >= self._size:
                del self._known[next(iter(self._known))]
            self._known[id(value)] = known
        return known[1]
