"""The simulated network: streams and datagrams between hosts, with every fault that IP knows.

A stream keeps order and loses nothing while it lives, as TCP does: what meets a cut waits, and the
stream breaks if the cut lasts.  A killed process resets its streams; a host without power says
nothing, and its peers find out when nobody answers, whether they send or not.  Datagrams come late,
twice, in another order or never.  A stream's peer is who its certificate says, checked as TLS would.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random

import msgspec

from swarmd.net.streams import DEAD_AFTER_S
from swarmd.ports import Address, Connection, Credentials, Datagrams, Listener, Peer
from swarmd.sim.crypto import is_trusted, read
from swarmd.sim.host import Process
from swarmd.sim.loop import SimLoop

#: A stream that could not deliver for so long breaks, an idle one too whose peer has no power.
BREAK_S = float(DEAD_AFTER_S)
CONNECT_S = 3.0
LATENCY_S = (0.0002, 0.002)
FAR = (0.01, 0.2)


class Fabric:
    """All links; owned by the world."""

    def __init__(self, loop: SimLoop, chance: Random, trace: Callable[..., None]) -> None:
        self.loop, self.chance, self.trace = loop, chance, trace
        #: (from host, to host): nothing passes
        self.cut: set[tuple[str, str]] = set()
        #: chance of a datagram to be lost, doubled, late
        self.loss = self.double = self.late = 0.0
        self.listeners: dict[tuple[str, int], _Listener] = {}
        self.sockets: dict[tuple[str, int], _Socket] = {}
        self.streams: list[_End] = []

    def passes(self, source: str, target: str) -> bool:
        """Whether a packet gets from host to host now."""
        return source == target or (source, target) not in self.cut

    def latency(self) -> float:
        """Of one packet."""
        return self.chance.uniform(*LATENCY_S)

    def lost_power(self, host: str) -> None:
        """The host's streams end without a word."""
        for end in [end for end in self.streams if end.process.host.name == host]:
            end.vanish()

    def killed(self, process: Process) -> None:
        """The host's kernel resets the process's streams and closes its ports."""
        for end in [end for end in self.streams if end.process is process]:
            end.reset()
        for key in [k for k, listener in self.listeners.items() if listener.process is process]:
            del self.listeners[key]
        for socket_key in [k for k, s in self.sockets.items() if s.process is process]:
            del self.sockets[socket_key]


class SimNetwork:
    """The Network port of one process."""

    def __init__(self, fabric: Fabric, process: Process) -> None:
        self._fabric, self._process = fabric, process

    async def listen(
        self,
        address: Address,
        credentials: Callable[[], Credentials],
        accept: Callable[[Connection], Awaitable[None]],
    ) -> Listener:
        """As `Network.listen`; a host part of 0.0.0.0 means the host's address."""
        key = (self._process.host.address, _port(address))
        if key in self._fabric.listeners:
            raise OSError(98, f"Address already in use: {address}")
        listener = _Listener(self._fabric, self._process, key, credentials, accept)
        self._fabric.listeners[key] = listener
        return listener

    async def connect(self, address: Address, credentials: Credentials) -> Connection:
        """As `Network.connect`."""
        fabric, source = self._fabric, self._process.host
        host, port = address.rsplit(":", 1)
        await asyncio.sleep(fabric.latency() * 2)
        target = fabric.listeners.get((host, int(port)))
        there = self._process.host.world_host(host)
        can = fabric.passes(source.name, there.name) and fabric.passes(there.name, source.name)
        if not can or not there.has_power:
            await asyncio.sleep(CONNECT_S)
            raise TimeoutError(f"{address}: no answer")
        if target is None:
            raise ConnectionRefusedError(f"{address}: connection refused")
        return target.accepted(self._process, credentials, address)

    async def open_datagrams(
        self, address: Address, receive: Callable[[bytes, Address], None]
    ) -> Datagrams:
        """As `Network.open_datagrams`."""
        key = (self._process.host.address, _port(address))
        if key in self._fabric.sockets:
            raise OSError(98, f"Address already in use: {address}")
        socket = self._fabric.sockets[key] = _Socket(self._fabric, self._process, key, receive)
        return socket


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


class _Listener:
    """A bound TCP port."""

    def __init__(
        self,
        fabric: Fabric,
        process: Process,
        key: tuple[str, int],
        credentials: Callable[[], Credentials],
        accept: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.process = process
        self._fabric, self._key = fabric, key
        self._credentials, self._accept = credentials, accept

    @property
    def port(self) -> int:
        """Its number."""
        return self._key[1]

    def close(self) -> None:
        """No new streams."""
        if self._fabric.listeners.get(self._key) is self:
            del self._fabric.listeners[self._key]

    def accepted(self, client: Process, shown: Credentials, address: Address) -> Connection:
        """The client's end of a new stream; the server's end is given to `accept`."""
        mine = self._credentials()
        server_peer = _verified(mine.certificate, shown.trusted, client, str(address))
        client_peer = Peer(host=client.host.address)
        if shown.certificate:
            client_peer = _verified(shown.certificate, mine.trusted, self.process, "client")
        ours = _End(self._fabric, client, msgspec.structs.replace(server_peer, host=self._key[0]))
        theirs = _End(
            self._fabric,
            self.process,
            msgspec.structs.replace(client_peer, host=client.host.address),
        )
        ours.other, theirs.other = theirs, ours
        self._fabric.streams += [ours, theirs]
        self.process.spawn(self._accept(theirs))
        return ours


def _verified(certificate: str, trusted: str, judge: Process, who: str) -> Peer:
    if trusted and not is_trusted(certificate, trusted, judge.host.clock.wall()):
        raise ConnectionError(f"{who}: certificate refused")
    facts = read(certificate).facts
    return Peer(
        node_id=facts.node_id,
        role=facts.organizational_unit.removeprefix("swarm-"),
        cluster_id=facts.cluster_id,
        serial=facts.serial,
        expires_at=facts.not_after,
    )


class _End:
    """One end of a stream: the Connection of its process."""

    def __init__(self, fabric: Fabric, process: Process, peer: Peer) -> None:
        self.process, self.peer = process, peer
        self.other: _End | None = None
        self._fabric = fabric
        self._received: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended: str | None = None
        #: frames on their way to the other end, in order: when each may arrive
        self._sent: deque[bytes] = deque()
        self._pump: asyncio.TimerHandle | None = None
        self._stuck_since: float | None = None

    def send(self, frame: bytes) -> None:
        """As `Connection.send`."""
        if self._ended is None and self.process.is_alive:
            self._sent.append(frame)
            self._schedule(self._fabric.latency())

    def pending_bytes(self) -> int:
        """As `Connection.pending_bytes`."""
        return sum(map(len, self._sent)) if self._stuck_since is not None else 0

    async def drain(self) -> None:
        """As `Connection.drain`."""
        if self._ended is not None:
            raise ConnectionError(self._ended)
        await asyncio.sleep(0)

    async def receive(self) -> bytes:
        """As `Connection.receive`."""
        while not self._received:
            if self._ended is not None:
                raise ConnectionError(self._ended)
            self._news.clear()
            await self._news.wait()
        return self._received.popleft()

    def close(self) -> None:
        """As `Connection.close`: what was sent still arrives."""
        if self._ended is None:
            self._end("closed at this end")
            delay = self._fabric.latency() + len(self._sent) * 0.002
            self._fabric.loop.call_later(delay, self._tell_other, "closed by the peer")

    # ---- what the world does to it

    def reset(self) -> None:
        """The process died: the peer hears of it."""
        self._sent.clear()
        self._end("the process died")
        self._tell_other("connection reset by peer")

    def vanish(self) -> None:
        """The host died: the peer hears nothing, and its kernel's probes are not answered."""
        self._sent.clear()
        self._end("the host died")
        assert self.other is not None
        self._fabric.loop.call_later(BREAK_S, self.other.ended_by_peer, "no answer")

    def _tell_other(self, why: str) -> None:
        other = self.other
        assert other is not None
        here, there = self.process.host.name, other.process.host.name
        if self._fabric.passes(here, there):
            other.ended_by_peer(why)
        else:
            self._fabric.loop.call_later(BREAK_S, other.ended_by_peer, "no answer")

    @property
    def is_ended(self) -> bool:
        """Nobody reads here any more."""
        return self._ended is not None

    def ended_by_peer(self, why: str) -> None:
        """Frames that arrived before are still read."""
        self._end(why)

    def _end(self, why: str) -> None:
        if self._ended is None:
            self._ended = why
            self._news.set()
            if self in self._fabric.streams:
                self._fabric.streams.remove(self)

    # ---- delivery

    def _schedule(self, delay: float) -> None:
        if self._pump is None:
            self._pump = self._fabric.loop.call_later(delay, self._deliver)

    def _deliver(self) -> None:
        self._pump = None
        other, now = self.other, self._fabric.loop.now
        assert other is not None
        if not self._sent:
            return
        here, there = self.process.host, other.process.host
        if not self._fabric.passes(here.name, there.name) or not there.has_power:
            since = self._stuck_since = self._stuck_since or now
            if now - since >= BREAK_S:
                self._end("no answer")
                return
            self._schedule(0.2)
            return
        self._stuck_since = None
        if other.is_ended:
            # The other end was given up there: its kernel answers with a reset.
            self.ended_by_peer("connection reset by peer")
            return
        while self._sent:
            other.arrived(self._sent.popleft(), here.name)

    def arrived(self, frame: bytes, source: str) -> None:
        """A frame is here."""
        if self._ended is None:
            self._fabric.trace("frame", source, self.process.host.name, frame)
            self._received.append(frame)
            self._news.set()


class _Socket:
    """A bound UDP port."""

    def __init__(
        self,
        fabric: Fabric,
        process: Process,
        key: tuple[str, int],
        receive: Callable[[bytes, Address], None],
    ) -> None:
        self.process, self.receive = process, receive
        self._fabric, self._key = fabric, key

    def send(self, data: bytes, to: Address) -> None:
        """As `Datagrams.send`."""
        if not self.process.is_alive:
            return
        fabric, chance = self._fabric, self._fabric.chance
        host, port = to.rsplit(":", 1)
        for _ in range(2 if chance.random() < fabric.double else 1):
            if chance.random() < fabric.loss:
                continue
            delay = fabric.latency()
            if chance.random() < fabric.late:
                delay += chance.uniform(*FAR)
            fabric.loop.call_later(delay, self._arrive, data, (host, int(port)))

    def _arrive(self, data: bytes, key: tuple[str, int]) -> None:
        target = self._fabric.sockets.get(key)
        if target is None or not target.process.is_alive:
            return
        source, there = self.process.host, target.process.host
        if self._fabric.passes(source.name, there.name):
            self._fabric.trace("datagram", source.name, there.name, data)
            target.receive(data, Address(f"{self._key[0]}:{self._key[1]}"))

    def close(self) -> None:
        """As `Datagrams.close`."""
        if self._fabric.sockets.get(self._key) is self:
            del self._fabric.sockets[self._key]
