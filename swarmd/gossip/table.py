"""Who is known, and as what: the table that all nodes come to share.

A row is replaced by later news only, so the tables of all nodes are equal as soon as each has heard
everything, in whatever order.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Sequence

from swarmd.gossip.messages import Member


class Table:
    """Members by node id; `me` is the node whose table it is."""

    def __init__(self, me: Member) -> None:
        #: who holds this table
        self.me_id = me.node_id
        self._members: dict[str, Member] = {me.node_id: me}
        #: ids of the live ones but me, sorted: chance must pick from an order
        self._live: list[str] = []
        self._digest: int | None = None

    @property
    def me(self) -> Member:
        """This node as it describes itself."""
        return self._members[self.me_id]

    @property
    def live_others(self) -> Sequence[str]:
        """Ids of all others that count as running, sorted.  Not to be kept: it changes."""
        return self._live

    @property
    def live_count(self) -> int:
        """How many count as running, this node included."""
        return len(self._live) + 1

    def get(self, node_id: str) -> Member | None:
        """None if nobody has told."""
        return self._members.get(node_id)

    def put(self, member: Member) -> None:
        """Take over what is known now; it must overrule what was."""
        known = self._members.get(member.node_id)
        assert known is None or member.overrules(known), f"{member} does not overrule {known}"
        self._members[member.node_id] = member
        self._digest = None
        if member.node_id == self.me_id:
            return
        was_live = known is not None and known.is_live
        if member.is_live and not was_live:
            insort(self._live, member.node_id)
        elif was_live and not member.is_live:
            del self._live[bisect_left(self._live, member.node_id)]

    def forget(self, node_id: str) -> None:
        """Drop a row that is not live."""
        assert not self._members[node_id].is_live
        del self._members[node_id]

    def rows(self) -> list[Member]:
        """All, by node id."""
        return sorted(self._members.values(), key=lambda member: member.node_id)

    def digest(self) -> int:
        """The same number for two tables with the same live rows, as good as surely.

        The dead are left out: nodes forget them at different times.
        """
        if self._digest is None:
            text = "\n".join(
                f"{row.node_id} {row.incarnation} {row.status:d}"
                for row in self.rows()
                if row.is_live
            )
            whole = hashlib.blake2b(text.encode(), digest_size=8).digest()
            self._digest = int.from_bytes(whole, "big")
        return self._digest

    def check(self) -> None:
        """Assert the invariant: the list of the live is what the rows say."""
        live = [m.node_id for m in self.rows() if m.is_live and m.node_id != self.me_id]
        assert live == self._live, f"{live} != {self._live}"
