"""Probing: a ping a period, others asked when it is not answered, pings on behalf of others."""

from collections.abc import Iterator

from swarmd.gossip.awareness import Awareness
from swarmd.gossip.messages import Ack, Member, Nack, News, Ping, PingRequest, Status
from swarmd.gossip.outbox import Outbox
from swarmd.gossip.probing import Probe, Relay, RoundRobin, some
from swarmd.gossip.settings import GossipSettings
from swarmd.gossip.table import Table
from swarmd.ports import Address, Random, Seconds


class Prober:
    """A part of `members.Membership`, which owns it.  Times are own times."""

    def __init__(
        self,
        table: Table,
        outbox: Outbox,
        awareness: Awareness,
        random: Random,
        settings: GossipSettings,
    ) -> None:
        self._table = table
        self._outbox = outbox
        self._awareness = awareness
        self._random = random
        self._settings = settings
        self._robin = RoundRobin(random)
        self._probe: Probe | None = None
        #: when to begin, while there is no probe
        self._begin_at: Seconds = 0.0
        #: our sequence number → on whose behalf
        self._relays: dict[int, Relay] = {}
        self._sequence = 0

    def begin_at(self, own: Seconds) -> None:
        """When to begin the first probe: not all nodes at once."""
        self._begin_at = own

    def add(self, node_id: str) -> None:
        """Probe this one too, within a round."""
        self._robin.add(node_id)

    def due(self) -> Seconds:
        """When `run` is to be called."""
        probe = self._probe
        times = [self._begin_at if probe is None else probe.ends_at]
        if probe is not None and probe.indirect_at is not None and not probe.is_answered:
            times.append(probe.indirect_at)
        relays = self._relays.values()
        return min(
            *times, *(r.ends_at if r.nack_at is None else r.nack_at for r in relays), float("inf")
        )

    def run(self, own: Seconds) -> Iterator[Member]:
        """Do what is due; yields the member whose probe has failed, as it was known then."""
        probe = self._probe
        if probe is not None and not probe.is_answered:
            if probe.indirect_at is not None and own >= probe.indirect_at:
                self._ask_others(probe)
            if own >= probe.ends_at:
                asked, missing = probe.asked_count, probe.asked_count - probe.nack_count
                self._awareness.worsen(missing if asked else 1)
                yield probe.target
        if own >= (self._begin_at if probe is None else probe.ends_at):
            self._begin(own)
        self._run_relays(own)

    def receive(
        self, message: Ping | Ack | PingRequest | Nack, origin: Address, own: Seconds
    ) -> None:
        """One of the four messages of probing."""
        match message:
            case Ping(sequence=sequence, target=target):
                if target == self._table.me_id:
                    self._outbox.add(origin, Ack(sequence))
            case Ack(sequence=sequence):
                self._acked(sequence)
            case PingRequest():
                self._relay(message, origin, own)
            case Nack(sequence=sequence):
                if self._probe is not None and self._probe.sequence == sequence:
                    self._probe.nack_count += 1

    def try_again(self, member: Member) -> None:
        """Ping one that is held dead; its answer counts for nothing, what it refutes does."""
        self._outbox.add(member.address, Ping(self._next_sequence(), member.node_id))

    def _begin(self, own: Seconds) -> None:
        self._probe = None
        self._begin_at = own + self._settings.probe_interval_s
        node_id = self._robin.next(self._table.live_others)
        target = self._table.get(node_id) if node_id is not None else None
        if target is None:
            return
        self._probe = Probe(
            target=target,
            sequence=self._next_sequence(),
            indirect_at=own + self._awareness.scaled_s(self._settings.probe_timeout_s),
            ends_at=own + self._awareness.scaled_s(self._settings.probe_interval_s),
        )
        if target.status is Status.SUSPECT:
            # The first to know of a suspicion should be the one that can refute it (Lifeguard).
            self._outbox.add(target.address, News(target, self._table.me_id))
        self._outbox.add(target.address, Ping(self._probe.sequence, target.node_id))

    def _ask_others(self, probe: Probe) -> None:
        probe.indirect_at = None
        live = self._table.live_others
        others = some(live, self._settings.indirect_count, self._random, but=probe.target.node_id)
        probe.asked_count = len(others)
        request = PingRequest(probe.sequence, probe.target.node_id, probe.target.address)
        for node_id in others:
            other = self._table.get(node_id)
            assert other is not None
            self._outbox.add(other.address, request)

    def _acked(self, sequence: int) -> None:
        probe = self._probe
        if probe is not None and probe.sequence == sequence:
            if not probe.is_answered:
                self._awareness.improve()
            probe.is_answered = True
        elif (relay := self._relays.pop(sequence, None)) is not None:
            self._outbox.add(relay.origin, Ack(relay.sequence))

    def _relay(self, request: PingRequest, origin: Address, own: Seconds) -> None:
        sequence = self._next_sequence()
        self._relays[sequence] = Relay(
            origin=origin,
            sequence=request.sequence,
            nack_at=own + self._settings.probe_timeout_s,
            ends_at=own + self._settings.probe_interval_s,
        )
        self._outbox.add(request.address, Ping(sequence, request.target))

    def _run_relays(self, own: Seconds) -> None:
        for sequence, relay in list(self._relays.items()):
            if relay.nack_at is not None and own >= relay.nack_at:
                relay.nack_at = None
                self._outbox.add(relay.origin, Nack(relay.sequence))
            if own >= relay.ends_at:
                del self._relays[sequence]

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
