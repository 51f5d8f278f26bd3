"""Sessions: which nodes are alive, as far as the leader can tell.

A node beats; who does not for three periods is DOWN.  Gossip is the second witness and hurries it:
a node that gossip calls dead is asked at once, over its session and at its port.  If neither
answers within `CONFIRM_S`, it is DOWN.  If its host still refuses connections, only its daemon is
gone: that is a restart, and the node keeps its time.

What must not look like a death:
- a leader that stalled: `expire` runs after pending input was read, and a call that comes late
  moves every deadline by its lateness;
- a network that broke at the leader's end: if more than a third of the nodes (two at least) would
  go within one window, none does for a long grace;
- a stop that announced itself: DISCONNECTED, with a grace of its own.

Source: swarmkit manager/dispatcher/nodes.go (grace = 3 periods; 6 after a change of leader).
"""

from collections.abc import Iterable, Sequence
from enum import Enum

import msgspec

from swarmd.model.ids import NodeID
from swarmd.ports import Seconds

GRACE_PERIODS = 3
#: After gossip called a node dead: how long its session and its port have to answer.
CONFIRM_S: Seconds = 1.0
#: A node that said goodbye may stay away for so long.
DISCONNECTED_S: Seconds = 30.0
#: Deaths within this are one event.
WINDOW_S: Seconds = 5.0
#: Share of the nodes whose common death is doubted, and for how long.
DOUBTED_SHARE = 1 / 3
DOUBT_S: Seconds = 30.0
#: How often `expire` is meant to be called; what it is late by is given to everybody.
TICK_S: Seconds = 0.25
LATE_S: Seconds = 0.5


class Cause(Enum):
    """Why a node is held to be down."""

    SILENT = "heartbeat failure"
    DEAD = "heartbeat failure: neither its daemon nor its host answers"
    GONE = "node left and did not come back"


class Session(msgspec.Struct, kw_only=True):
    """One node's session; mutable, owned by `Sessions`."""

    #: empty before its first registration with this leader
    id: str
    deadline: Seconds
    last_beat: Seconds
    cause: Cause = Cause.SILENT


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is down."""

    node_id: NodeID
    cause: Cause


class Sessions:
    """The core.  All times are on one monotonic clock of the leader."""

    def __init__(self, period_s: Seconds) -> None:
        #: what agents are told; a change takes effect with each next beat
        self.period_s = period_s
        self._sessions: dict[NodeID, Session] = {}
        self._last_tick: Seconds | None = None
        #: recent deaths: (when, node)
        self._deaths: list[tuple[Seconds, NodeID]] = []
        self._doubt_until: Seconds = float("-inf")

    # ---- input

    def takeover(self, node_ids: Iterable[NodeID], now: Seconds) -> None:
        """A new leader gives every node that has not registered with it one fresh grace."""
        grace = 2 * GRACE_PERIODS * self.period_s
        for node_id in node_ids:
            fresh = Session(id="", deadline=now + grace, last_beat=now)
            self._sessions.setdefault(node_id, fresh)

    def register(self, node_id: NodeID, session_id: str, now: Seconds) -> str:
        """A session begins; returns the id of the one that it ends, or ""."""
        old = self._sessions.get(node_id)
        grace = GRACE_PERIODS * self.period_s
        self._sessions[node_id] = Session(id=session_id, deadline=now + grace, last_beat=now)
        return old.id if old else ""

    def beat(self, node_id: NodeID, session_id: str, now: Seconds) -> bool:
        """False if this is not the node's session: it has to register anew."""
        session = self._sessions.get(node_id)
        if session is None or session.id != session_id:
            return False
        session.last_beat = now
        session.deadline = now + GRACE_PERIODS * self.period_s
        session.cause = Cause.SILENT
        return True

    def is_current(self, node_id: NodeID, session_id: str) -> bool:
        """Whether this is the node's session."""
        session = self._sessions.get(node_id)
        return session is not None and session.id == session_id

    def leave(self, node_id: NodeID, session_id: str, now: Seconds) -> None:
        """The agent said goodbye."""
        session = self._sessions.get(node_id)
        if session is not None and session.id == session_id:
            session.deadline = now + DISCONNECTED_S
            session.cause = Cause.GONE

    def forget(self, node_id: NodeID) -> None:
        """The node was removed."""
        self._sessions.pop(node_id, None)

    def confirmed_dead(self, node_id: NodeID, asked_at: Seconds, now: Seconds) -> None:
        """Gossip called it dead at `asked_at`, and nobody at its host answered until now."""
        session = self._sessions.get(node_id)
        if session is not None and session.last_beat <= asked_at:
            session.deadline = min(session.deadline, now)
            session.cause = Cause.DEAD

    # ---- output

    def expire(self, now: Seconds) -> Sequence[Expired]:
        """Forget and return the nodes whose deadline has passed, earliest first.

        To be called every TICK_S, after pending input was handled.  A node returned once is not
        returned again unless it registers again.
        """
        self._forgive_lateness(now)
        due = sorted(
            ((s.deadline, node_id) for node_id, s in self._sessions.items() if s.deadline <= now),
        )
        if not due or self._is_doubted(due, now):
            return ()
        expired = []
        for _, node_id in due:
            session = self._sessions.pop(node_id)
            expired.append(Expired(node_id=node_id, cause=session.cause))
            self._deaths.append((now, node_id))
        return expired

    def _forgive_lateness(self, now: Seconds) -> None:
        last, self._last_tick = self._last_tick, now
        if last is None:
            return
        late = now - last - TICK_S
        if late > LATE_S:
            for session in self._sessions.values():
                session.deadline += late

    def _is_doubted(self, due: Sequence[tuple[Seconds, NodeID]], now: Seconds) -> bool:
        """Too many at once: the fault is more likely here."""
        self._deaths = [death for death in self._deaths if death[0] > now - WINDOW_S]
        together = len(due) + len(self._deaths)
        total = len(self._sessions) + len(self._deaths)
        if together < 2 or together <= total * DOUBTED_SHARE:
            return False
        if self._doubt_until == float("-inf") or self._doubt_until < now - WINDOW_S:
            self._doubt_until = now + DOUBT_S
        return now < self._doubt_until

    @property
    def is_in_doubt(self) -> bool:
        """Whether a mass death was held back at the last `expire`."""
        return self._last_tick is not None and self._last_tick < self._doubt_until

    def check(self) -> None:
        """Invariants: a node is never both in session and recently dead without a new session."""
        assert all(
            s.deadline >= s.last_beat or s.cause is Cause.DEAD for s in self._sessions.values()
        )
