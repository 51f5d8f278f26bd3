"""Gossip on datagrams and a clock: carries out what the core (`members`) decides.

A datagram is handled as it comes, in the callback that brings it; one task, `run`, waits for the
core's next timer.  Whoever wants to know who is alive asks `alive`, or is told of every change.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

import msgspec

from swarmd.errors import WireError
from swarmd.gossip import wire
from swarmd.gossip.keyring import Keyring
from swarmd.gossip.members import Changed, Membership, Output
from swarmd.gossip.messages import Member
from swarmd.gossip.outbox import Send
from swarmd.gossip.settings import DEFAULTS, GossipSettings
from swarmd.ports import Address, Clock, Crypto, Datagrams, Network, Random, Seconds

log = logging.getLogger(__name__)

#: How long a goodbye is passed on before the process may end.
_GOODBYE_ROUNDS = 3


class GossipPorts(msgspec.Struct, frozen=True, kw_only=True):
    """What gossip needs of the world."""

    network: Network
    clock: Clock
    random: Random
    crypto: Crypto


class Gossip:
    """Membership of one node.

    `me.address` is where the others reach it, `listen` where it binds; `changed` is called with
    every member that came, went, or describes itself otherwise, this node excepted.
    """

    def __init__(
        self,
        ports: GossipPorts,
        me: Member,
        listen: Address,
        keyring: Keyring,
        changed: Callable[[Member], None],
        settings: GossipSettings = DEFAULTS,
    ) -> None:
        self._ports = ports
        self._listen = listen
        self._keyring = keyring
        self._changed = changed
        self._settings = settings
        self._core = Membership(me, ports.random, ports.clock.monotonic(), settings)
        #: where to ask who is there
        self._seeds: Sequence[Address] = ()
        #: open while `run` runs
        self._datagrams: Datagrams | None = None
        #: until when `run` sleeps, and what wakes it sooner
        self._sleeps_until: Seconds = -math.inf
        self._wake = asyncio.Event()
        #: datagrams that no key opened
        self.unopened_count = 0

    def alive(self) -> tuple[str, ...]:
        """Ids of the nodes that count as running, this one included, sorted."""
        return self._core.alive()

    def members(self) -> tuple[Member, ...]:
        """Everybody known, by node id, the dead included for as long as they are tried."""
        return self._core.members()

    def use_keys(self, keyring: Keyring) -> None:
        """Seal and open with these keys from now on."""
        self._keyring = keyring

    def join(self, seeds: Sequence[Address]) -> None:
        """Ask at these addresses who is there, now and whenever nobody live is at them.

        Replaces the seeds of an earlier call; before `run` it takes effect with it.
        """
        self._seeds = tuple(seeds)
        if self._datagrams is not None:
            self._carry_out(self._core.join(self._seeds, self._now()))

    def describe(self, meta: bytes) -> None:
        """Tell the others something else about this node, at most MOST_META_BYTES."""
        self._carry_out(self._core.describe(meta, self._now()))

    async def run(self) -> None:
        """Take part until cancelled.  Raises OSError if the address cannot be bound."""
        network = self._ports.network
        self._datagrams = await network.open_datagrams(self._listen, self._receive)
        try:
            self._carry_out(self._core.join(self._seeds, self._now()))
            while True:
                await self._sleep()
                self._carry_out(self._core.tick(self._now()))
        finally:
            self._datagrams.close()
            self._datagrams = None

    async def leave(self) -> None:
        """Say goodbye, so that nobody has to find out; returns when it has spread.

        `run` goes on and may be cancelled then.
        """
        self._carry_out(self._core.leave(self._now()))
        await asyncio.sleep(_GOODBYE_ROUNDS * self._settings.gossip_interval_s)

    def _receive(self, datagram: bytes, origin: Address) -> None:
        try:
            packet = wire.unseal(datagram, self._keyring, self._ports.crypto)
        except WireError:
            # Counted, not logged: a stranger decides how many there are.
            self.unopened_count += 1
            return
        self._carry_out(self._core.handle(packet, origin, self._now()))

    def _carry_out(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Send():
                    self._send(output)
                case Changed(member=member):
                    self._tell(member)
        if self._core.next_timer() < self._sleeps_until:
            self._wake.set()

    def _send(self, send: Send) -> None:
        if self._datagrams is not None:
            ports = self._ports
            datagram = wire.seal(send.packet, self._keyring, ports.crypto, ports.random)
            self._datagrams.send(datagram, send.to)

    def _tell(self, member: Member) -> None:
        status = member.status.name.lower()
        log.info("member changed", extra={"node": member.node_id, "status": status})
        self._changed(member)

    async def _sleep(self) -> None:
        self._wake.clear()
        self._sleeps_until = self._core.next_timer()
        is_endless = self._sleeps_until == math.inf
        try:
            async with asyncio.timeout(None if is_endless else self._sleeps_until - self._now()):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._sleeps_until = -math.inf

    def _now(self) -> Seconds:
        return self._ports.clock.monotonic()
