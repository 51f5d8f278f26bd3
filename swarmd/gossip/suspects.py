"""Who is suspected, by whom, and until when."""

import msgspec

from swarmd.gossip.settings import GossipSettings
from swarmd.gossip.suspicion import expected_confirmations, shortest_s, timeout_s
from swarmd.ports import Seconds


class _Suspicion(msgspec.Struct, kw_only=True):
    began_at: Seconds
    expires_at: Seconds
    shortest_s: Seconds
    expected: int
    #: when it is asked directly next
    call_at: Seconds
    #: the first and those who confirmed him, in order
    accusers: list[str]


class Suspects:
    """Suspicions by node id.  Times are own times."""

    def __init__(self, settings: GossipSettings) -> None:
        self._settings = settings
        self._suspicions: dict[str, _Suspicion] = {}

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._suspicions

    def __len__(self) -> int:
        return len(self._suspicions)

    def suspect(self, node_id: str, by: str, live_count: int, own: Seconds) -> None:
        """Begin a suspicion, or a new one in another incarnation."""
        expected = expected_confirmations(live_count, self._settings.confirmations)
        shortest = shortest_s(
            live_count, self._settings.probe_interval_s, self._settings.suspicion_multiplier
        )
        self._suspicions[node_id] = _Suspicion(
            began_at=own,
            expires_at=own + self._time_s(0, expected, shortest),
            shortest_s=shortest,
            expected=expected,
            call_at=own + shortest / 2,
            accusers=[by],
        )

    def confirm(self, node_id: str, by: str, own: Seconds) -> bool:
        """Another accuses too; whether that is news, which shortens the suspect's time."""
        suspicion = self._suspicions[node_id]
        confirmations = len(suspicion.accusers)
        if by in suspicion.accusers or confirmations > suspicion.expected:
            return False
        suspicion.accusers.append(by)
        time_s = self._time_s(confirmations, suspicion.expected, suspicion.shortest_s)
        suspicion.expires_at = max(own, suspicion.began_at + time_s)
        return True

    def clear(self, node_id: str) -> None:
        """It refuted, died or left."""
        self._suspicions.pop(node_id, None)

    def due(self) -> Seconds:
        """When there is something to do; infinite if there is no suspicion."""
        suspicions = self._suspicions.values()
        return min((min(s.expires_at, s.call_at) for s in suspicions), default=float("inf"))

    def to_call(self, own: Seconds) -> list[str]:
        """Who is to be asked directly now, by node id.

        Half the time is over and no refutation came: it may just have been lost on its way.  Asked
        again every quarter.
        """
        called = []
        for node_id, suspicion in sorted(self._suspicions.items()):
            if own >= suspicion.call_at:
                suspicion.call_at = own + suspicion.shortest_s / 4
                called.append(node_id)
        return called

    def expired(self, own: Seconds) -> list[str]:
        """Whose time is over, by node id; they stay until cleared."""
        return sorted(
            node_id
            for node_id, suspicion in self._suspicions.items()
            if suspicion.expires_at <= own
        )

    def _time_s(self, confirmations: int, expected: int, shortest: Seconds) -> Seconds:
        longest = shortest * self._settings.suspicion_stretch
        return timeout_s(confirmations, expected, shortest, longest)
