"""Whether a learner has caught up (diss. §4.2.1).

Replication to a learner is cut into rounds: each round carries the log as it was at the round's
start.  A learner whose last round took less than an election timeout would, as a voter, not hold
the cluster up for longer than an election would.
"""

from swarmd.ports import Seconds
from swarmd.raft.interface import RaftID


class _Round:
    def __init__(self, target: int, began_at: Seconds) -> None:
        self.target, self.began_at = target, began_at
        self.is_quick = False


class CatchUp:
    """The rounds of every learner, while we lead."""

    def __init__(self, patience_s: Seconds) -> None:
        self._patience_s = patience_s
        self._rounds: dict[RaftID, _Round] = {}

    def reset(self) -> None:
        """A leadership began or ended."""
        self._rounds.clear()

    def observe(self, learner: RaftID, *, match: int, last: int, now: Seconds) -> None:
        """Called every turn with what the learner holds and what we hold."""
        current = self._rounds.get(learner)
        if current is None:
            self._rounds[learner] = _Round(last, now)
        elif match >= current.target:
            finished = _Round(last, now)
            finished.is_quick = now - current.began_at < self._patience_s
            self._rounds[learner] = finished
        elif now - current.began_at >= self._patience_s:
            current.is_quick = False

    def is_caught_up(self, learner: RaftID) -> bool:
        """Was its last round quick, and is the present one not overdue?"""
        current = self._rounds.get(learner)
        return current is not None and current.is_quick
