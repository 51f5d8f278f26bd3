"""How far this node trusts itself (Lifeguard, §IV-A: local health).

A node whose probes fail, whose helpers do not even say no, or that has to refute suspicions, is
probably at fault itself: it gives everybody more time, and probes less often, until its probes
succeed again.
"""

from swarmd.ports import Seconds

#: Every time at most four times as long (memberlist: eight).  A node that is cut off gets there at
#: once, and has all the others still to find dead, one probe after the other.
WORST_SCORE = 3


class Awareness:
    """The score: 0 is healthy."""

    def __init__(self) -> None:
        #: 0 … WORST_SCORE
        self.score = 0

    def improve(self) -> None:
        """A probe succeeded."""
        self.score = max(0, self.score - 1)

    def worsen(self, by: int) -> None:
        """Something failed that points to this node."""
        self.score = min(WORST_SCORE, self.score + by)

    def scaled_s(self, duration_s: Seconds) -> Seconds:
        """A duration, as long as this node should make it now."""
        return duration_s * (self.score + 1)
