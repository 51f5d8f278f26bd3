"""Time that stands still while this process does.

A process that was stopped, swapped out or blocked must not declare others dead on waking: their
answers lie unread in its socket.  So deadlines are kept in the process's *own* time.  If it is run
later than it asked to be, the delay did not happen in own time, and every deadline moves by it; and
before anything is judged there is a breath in which to read what has arrived.
"""

from swarmd.ports import Seconds

#: A loop that is late by less is merely busy.
TOLERANCE_S: Seconds = 0.05
#: Time to read the input after a stall.
BREATH_S: Seconds = 0.1


#: Stalls in a row that get a breath.  A process that is always late must still do something.
MOST_BREATHS = 3

_ROUNDING_S: Seconds = 1e-6


class Patience:
    """Own time, from the clock's."""

    def __init__(self) -> None:
        #: how much of the clock's time did not happen
        self._lost_s: Seconds = 0.0
        #: breaths since the last run on time
        self._breaths = 0

    def own(self, now: Seconds, due: Seconds) -> Seconds:
        """Own time at `now`, when the earliest deadline was `due` (own time).

        At most `due`, if `now` is late; less by a breath if there is one.
        """
        late_s = now - self._lost_s - due
        if late_s > TOLERANCE_S:
            self._breaths = (self._breaths + 1) % (MOST_BREATHS + 1)
            self._lost_s += late_s + (BREATH_S if self._breaths else 0.0)
        elif late_s >= -_ROUNDING_S:
            self._breaths = 0
            # Subtracting may fall short of a sum by a bit; who came on time must find something due.
            return max(now - self._lost_s, due)
        return now - self._lost_s

    def clock(self, own: Seconds) -> Seconds:
        """The clock's time of a moment of own time to come."""
        return own + self._lost_s
