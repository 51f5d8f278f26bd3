"""A cluster of members in virtual time."""

import asyncio
from collections.abc import Iterable
from typing import Any

from swarmd.errors import StateError
from swarmd.ports import Connection
from swarmd.raft import identity
from swarmd.raft.interface import NotLeaderError, RaftConfig, RaftID
from swarmd.raft.member import Member, RaftPorts
from tests.unit.raft.memory import MemoryDisk, SeededRandom, pair
from tests.virtual import LoopClock, until

CONFIG = RaftConfig(journal_step_bytes=4096, segment_bytes=1 << 16, snapshot_interval=10**9)


class PlainSealer:
    """Seals nothing, so that tests may read what is on the disk."""

    def seal(self, salt: bytes, number: int, data: bytes) -> bytes:
        assert salt
        assert number >= 0
        return data

    unseal = seal


class Ledger:
    """A state machine: the commands, in order."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.indexes: list[int] = []
        self.installed = 0
        #: a command of a version that is newer than this machine's
        self.unknown: bytes | None = None

    def apply(self, index: int, command: bytes) -> bytes:
        if command == self.unknown:
            raise StateError("written by a newer version")
        if command == b"poison":
            raise ValueError("this command never works")
        self.commands.append(command)
        self.indexes.append(index)
        return b"%d:%s" % (len(self.commands), command[:16])

    def snapshot(self) -> Iterable[bytes]:
        return iter(list(self.commands))

    def install(self, index: int, chunks: Iterable[bytes]) -> None:
        self.commands, self.installed = list(chunks), index


class Node:
    """One machine: its disk lives longer than its member."""

    def __init__(self, cluster: "Cluster", me: RaftID, disk: MemoryDisk, seed: int) -> None:
        self.cluster, self.me, self.disk = cluster, me, disk
        self.random = SeededRandom(seed)
        self.start()

    def start(self) -> None:
        self.ledger = Ledger()
        ports = RaftPorts(
            clock=LoopClock(),
            random=self.random,
            disk=self.disk,
            sealer=PlainSealer(),
            dial=self._dial,
        )
        self.member = Member(self.me, ports, self.ledger, self.cluster.config)
        self.task = asyncio.get_running_loop().create_task(self.member.run())

    async def _dial(self, to: RaftID) -> Connection:
        return self.cluster.connect(self.me, to)

    async def stop(self) -> None:
        """Killed: whatever was not synced is lost."""
        self.task.cancel()
        await asyncio.wait([self.task])
        self.disk.crash()

    @property
    def leads(self) -> bool:
        return self.member.status().is_leader


class Cluster:
    def __init__(self, config: RaftConfig = CONFIG, seed: int = 1) -> None:
        self.config, self.seed = config, seed
        self.nodes: dict[RaftID, Node] = {}
        self.cut: set[frozenset[RaftID]] = set()
        self._served: list[asyncio.Task[Any]] = []
        self._connections: list[tuple[frozenset[RaftID], Connection]] = []

    # ---- network ----------------------------------------------------------------------------------

    def connect(self, a: RaftID, b: RaftID) -> Connection:
        both = frozenset((a, b))
        if both in self.cut or self.nodes[b].task.done():
            raise ConnectionError(f"{b} does not answer")
        near, far = pair()
        self._connections.append((both, near))
        loop = asyncio.get_running_loop()
        self._served.append(loop.create_task(self.nodes[b].member.attach(a, far)))
        return near

    def isolate(self, node: Node) -> None:
        for other in self.nodes:
            if other != node.me:
                self.cut.add(frozenset((node.me, other)))
        for both, connection in self._connections:
            if both in self.cut:
                connection.close()

    def heal(self) -> None:
        self.cut.clear()

    # ---- members ----------------------------------------------------------------------------------

    def found(self) -> Node:
        disk, random = MemoryDisk(), SeededRandom(self.seed)
        return self._add(identity.bootstrap(disk, PlainSealer(), random, self.config), disk)

    def join(self) -> Node:
        self.seed += 1
        disk, random = MemoryDisk(), SeededRandom(self.seed)
        return self._add(identity.join(disk, PlainSealer(), random, self.config), disk)

    def _add(self, me: RaftID, disk: MemoryDisk) -> Node:
        node = self.nodes[me] = Node(self, me, disk, self.seed)
        return node

    async def grow(self, count: int) -> list[Node]:
        """`count` voters, the founder first."""
        first = self.found()
        await until(lambda: first.leads)
        nodes = [first]
        while len(nodes) < count:
            node = self.join()
            await first.member.add_learner(node.me)
            await self.promote(first, node)
            nodes.append(node)
        return nodes

    async def promote(self, leader: Node, node: Node) -> None:
        def is_voter() -> bool:
            return node.member.status().is_voter

        async with asyncio.timeout(20):
            while not is_voter():
                try:
                    await leader.member.promote(node.me)
                except NotLeaderError:
                    raise
                except Exception:
                    await asyncio.sleep(0.05)
                else:
                    await until(is_voter)

    async def leader(self) -> Node:
        def leading() -> list[Node]:
            return [n for n in self.nodes.values() if n.leads and not n.task.done()]

        await until(leading)
        return max(leading(), key=lambda n: n.member.status().term)

    async def settle(self) -> None:
        """Everybody has applied what the leader has."""
        leader = await self.leader()
        index = leader.member.status().last_index
        running = [node for node in self.nodes.values() if not node.task.done()]
        await until(lambda: all(node.member.status().applied >= index for node in running))
