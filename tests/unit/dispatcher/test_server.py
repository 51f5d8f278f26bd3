"""The dispatcher's streams: who is woken, and when they end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

import msgspec
import pytest

from swarmd.dispatcher.server import Answer, Dispatcher
from swarmd.dispatcher.sessions import GRACE_PERIODS
from swarmd.errors import NoLeaderError
from swarmd.model.assignment import Heartbeat, SessionMessage, SessionRequest
from swarmd.model.ids import NodeID, RequestID
from swarmd.model.node import Node, NodeState
from swarmd.model.planeparts import PlaneChange
from swarmd.net.clock import SystemClock, SystemRandom
from swarmd.ports import Clock, Peer
from swarmd.store.entry import Change, PutCluster, PutNetwork, PutNode
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.wire.packed import pack, unpack
from tests.unit.dispatcher.cluster import Cluster
from tests.virtual import LoopClock, told

N1, N2 = NodeID("n1"), NodeID("n2")


class InstantLog:
    """A log whose every proposal is committed at once."""

    def __init__(self, store: Store) -> None:
        self._store, self._index = store, 0

    async def propose(self, command: bytes) -> bytes:
        self._index += 1
        return self._store.apply(self._index, command)

    async def barrier(self) -> int:
        return self._index

    def leading_term(self) -> int | None:
        return 1


class Gossip:
    """What gossip knows; ports are silent."""

    def __init__(self, dead: Iterable[NodeID] = ()) -> None:
        self._dead = list(dead)
        self.asked: asyncio.Queue[NodeID] = asyncio.Queue()

    def dead(self) -> Iterable[NodeID]:
        return self._dead

    async def ask(self, node: Node) -> Answer:
        self.asked.put_nowait(node.id)
        return Answer.SILENT


class Scene:
    """A leader's dispatcher over the records of three nodes."""

    def __init__(self, gossip: Gossip, clock: Clock) -> None:
        self.store = Store(clock, "n1")
        self.dispatcher = Dispatcher(self.store, clock, SystemRandom(), 1, gossip)
        self._made = Cluster(nodes=3)
        self._made.think()

    async def write(self, *changes: Change) -> None:
        write = Write(request_id=RequestID(""), principal="test", decide=lambda *_: changes)
        await self.store.write(write)

    async def fill(self) -> None:
        """The records."""
        tables = self._made.tables
        assert tables.cluster is not None
        await self.write(
            PutCluster(record=tables.cluster),
            *(PutNetwork(record=network) for network in tables.networks().values()),
            *(PutNode(record=node) for node in tables.nodes().values()),
        )

    async def session(self, node_id: NodeID) -> tuple[AsyncGenerator[bytes, None], str]:
        """A new one, and its id."""
        node = self.store.view().node(node_id)
        assert node is not None
        assert node.description is not None
        request = SessionRequest(description=node.description, engine_reachable=True)
        stream = self.dispatcher.session(_peer(node_id), pack(request))
        message = unpack(await anext(stream), SessionMessage)
        return stream, message.session_id

    async def planes(self, node_id: NodeID, session_id: str) -> AsyncGenerator[bytes, None]:
        """A stream that was read up to now."""
        stream = self.dispatcher.data_plane(_peer(node_id), session_id.encode())
        while unpack(await anext(stream), PlaneChange).has_more:
            pass
        return stream


def _peer(node_id: NodeID) -> Peer:
    return Peer(node_id=node_id, role="worker", cluster_id="cluster", host="10.77.0.9")


@asynccontextmanager
async def leading(gossip: Gossip | None = None, clock: Clock | None = None) -> AsyncIterator[Scene]:
    scene = Scene(gossip or Gossip(), clock or SystemClock())
    async with asyncio.TaskGroup() as group:
        storing = group.create_task(scene.store.run(InstantLog(scene.store)))
        await scene.fill()
        dispatching = group.create_task(scene.dispatcher.run())
        yield scene
        dispatching.cancel()
        storing.cancel()


async def test_a_second_registration_ends_all_streams_of_the_first_session() -> None:
    """An agent that was cut off comes back; nothing else may change for a long time."""
    async with leading() as scene:
        first, session_id = await scene.session(N1)
        plane = await scene.planes(N1, session_id)
        async with asyncio.TaskGroup() as group:
            registering = group.create_task(scene.session(N1))
            assert await anext(plane, None) is None
            assert await anext(first, None) is None
        second, _ = registering.result()
        await second.aclose()


async def test_a_new_leader_asks_after_nodes_that_died_before_its_term() -> None:
    """The former leader's host lost power: gossip knew it before the election was over."""
    gossip = Gossip(dead=[N2])
    async with leading(gossip):
        assert await gossip.asked.get() == N2


async def test_a_node_that_is_down_already_is_not_asked_after() -> None:
    gossip = Gossip(dead=[N2, NodeID("n3")])
    scene = Scene(gossip, SystemClock())
    async with asyncio.TaskGroup() as group:
        storing = group.create_task(scene.store.run(InstantLog(scene.store)))
        await scene.fill()
        node = scene.store.view().node(N2)
        assert node is not None
        status = msgspec.structs.replace(node.status, state=NodeState.DOWN)
        await scene.write(PutNode(record=msgspec.structs.replace(node, status=status)))
        dispatching = group.create_task(scene.dispatcher.run())
        assert await gossip.asked.get() == "n3"
        dispatching.cancel()
        storing.cancel()


async def test_streams_of_the_data_plane_end_with_the_term() -> None:
    async with leading() as scene:
        stream, session_id = await scene.session(N1)
        plane = await scene.planes(N1, session_id)
        async with asyncio.TaskGroup() as group:
            group.create_task(_end(scene.dispatcher))
            with pytest.raises(NoLeaderError):
                await anext(plane)
        await stream.aclose()


async def _end(dispatcher: Dispatcher) -> None:
    dispatcher.end()


@pytest.mark.parametrize("seed", range(8))
def test_a_beat_that_came_with_the_tick_is_heard_before_anybody_is_judged(seed: int) -> None:
    """The leader was busy: what wakes it finds a deadline passed and the beat beside it."""

    async def story() -> None:
        async with leading(clock=LoopClock()) as scene:
            stream, session_id = await scene.session(N1)
            beat = pack(Heartbeat(session_id=session_id, engine_reachable=True))
            await asyncio.sleep(GRACE_PERIODS * 5.0)
            await scene.dispatcher.heartbeat(_peer(N1), beat)
            await asyncio.sleep(1.0)
            node = scene.store.view().node(N1)
            assert node is not None
            assert node.status.state is NodeState.READY
            await stream.aclose()

    told(story(), seed=seed)
