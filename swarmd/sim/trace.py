"""What happened in a run, as a digest: frames delivered, acts of engines, entries applied, faults.

Two runs of a seed have the same digest or one of them was moved by something that is no port: the
order of a set, an address in memory, a real clock.
"""

import hashlib
from collections.abc import Callable

from swarmd.ports import Seconds


class Trace:
    """Takes what happens, in order, with its time."""

    def __init__(self, now: Callable[[], Seconds]) -> None:
        self._now = now
        self._digest = hashlib.sha256()
        #: told of everything; for whoever looks for the cause of a violation
        self.listener: Callable[[Seconds, tuple[object, ...]], None] | None = None

    def __call__(self, *parts: object) -> None:
        """Something happened: what, where, with what; strings, numbers and bytes only."""
        now = self._now()
        self._digest.update(repr((round(now, 6), *parts)).encode())
        if self.listener is not None:
            self.listener(now, parts)

    @property
    def digest(self) -> str:
        """Of everything so far, in hex."""
        return self._digest.hexdigest()
