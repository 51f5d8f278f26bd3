"""One probe at a time, and probes on behalf of others.

Targets come in a shuffled round robin (SWIM, §4.3): every member is probed once a round, so the
time to notice a death has a bound, which picking at random has not.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from swarmd.gossip.messages import Member
from swarmd.ports import Address, Random, Seconds

T = TypeVar("T")


class Probe(msgspec.Struct, kw_only=True):
    """The probe under way.  Times are own times."""

    target: Member
    sequence: int
    #: when others are asked, if there is no answer by then; None once they were
    indirect_at: Seconds | None
    #: when the next probe begins; without an answer the target is suspected then
    ends_at: Seconds
    is_answered: bool = False
    #: others that were asked, and those that at least answered no
    asked_count: int = 0
    nack_count: int = 0


class Relay(msgspec.Struct, kw_only=True):
    """A probe on behalf of another."""

    #: who asked, and under which of his sequence numbers
    origin: Address
    sequence: int
    #: when he is told no; None once he was
    nack_at: Seconds | None
    #: when it is forgotten
    ends_at: Seconds


class RoundRobin:
    """Whom to probe next."""

    def __init__(self, random: Random) -> None:
        self._random = random
        #: the rest of this round, the next at the end
        self._rest: list[str] = []

    def next(self, live: Sequence[str]) -> str | None:
        """The next of `live` (sorted); None if there is nobody."""
        if not live:
            return None
        known = set(live)
        while True:
            while self._rest:
                node_id = self._rest.pop()
                if node_id in known:
                    return node_id
            self._rest = self._random.shuffled(live)

    def add(self, node_id: str) -> None:
        """A newcomer gets a random place in this round, so that nobody waits two."""
        self._rest.insert(self._random.below(len(self._rest) + 1), node_id)


def some(items: Sequence[T], count: int, random: Random, *, but: T | None = None) -> list[T]:
    """At most `count` of the items, which differ, at random."""
    pool = [item for item in items if item != but]
    if len(pool) <= count:
        return pool
    picked: dict[int, None] = {}
    while len(picked) < count:
        picked[random.below(len(pool))] = None
    return [pool[index] for index in picked]
