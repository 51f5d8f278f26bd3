"""The core of SWIM with Lifeguard: who is alive, as far as this node can tell.

Drive it with what arrives (`handle`) and with time (`tick`, at `next_timer`); do what it returns.
Deadlines are kept in own time (see `patience`): a process that was stopped judges nobody before it
has read what came meanwhile.

Three ways lead to the same table everywhere: news, passed on at random while it is fresh; rows,
exchanged when the digests of two tables differ; and a dead member is still tried now and then,
with the news of its death, which it refutes if it hears it.  So partitions heal by themselves.

Invariant (`check`): exactly the members with status SUSPECT have a suspicion that runs.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

import msgspec

from swarmd.errors import WireError
from swarmd.gossip import wire
from swarmd.gossip.awareness import Awareness
from swarmd.gossip.broadcast import Broadcasts
from swarmd.gossip.messages import (
    MOST_META_BYTES,
    Ack,
    Digest,
    Member,
    Message,
    Nack,
    News,
    Ping,
    PingRequest,
    Rows,
    Status,
)
from swarmd.gossip.outbox import Outbox, Send
from swarmd.gossip.patience import Patience
from swarmd.gossip.prober import Prober
from swarmd.gossip.probing import some
from swarmd.gossip.settings import DEFAULTS, GossipSettings
from swarmd.gossip.suspects import Suspects
from swarmd.gossip.table import Table
from swarmd.ports import Address, Random, Seconds

#: Seeds that a lonely node tries at once; others that hear a goodbye directly.
_MOST_SEEDS = 8
_MOST_GOODBYES = 64


class Changed(msgspec.Struct, frozen=True):
    """A member came, went, or describes itself otherwise.  A suspect is no change: it is live."""

    member: Member


Output = Send | Changed


class Membership:
    """This node's view of all nodes."""

    def __init__(
        self,
        me: Member,
        random: Random,
        now: Seconds,
        settings: GossipSettings = DEFAULTS,
    ) -> None:
        """`me.incarnation` must be higher than in an earlier life: seconds since 1970, say."""
        self._settings = settings
        self._random = random
        self._table = Table(me)
        self._patience = Patience()
        self._awareness = Awareness()
        self._broadcasts = Broadcasts()
        self._suspects = Suspects(self._settings)
        self._outbox = Outbox(self._table, self._broadcasts)
        self._prober = Prober(self._table, self._outbox, self._awareness, random, self._settings)
        self._prober.begin_at(now + random.uniform(0, self._settings.probe_interval_s))
        #: where to ask when everybody else is lost
        self._seeds: tuple[Address, ...] = ()
        #: node id → own time at which it died or left
        self._gone_at: dict[str, Seconds] = {}
        #: own times of the next rounds of news, comparison, and retries
        self._gossip_at = now
        self._sync_at = now + random.uniform(0, self._settings.sync_interval_s)
        self._reconnect_at = now + self._settings.reconnect_interval_s
        #: whom to compare with next; None = anybody
        self._sync_with: str | None = None
        self._changes: list[Member] = []
        #: packets that nobody could read
        self.dropped_count = 0

    # What is known.

    @property
    def me(self) -> Member:
        """This node as it describes itself."""
        return self._table.me

    def alive(self) -> tuple[str, ...]:
        """Ids of the nodes that count as running, this one included, sorted."""
        return tuple(member.node_id for member in self._table.rows() if member.is_live)

    def members(self) -> tuple[Member, ...]:
        """Everybody known, by node id; the dead and those who left for as long as they are tried."""
        return tuple(self._table.rows())

    def next_timer(self) -> Seconds:
        """When `tick` is to be called, on the clock that gave `now`."""
        return self._patience.clock(self._due())

    # What moves it.

    def handle(self, packet: bytes, origin: Address, now: Seconds) -> list[Output]:
        """A packet came; one that cannot be read is counted and dropped."""
        own = self._patience.own(now, self._due())
        try:
            sender, messages = wire.unpack(packet)
        except WireError:
            self.dropped_count += 1
            return []
        for message in messages:
            self._receive(message, sender, origin, own)
        self._tell_the_dead(sender, origin)
        return self._finish()

    def tick(self, now: Seconds) -> list[Output]:
        """Time has passed: do what is due."""
        own = self._patience.own(now, self._due())
        if not self._has_left:
            for failed in self._prober.run(own):
                self._accuse(failed, own)
            self._bury(own)
            self._sync(own)
            self._reconnect(own)
        self._gossip(own)
        return self._finish()

    def join(self, seeds: Sequence[Address], now: Seconds) -> list[Output]:
        """Ask these addresses for their tables, now and whenever nothing is heard of them."""
        own = self._patience.own(now, self._due())
        self._seeds = tuple(seed for seed in seeds if seed != self.me.address)
        self._reconnect_at = own
        return self.tick(now)

    def describe(self, meta: bytes, now: Seconds) -> list[Output]:
        """Say something else about this node, at most MOST_META_BYTES."""
        assert len(meta) <= MOST_META_BYTES, f"{len(meta)} bytes of metadata"
        own = self._patience.own(now, self._due())
        if meta != self.me.meta and not self._has_left:
            self._announce(self.me.reborn(self.me.incarnation + 1, meta), own)
        return self._finish()

    def leave(self, now: Seconds) -> list[Output]:
        """Say goodbye.  From then on this node only passes its own leaving on."""
        own = self._patience.own(now, self._due())
        if not self._has_left:
            self._announce(self.me.seen_as(Status.LEFT), own)
            news = News(self.me, self.me.node_id)
            for node_id in some(self._table.live_others, _MOST_GOODBYES, self._random):
                self._outbox.add(self._address(node_id), news)
        return self._finish()

    def check(self) -> None:
        """Assert the invariants."""
        self._table.check()
        rows = self._table.rows()
        suspects = [m.node_id for m in rows if m.status is Status.SUSPECT]
        assert all(node_id in self._suspects for node_id in suspects)
        assert len(self._suspects) == len(suspects)
        gone = [m.node_id for m in rows if not m.is_live and m.node_id != self.me.node_id]
        assert gone == sorted(self._gone_at)
        assert self.me.status in {Status.ALIVE, Status.LEFT}

    # Messages.

    def _receive(self, message: Message, sender: str, origin: Address, own: Seconds) -> None:
        match message:
            case Ping() | Ack() | PingRequest() | Nack():
                self._prober.receive(message, origin, own)
            case News(member=member, by=by):
                self._hear(member, by, own)
                if member.node_id == self.me.node_id and member.status is not Status.ALIVE:
                    self._outbox.add(origin, News(self.me, self.me.node_id))
            case Digest(value=value):
                if value != self._table.digest():
                    self._outbox.add_rows(origin, self._table.rows(), wants_reply=True)
            case Rows(members=members, wants_reply=wants_reply):
                for member in members:
                    self._hear(self._by_hearsay(member), sender, own)
                if wants_reply:
                    self._outbox.add_rows(origin, self._table.rows(), wants_reply=False)
            case _:
                assert_never(message)

    def _by_hearsay(self, row: Member) -> Member:
        """A death in another's table may be long refuted: it is a suspicion only.

        After a partition everybody holds the others dead; they must not all die again for it.
        """
        known = self._table.get(row.node_id)
        is_hearsay = row.status is Status.DEAD and known is not None and known.is_live
        return row.seen_as(Status.SUSPECT) if is_hearsay else row

    def _hear(self, member: Member, by: str, own: Seconds) -> None:
        known = self._table.get(member.node_id)
        if not member.is_sane:
            return
        if member.node_id == self.me.node_id:
            self._hear_of_me(member, own)
        elif known is None:
            # Nobody needs to know of the dead whom he has not known alive.
            if member.is_live:
                self._take_over(member, by, own)
        elif member.overrules(known):
            self._take_over(member, by, own)
        elif member.status is Status.SUSPECT and member.incarnation == known.incarnation:
            self._confirm(known, by, own)

    def _hear_of_me(self, member: Member, own: Seconds) -> None:
        """Refute: only this node raises its incarnation."""
        if self._has_left or not member.overrules(self.me):
            return
        if member.status is not Status.ALIVE:
            self._awareness.worsen(1)
        self._announce(self.me.reborn(member.incarnation + 1, self.me.meta), own)

    def _take_over(self, member: Member, by: str, own: Seconds) -> None:
        known = self._table.get(member.node_id)
        self._table.put(member)
        if member.status is Status.SUSPECT:
            self._suspects.suspect(member.node_id, by, self._table.live_count, own)
        else:
            self._suspects.clear(member.node_id)
        self._spread(member, by, own)
        if member.is_live and (known is None or not known.is_live):
            self._welcome(member, own, is_back=known is not None)
        elif not member.is_live:
            self._gone_at.setdefault(member.node_id, own)
        if known is None or _shown(known) != _shown(member):
            self._changes.append(member)

    def _welcome(self, member: Member, own: Seconds, *, is_back: bool) -> None:
        self._gone_at.pop(member.node_id, None)
        self._prober.add(member.node_id)
        if is_back:
            # A partition has healed, perhaps: compare soon, but not with everybody at once.
            soon = own + self._random.uniform(0, self._settings.reconnect_interval_s / 2)
            self._sync_at, self._sync_with = min(self._sync_at, soon), member.node_id

    def _announce(self, me: Member, own: Seconds) -> None:
        self._table.put(me)
        self._spread(me, me.node_id, own)

    def _spread(self, member: Member, by: str, own: Seconds) -> None:
        if not self._broadcasts:
            self._gossip_at = max(self._gossip_at, own)
        is_urgent = member.status is not Status.ALIVE or member.node_id == self.me.node_id
        encoded = wire.encode(News(member=member, by=by))
        self._broadcasts.put(member.node_id, encoded, is_urgent=is_urgent)

    def _tell_the_dead(self, sender: str, origin: Address) -> None:
        """Somebody speaks whom we hold dead: let it know, that it may refute."""
        known = self._table.get(sender)
        if known is not None and not known.is_live and not self._has_left:
            self._outbox.add(origin, News(member=known, by=self.me.node_id))

    # Time.

    def _due(self) -> Seconds:
        """Own time of the earliest deadline."""
        gossip_at = self._gossip_at if self._broadcasts else float("inf")
        if self._has_left:
            return gossip_at
        return min(
            gossip_at,
            self._prober.due(),
            self._suspects.due(),
            self._sync_at,
            self._reconnect_at,
        )

    def _accuse(self, target: Member, own: Seconds) -> None:
        """A probe of `target`, as it was known then, failed."""
        known = self._table.get(target.node_id)
        # In a later incarnation it has spoken meanwhile.
        if known is not None and known.is_live and known.incarnation == target.incarnation:
            self._hear(known.seen_as(Status.SUSPECT), self.me.node_id, own)

    def _confirm(self, suspect: Member, by: str, own: Seconds) -> None:
        if suspect.status is not Status.SUSPECT:
            return
        if self._suspects.confirm(suspect.node_id, by, own):
            self._spread(suspect, by, own)

    def _bury(self, own: Seconds) -> None:
        """Ask the suspects, declare dead whose time is over, forget those long gone."""
        for node_id in self._suspects.to_call(own):
            suspect = self._table.get(node_id)
            assert suspect is not None
            self._outbox.add(suspect.address, News(suspect, self.me.node_id))
        for node_id in self._suspects.expired(own):
            suspect = self._table.get(node_id)
            assert suspect is not None
            self._take_over(suspect.seen_as(Status.DEAD), self.me.node_id, own)
        for node_id, gone_at in list(self._gone_at.items()):
            if own - gone_at >= self._settings.forget_s:
                del self._gone_at[node_id]
                self._table.forget(node_id)

    def _gossip(self, own: Seconds) -> None:
        if not self._broadcasts or own < self._gossip_at:
            return
        self._gossip_at = own + self._settings.gossip_interval_s
        for node_id in some(self._table.live_others, self._settings.gossip_count, self._random):
            self._outbox.touch(self._address(node_id))

    def _sync(self, own: Seconds) -> None:
        """Compare tables with somebody."""
        if own < self._sync_at:
            return
        self._sync_at = own + self._settings.sync_interval_s * self._random.uniform(0.75, 1.25)
        wanted = self._table.get(self._sync_with) if self._sync_with is not None else None
        self._sync_with = None
        others = some(self._table.live_others, 1, self._random)
        if wanted is not None and wanted.is_live:
            self._outbox.add(wanted.address, Digest(self._table.digest()))
        elif others:
            self._outbox.add(self._address(others[0]), Digest(self._table.digest()))

    def _reconnect(self, own: Seconds) -> None:
        """Try the lost again: a dead member, and seeds that nobody live is at."""
        if own < self._reconnect_at:
            return
        self._reconnect_at = own + self._settings.reconnect_interval_s
        for seed in self._lost_seeds():
            self._outbox.add(seed, Digest(self._table.digest()))
        dead = [m for m in map(self._table.get, sorted(self._gone_at)) if m and _is_dead(m)]
        if dead:
            member = dead[self._random.below(len(dead))]
            self._outbox.add(member.address, News(member=member, by=self.me.node_id))
            self._prober.try_again(member)

    def _lost_seeds(self) -> Iterator[Address]:
        """All that are lost for a node that is alone, one for others."""
        live = {self._address(node_id) for node_id in self._table.live_others}
        lost = [seed for seed in self._seeds if seed not in live]
        yield from some(lost, 1 if live else _MOST_SEEDS, self._random)

    def _finish(self) -> list[Output]:
        changes, self._changes = self._changes, []
        return [*map(Changed, changes), *self._outbox.drain()]

    @property
    def _has_left(self) -> bool:
        return self.me.status is Status.LEFT

    def _address(self, node_id: str) -> Address:
        member = self._table.get(node_id)
        assert member is not None
        return member.address


def _shown(member: Member) -> tuple[bool, Address, bytes]:
    return member.is_live, member.address, member.meta


def _is_dead(member: Member) -> bool:
    return member.status is Status.DEAD
