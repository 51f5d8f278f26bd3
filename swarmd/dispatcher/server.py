"""The dispatcher: the leader's side of the agents' sessions.

Made anew for each term in which this manager leads.  It answers agents' calls, writes what they
report, tells each node what changed for it, and finds out who is down (`sessions`, with gossip as
the second witness).  Decisions are the cores'; here is only their I/O.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Protocol

from swarmd.dispatcher.assignments import AssignmentFeed
from swarmd.dispatcher.logs import LogBroker, SubscriptionFeed
from swarmd.dispatcher.nodes import (
    ENGINE_AWAY,
    described,
    down,
    engine_health,
    registered,
    without_engine,
)
from swarmd.dispatcher.plane import PlaneFeed, PlaneLog
from swarmd.dispatcher.sessions import CONFIRM_S, TICK_S, Sessions
from swarmd.dispatcher.statuses import accepted
from swarmd.errors import NoLeaderError, NotPermittedError, SwarmError
from swarmd.lib.bell import Bell
from swarmd.model.assignment import (
    Assignments,
    Heartbeat,
    LogBatch,
    LogSubscription,
    ManagerAddress,
    SessionMessage,
    SessionRequest,
    StatusReport,
)
from swarmd.model.ids import NodeID, RequestID, id_of
from swarmd.model.node import Node, NodeDescription, NodeState
from swarmd.ports import Clock, Peer, Random, Timestamp
from swarmd.store.apply import Touched
from swarmd.store.entry import Change, Kind
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View
from swarmd.wire.packed import pack, unpack

log = logging.getLogger(__name__)

PRINCIPAL = "dispatcher"


class Answer(Enum):
    """What the port of a node said when it was asked whether it lives."""

    ALIVE = "alive"
    #: the host refused the connection: only the daemon is gone
    REFUSED = "refused"
    SILENT = "silent"


class Witness(Protocol):
    """Who else can tell whether a node lives."""

    def dead(self) -> Iterable[NodeID]:
        """Nodes that gossip calls dead, now."""
        ...

    async def ask(self, node: Node) -> Answer:
        """What its port says; takes CONFIRM_S at most."""
        ...


#: Node → events, in the order in which they came: a set of them would be woken in any order.
_Events = dict[NodeID, dict[asyncio.Event, None]]


class Dispatcher:
    """One term's sessions."""

    def __init__(
        self, store: Store, clock: Clock, random: Random, term: int, witness: Witness
    ) -> None:
        self._store, self._clock, self._random, self._term = store, clock, random, term
        self._witness = witness
        self._sessions = Sessions(_period_s(store.view()))
        self.logs = LogBroker()
        self.logs.on_change = self._wake_everybody
        #: node → set when something changed that its streams may have to tell
        self._events: _Events = {}
        #: the same for the data plane, which tasks anywhere may change
        self._plane_events: _Events = {}
        self._planes = PlaneLog()
        #: all that is there is to be learned: taking office
        self._to_learn = Bell()
        #: set when sessions may be told of the data plane
        self._has_learned = asyncio.Event()
        #: nodes that are to be told something, news or not, so that they answer with a beat
        self._probed: set[NodeID] = set()
        self._is_over = False
        self._suspected: asyncio.Queue[NodeID] = asyncio.Queue()

    # ---- the loop

    async def run(self) -> None:
        """Until cancelled."""
        view = self._store.view()
        alive = [n.id for n in view.nodes().values() if n.status.state is not NodeState.DOWN]
        self._sessions.takeover(alive, self._clock.monotonic())
        # The former leader died before this term began, so of its death there will be no news.
        for node_id in self._witness.dead():
            self.suspect(node_id)
        unwatch = self._store.watch(self._on_change)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._expire())
                group.create_task(self._learn())
                while True:
                    node_id = await self._suspected.get()
                    group.create_task(self._confirm(node_id))
        finally:
            unwatch()

    def end(self) -> None:
        """The term is over: every stream ends with NoLeaderError."""
        self._is_over = True
        self._has_learned.set()
        self._wake_everybody()

    def suspect(self, node_id: NodeID) -> None:
        """Gossip calls the node dead."""
        self._suspected.put_nowait(node_id)

    async def _confirm(self, node_id: NodeID) -> None:
        node = self._store.view().node(node_id)
        if node is None or node.status.state is NodeState.DOWN:
            return
        asked_at = self._clock.monotonic()
        self._probed.add(node_id)
        self._wake(node_id)
        answer = await self._witness.ask(node)
        remaining = asked_at + CONFIRM_S - self._clock.monotonic()
        await asyncio.sleep(max(0.0, remaining))
        log.info("node suspected", extra={"node": node_id, "answer": answer.value})
        if answer is Answer.SILENT:
            self._sessions.confirmed_dead(node_id, asked_at, self._clock.monotonic())

    async def _expire(self) -> None:
        was_in_doubt = False
        while True:
            await asyncio.sleep(TICK_S)
            # Beats that lie in the sockets are handled before anybody is judged by their absence.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            expired = self._sessions.expire(self._clock.monotonic())
            if self._sessions.is_in_doubt and not was_in_doubt:
                log.warning("too many nodes silent at once: the fault may be here, waiting")
            was_in_doubt = self._sessions.is_in_doubt
            gone = [(one.node_id, one.cause.value) for one in expired]
            view = self._store.view()
            self._sessions.period_s = _period_s(view)
            gone += [(node_id, ENGINE_AWAY) for node_id in without_engine(view, self._store.now())]
            for node_id, cause in gone:
                log.warning("node down", extra={"node": node_id, "cause": cause})
                await self._write_retried(partial(_down, node_id, cause))

    async def _write_retried(self, decide: Callable[[View, Timestamp], Sequence[Change]]) -> None:
        """What must be written as long as this manager leads."""
        while True:
            try:
                await self._write(decide)
            except SwarmError as error:
                log.info("not written", extra={"reason": str(error)})
                await asyncio.sleep(TICK_S)
            else:
                return

    async def _write(self, decide: Callable[[View, Timestamp], Sequence[Change]]) -> None:
        write = Write(request_id=RequestID(""), principal=PRINCIPAL, decide=decide)
        await self._store.write(write)

    # ---- who is told

    def _on_change(self, touched: Sequence[Touched] | None) -> None:
        if touched is None:
            self._to_learn.ring()
            self._wake_everybody()
            return
        if self._planes.changed(self._store.view(), touched):
            self._wake_planes()
        if any(one.kind is Kind.CLUSTER for one in touched):
            self._wake_everybody()
            return
        for one in touched:
            if one.kind is Kind.NODE:
                self._wake_everybody()  # the list of managers may have changed
                return
            if one.node_id and not one.is_status:
                self._wake(one.node_id)

    def _wake_everybody(self) -> None:
        for node_id in self._events:
            self._wake(node_id)
        self._wake_planes()

    def _wake(self, node_id: NodeID) -> None:
        for event in self._events.get(node_id, ()):
            event.set()

    def _wake_planes(self) -> None:
        for events in self._plane_events.values():
            for event in events:
                event.set()

    async def _learn(self) -> None:
        """Follow the data plane from what is there now; others have their turn meanwhile."""
        self._to_learn.ring()
        while True:
            await self._to_learn.wait()
            for _ in self._planes.learn(self._store.view()):
                await asyncio.sleep(0)
            self._has_learned.set()
            self._wake_planes()

    # ---- what agents call

    async def session(self, peer: Peer, payload: bytes) -> AsyncGenerator[bytes, None]:
        """SessionRequest → SessionMessages."""
        request = unpack(payload, SessionRequest)
        node_id = NodeID(peer.node_id)
        session_id = id_of(self._random.token(16))
        old = self._sessions.register(node_id, session_id, self._clock.monotonic())
        if old:
            # Its streams find that they are not current any more, and end.
            self._wake(node_id)
            for event in self._plane_events.get(node_id, ()):
                event.set()
        await self._write(lambda view, now: registered(view, node_id, request, peer.host, now))
        log.info("session began", extra={"node": node_id, "session": session_id})
        told: SessionMessage | None = None
        async for _ in self._changes(node_id, session_id):
            message = self._message(node_id, session_id)
            if message is not None and (message != told or node_id in self._probed):
                self._probed.discard(node_id)
                told = message
                yield pack(message)

    async def heartbeat(self, peer: Peer, payload: bytes) -> bytes:
        """Heartbeat → empty.  NotPermittedError: register anew."""
        beat = unpack(payload, Heartbeat)
        node_id = NodeID(peer.node_id)
        if not self._sessions.beat(node_id, beat.session_id, self._clock.monotonic()):
            raise NotPermittedError("session invalid")
        node = self._store.view().node(node_id)
        if node is not None and node.status.engine_reachable != beat.engine_reachable:
            await self._write(
                lambda view, now: engine_health(view, node_id, beat.engine_reachable, now)
            )
        return b""

    async def goodbye(self, peer: Peer, payload: bytes) -> bytes:
        """Heartbeat → empty: the agent stops, and means to come back."""
        beat = unpack(payload, Heartbeat)
        now = self._clock.monotonic()
        self._sessions.leave(NodeID(peer.node_id), beat.session_id, now)
        return b""

    async def describe(self, peer: Peer, payload: bytes) -> bytes:
        """NodeDescription → empty."""
        description = unpack(payload, NodeDescription)
        node_id = NodeID(peer.node_id)
        await self._write(lambda view, _: described(view, node_id, description))
        return b""

    async def report(self, peer: Peer, payload: bytes) -> bytes:
        """StatusReport → empty, once committed."""
        report = unpack(payload, StatusReport)
        node_id = NodeID(peer.node_id)
        self._check(node_id, report.session_id)
        await self._write(lambda view, _: list(accepted(view, node_id, report.updates)))
        return b""

    async def assignments(self, peer: Peer, payload: bytes) -> AsyncGenerator[bytes, None]:
        """Session id → Assignments."""
        node_id, session_id = NodeID(peer.node_id), payload.decode()
        self._check(node_id, session_id)
        feed = AssignmentFeed(node_id, self._term)
        async for _ in self._changes(node_id, session_id):
            message: Assignments | None = feed.next(self._store.view())
            if message is not None:
                yield pack(message)

    async def data_plane(self, peer: Peer, payload: bytes) -> AsyncGenerator[bytes, None]:
        """Session id → PlaneChanges."""
        node_id, session_id = NodeID(peer.node_id), payload.decode()
        self._check(node_id, session_id)
        feed = PlaneFeed(node_id, self._planes)
        await self._has_learned.wait()
        async for _ in self._changes(node_id, session_id, self._plane_events):
            for message in feed.next(self._store.view()):
                yield message
                await asyncio.sleep(0)  # a whole plane may be large

    async def log_subscriptions(self, peer: Peer, payload: bytes) -> AsyncGenerator[bytes, None]:
        """Session id → LogSubscriptions."""
        node_id, session_id = NodeID(peer.node_id), payload.decode()
        self._check(node_id, session_id)
        feed = SubscriptionFeed()
        async for _ in self._changes(node_id, session_id):
            news: list[LogSubscription] = feed.next(self.logs.wanted(self._store.view(), node_id))
            for one in news:
                yield pack(one)

    async def publish_logs(self, peer: Peer, payload: bytes) -> bytes:
        """LogBatch → b"1" while somebody reads."""
        batch = unpack(payload, LogBatch)
        view = self._store.view()
        for message in batch.messages:
            task = view.task(message.task_id)
            if task is not None and task.node_id != peer.node_id:
                raise NotPermittedError(f"task {task.id} is not assigned to node {peer.node_id}")
        return b"1" if await self.logs.publish(batch) else b""

    # ---- helpers

    def _check(self, node_id: NodeID, session_id: str) -> None:
        if not self._sessions.is_current(node_id, session_id):
            raise NotPermittedError("session invalid")

    async def _changes(
        self, node_id: NodeID, session_id: str, events: _Events | None = None
    ) -> AsyncGenerator[None, None]:
        """Now, and whenever something may have changed for the node, while the session is current."""
        event = asyncio.Event()
        events = self._events if events is None else events
        events.setdefault(node_id, {})[event] = None
        try:
            while self._sessions.is_current(node_id, session_id):
                if self._is_over:
                    raise NoLeaderError
                yield
                await event.wait()
                event.clear()
        finally:
            del events[node_id][event]
            if not events[node_id]:
                del events[node_id]

    def _message(self, node_id: NodeID, session_id: str) -> SessionMessage | None:
        view = self._store.view()
        node, cluster = view.node(node_id), view.cluster
        if node is None or cluster is None:
            return None
        return SessionMessage(
            session_id=session_id,
            term=self._term,
            cluster_id=cluster.id,
            managers=managers_of(view),
            heartbeat_period_s=_period_s(view),
            role=node.role,
            availability=node.spec.availability,
            trusted=cluster.root_certificate,
            gossip_keys=cluster.gossip_keys,
        )


def _down(node_id: NodeID, message: str, view: View, now: Timestamp) -> Sequence[Change]:
    return down(view, node_id, message, now)


def managers_of(view: View) -> tuple[ManagerAddress, ...]:
    """Everybody whom an agent may ask for the leader."""
    return tuple(
        ManagerAddress(node_id=n.id, raft_id=n.member.raft_id, address=n.member.address)
        for n in view.nodes().values()
        if n.member is not None
    )


def _period_s(view: View) -> float:
    """Between two heartbeats; no less than deadlines are looked at, whatever the operator asks for."""
    period_s = view.cluster.spec.dispatcher.heartbeat_period / 1e9 if view.cluster else 5.0
    return max(period_s, TICK_S)
