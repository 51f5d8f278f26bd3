"""Many cores in one process: a network with delays, losses and cuts, and virtual time."""

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from swarmd.gossip.members import Changed, Membership, Output
from swarmd.gossip.messages import Member
from swarmd.gossip.outbox import Send
from swarmd.gossip.settings import DEFAULTS, GossipSettings
from swarmd.ports import Address, Seconds

T = TypeVar("T")


class SeededRandom:
    """The Random port, from a seed."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def uniform(self, low: float, high: float) -> float:
        return self.source.uniform(low, high)

    def below(self, count: int) -> int:
        return self.source.randrange(count)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.source.sample(items, len(items))

    def token(self, size_bytes: int) -> bytes:
        return self.source.randbytes(size_bytes)

    def rarely(self, _name: str) -> bool:
        return False


def address_of(node_id: str) -> Address:
    return Address(f"{node_id}:7946")


class Node:
    """A core and its process: running, stopped for a while, or killed."""

    def __init__(self, core: Membership) -> None:
        self.core = core
        self.is_running = True
        #: what came while the process was stopped
        self.unread: list[tuple[bytes, Address]] = []
        self.stalled_until: Seconds = 0.0
        #: the next tick in the heap
        self.timer: Seconds = float("inf")


class Swarm:
    """All of it."""

    def __init__(self, seed: int, settings: GossipSettings = DEFAULTS) -> None:
        self.random = SeededRandom(seed)
        self.settings = settings
        self.now: Seconds = 1000.0
        self.loss = 0.0
        #: whether a packet may pass, by (from, to)
        self.passes: Callable[[str, str], bool] = lambda _from, _to: True
        self.nodes: dict[str, Node] = {}
        #: (time, who saw it, what)
        self.changes: list[tuple[Seconds, str, Member]] = []
        self.sent_count = 0
        self.sent_bytes = 0
        self._heap: list[tuple[Seconds, int, Callable[[], None]]] = []
        self._number = 0

    def start(self, node_id: str, seeds: Iterable[str] = (), incarnation: int = 1) -> Node:
        """A new process on that node, which knows the seeds."""
        me = Member(node_id=node_id, address=address_of(node_id), incarnation=incarnation)
        core = Membership(me, SeededRandom(self.random.below(2**32)), self.now, self.settings)
        node = self.nodes[node_id] = Node(core)
        self._do(node_id, node, core.join([address_of(seed) for seed in seeds], self.now))
        return node

    def start_many(self, count: int) -> list[str]:
        """Nodes n000, n001, …: all join by the first three; returns when they know each other."""
        ids = [f"n{index:03d}" for index in range(count)]
        for node_id in ids:
            self.start(node_id, ids[:3])
        assert self.until(lambda: self.agrees_on(ids), 30.0) is not None, "no convergence"
        return ids

    def kill(self, node_id: str) -> None:
        self.nodes[node_id].is_running = False

    def stall(self, node_id: str, duration_s: Seconds) -> None:
        """SIGSTOP, and SIGCONT later: what arrives meanwhile waits in the socket."""
        node = self.nodes[node_id]
        node.stalled_until = self.now + duration_s
        self._at(node.stalled_until, lambda: self._wake(node_id, node))

    def agrees_on(self, ids: Sequence[str]) -> bool:
        """Whether every running node holds exactly these for alive."""
        wanted = tuple(sorted(ids))
        return all(n.core.alive() == wanted for n in self.nodes.values() if n.is_running)

    def run(self, duration_s: Seconds) -> None:
        """Let time pass."""
        self.until(lambda: False, duration_s)

    def until(self, condition: Callable[[], bool], limit_s: Seconds) -> Seconds | None:
        """How long it took until the condition held, looked at every 10 ms; None if it did not."""
        began = self.now
        look_at = began
        while self.now < began + limit_s:
            if self.now >= look_at:
                if condition():
                    return self.now - began
                look_at += 0.01
            at, _, act = heapq.heappop(self._heap)
            if at > look_at and look_at < began + limit_s:
                heapq.heappush(self._heap, (at, -1, act))
                self.now = look_at
                continue
            self.now = max(self.now, at)
            act()
        return None

    def false_deaths(self, dead: Sequence[str] = ()) -> list[tuple[Seconds, str, str]]:
        """Deaths that somebody saw of nodes that are not in `dead`."""
        return [
            (at, by, member.node_id)
            for at, by, member in self.changes
            if not member.is_live and member.node_id not in dead
        ]

    def check(self) -> None:
        for node in self.nodes.values():
            node.core.check()

    def _do(self, node_id: str, node: Node, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, Changed):
                self.changes.append((self.now, node_id, output.member))
            else:
                self._send(node_id, output)
        timer = node.core.next_timer()
        if timer != node.timer:
            node.timer = timer
            if timer < float("inf"):
                self._at(timer, lambda: self._tick(node_id, node, timer))

    def _send(self, node_id: str, send: Send) -> None:
        self.sent_count += 1
        self.sent_bytes += len(send.packet)
        to = send.to.partition(":")[0]
        lost = self.random.uniform(0, 1) < self.loss
        if not lost and self.passes(node_id, to):
            delay = self.random.uniform(0.0002, 0.002)
            self._at(self.now + delay, lambda: self._arrive(to, send.packet, address_of(node_id)))

    def _arrive(self, to: str, packet: bytes, origin: Address) -> None:
        node = self.nodes.get(to)
        if node is None or not node.is_running:
            return
        if self.now < node.stalled_until:
            node.unread.append((packet, origin))
        else:
            self._do(to, node, node.core.handle(packet, origin, self.now))

    def _tick(self, node_id: str, node: Node, timer: Seconds) -> None:
        if node.is_running and node.timer == timer and self.now >= node.stalled_until:
            node.timer = float("inf")
            self._do(node_id, node, node.core.tick(self.now))

    def _wake(self, node_id: str, node: Node) -> None:
        """As asyncio does: one datagram is read, then the late timer fires, then the rest is read."""
        if not node.is_running or self.now < node.stalled_until:
            return
        for index, (packet, origin) in enumerate(node.unread):
            self._do(node_id, node, node.core.handle(packet, origin, self.now))
            if index == 0:
                self._do(node_id, node, node.core.tick(self.now))
        node.unread.clear()
        self._do(node_id, node, node.core.tick(self.now))

    def _at(self, at: Seconds, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, act))
