"""Cluster time: what deadlines in the store are compared with.

Cluster time is the time in the last entry applied plus this process's monotonic time since then.
It never goes backwards.  The leader slews it towards its wall clock, by at most one part in twenty,
so that a clock that jumps moves no deadline by more than that; after a full stop it begins at the
later of the wall clock and the last entry.
"""

from swarmd.ports import Seconds, Timestamp

#: How fast the leader moves cluster time towards its wall clock.
SLEW = 0.05
#: A wall clock further off than this is worth a warning.
FAR_OFF_NS = 5_000_000_000


class ClusterTime:
    """One process's idea of cluster time.  All `monotonic` arguments are on the same clock."""

    def __init__(self, wall: Timestamp, monotonic: Seconds) -> None:
        #: cluster time at `_since`
        self._time = wall
        self._since = monotonic
        #: nanoseconds from there to the wall clock, to be made up little by little
        self._offset = 0

    def now(self, monotonic: Seconds) -> Timestamp:
        """Cluster time.  A clock that is ahead goes slower for a while; none is set back."""
        elapsed = max(0, int((monotonic - self._since) * 1e9))
        step = int(elapsed * SLEW)
        return self._time + elapsed + max(-step, min(step, self._offset))

    def applied(self, time: Timestamp, monotonic: Seconds) -> None:
        """An entry of cluster time `time` was applied: we are at least there."""
        if time > self.now(monotonic):
            self._time, self._since, self._offset = time, monotonic, 0

    def slew(self, wall: Timestamp, monotonic: Seconds) -> Timestamp:
        """Let the leader's time move towards its wall clock; how far off that is, signed."""
        now = self.now(monotonic)
        self._time, self._since, self._offset = now, monotonic, wall - now
        return self._offset
