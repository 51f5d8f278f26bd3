"""What a manager adds to a node: the replicated store, and, while it leads, the leader's mind.

A term of leadership is one `Leading`, made anew; nothing of it outlives the term.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import msgspec

from swarmd.daemon import methods
from swarmd.daemon.authority import Authority
from swarmd.daemon.following import Directory
from swarmd.daemon.gossip_keys import GossipKeys
from swarmd.daemon.identity import Identity
from swarmd.daemon.links import Links
from swarmd.daemon.membership import Membership
from swarmd.daemon.ports import Ports
from swarmd.dispatcher.control.loop import ControlLoop
from swarmd.dispatcher.nodes import left
from swarmd.dispatcher.server import Dispatcher, Witness, managers_of
from swarmd.errors import NoLeaderError, NotFoundError, NotPermittedError, SwarmError
from swarmd.lib.tasks import supervise
from swarmd.model.assignment import ManagerAddress
from swarmd.model.ids import NodeID, RequestID
from swarmd.model.node import Member as MemberRecord
from swarmd.model.node import Role
from swarmd.net.serve import Handler
from swarmd.ports import Connection, Peer, Timestamp
from swarmd.raft.interface import NotLeaderError, RaftConfig, RaftID, RefusedError
from swarmd.raft.member import Member, RaftPorts
from swarmd.raft.seal import KeySealer
from swarmd.store.apply import Touched, touches
from swarmd.store.entry import Change, Kind, PutNode, level_of
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View
from swarmd.wire.packed import pack, unpack

log = logging.getLogger(__name__)

FORWARD_S = 20.0


class EnlistCall(msgspec.Struct, frozen=True, kw_only=True):
    """A node with a manager's certificate brings its disk into Raft."""

    raft_id: str
    address: str
    #: the newest records and fields that its swarmd understands
    feature_level: int


class RaftLog:
    """Raft as the store sees it: bytes in, and the errors that a client understands."""

    def __init__(self, raft: Member) -> None:
        self._raft = raft

    async def propose(self, command: bytes) -> bytes:
        """As `store.Log.propose`."""
        try:
            return await self._raft.propose(command)
        except RefusedError as error:
            raise _in_docker_s_words(error) from error

    async def barrier(self) -> int:
        """As `store.Log.barrier`."""
        try:
            return await self._raft.barrier()
        except RefusedError as error:
            raise _in_docker_s_words(error) from error

    def leading_term(self) -> int | None:
        """As `store.Log.leading_term`."""
        return self._raft.leading_term()


def _in_docker_s_words(error: RefusedError) -> SwarmError:
    return NoLeaderError() if isinstance(error, NotLeaderError) else error


class Leading:
    """One term in which this manager leads."""

    def __init__(
        self, store: Store, raft: Member, ports: Ports, term: int, witness: Witness
    ) -> None:
        self.term = term
        self.dispatcher = Dispatcher(store, ports.clock, ports.random, term, witness)
        self._control = ControlLoop(store)
        self._membership = Membership(store, raft)
        self._gossip_keys = GossipKeys(store, ports.random)
        self._uniform = ports.random.uniform

    async def run(self) -> None:
        """Until cancelled; a loop that fails is begun anew."""
        async with asyncio.TaskGroup() as group:
            for name, run in (
                ("control", self._control.run),
                ("dispatcher", self.dispatcher.run),
                ("membership", self._membership.run),
                ("gossip keys", self._gossip_keys.run),
            ):
                group.create_task(supervise(name, run, self._uniform))


class Manager:
    """The manager half of a node; runs until the node is no manager any more."""

    def __init__(
        self, identity: Identity, ports: Ports, links: Links, witness: Witness, config: RaftConfig
    ) -> None:
        self._identity, self._ports, self._links, self._witness = identity, ports, links, witness
        self.store = Store(ports.clock, identity.node_id)
        self.raft = Member(
            RaftID(identity.raft_id),
            RaftPorts(
                clock=ports.clock,
                random=ports.random,
                disk=ports.disk,
                sealer=KeySealer(ports.crypto, identity.raft_key),
                dial=self._dial,
            ),
            self.store,
            config,
        )
        self.authority = Authority(self.store, ports.crypto, self.call_leader)
        self.authority.is_leader = self.is_leader
        self.store.watch(self._follow_settings)
        self.leading: Leading | None = None
        self._changed = asyncio.Event()
        #: who led when that was last heard
        self._known_leader: RaftID | None = None
        #: told when who leads, what is applied, or this manager's office has changed
        self.told: Callable[[], None] = lambda: None
        #: managers that the store may not show yet
        self.known: Callable[[], Sequence[ManagerAddress]] = tuple
        #: the calls that only managers answer
        self.handlers = self._handlers()

    # ---- life

    async def run(self) -> None:
        """Until cancelled.  Raises what ends a raft member."""
        self.raft.subscribe(self._on_raft)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.raft.run())
            group.create_task(
                supervise(
                    "store",
                    lambda: self.store.run(RaftLog(self.raft)),
                    self._ports.random.uniform,
                )
            )
            group.create_task(supervise("leading", self._lead, self._ports.random.uniform))

    async def _lead(self) -> None:
        while True:
            term = await self._until_leading()
            leading = Leading(self.store, self.raft, self._ports, term, self._witness)
            log.info("leading", extra={"term": term})
            async with asyncio.TaskGroup() as group:
                # Everything that earlier leaders acknowledged is here before anything is decided.
                if not await self._has_caught_up(term):
                    continue
                self.leading = leading
                self.told()
                task = group.create_task(leading.run())
                try:
                    await self._until_deposed(term)
                finally:
                    self.leading = None
                    leading.dispatcher.end()
                    task.cancel()
            log.info("no longer leading", extra={"term": term})

    async def _has_caught_up(self, term: int) -> bool:
        """False if the term ended before; while no majority answers it is asked again."""
        while self.raft.leading_term() == term:
            try:
                await self.raft.barrier()
            except SwarmError as error:
                log.info("leader has not caught up", extra={"term": term, "reason": str(error)})
            else:
                return True
        return False

    async def _until_leading(self) -> int:
        while (term := self.raft.leading_term()) is None:
            self._changed.clear()
            await self._changed.wait()
        return term

    async def _until_deposed(self, term: int) -> None:
        while self.raft.leading_term() == term:
            self._changed.clear()
            await self._changed.wait()

    def _on_raft(self) -> None:
        """Calls at a deposed leader are given up for the new one: its host may have no power."""
        self._changed.set()
        leader = self.raft.leader
        if leader is not None and leader != self._known_leader:
            old = self._place_of(self._known_leader) if self._known_leader else None
            if old is not None:
                self._links.drop(old.address)
            self._known_leader = leader
        self.told()

    def _follow_settings(self, touched: Sequence[Touched] | None) -> None:
        """The operator's settings of Raft; the times of elections hold from start to end."""
        cluster = self.store.view().cluster
        if cluster is None or not touches(touched, Kind.CLUSTER):
            return
        settings = cluster.spec.raft
        self.raft.configure(
            snapshot_interval=settings.snapshot_interval,
            keep_entries=settings.log_entries_for_slow_followers,
            old_snapshots=settings.keep_old_snapshots,
        )

    # ---- who leads

    def is_leader(self) -> bool:
        """Whether this manager leads and has caught up."""
        return self.leading is not None

    def leader_address(self) -> str:
        """Where the leader listens.  Raises NoLeaderError."""
        leader = self.raft.leader
        place = self._place_of(leader) if leader else None
        if place is None:
            raise NoLeaderError
        return place.address

    async def call_leader(self, method: str, payload: bytes) -> bytes:
        """The same call at the leader.  Raises NoLeaderError, or what it raised."""
        if self.raft.leading_term() is not None:
            raise NoLeaderError  # not caught up yet
        return await self._links.call(
            self.leader_address(), method, payload, timeout_s=FORWARD_S, is_write=True
        )

    # ---- raft's connections

    def _place_of(self, raft_id: str) -> ManagerAddress | None:
        """Whose disk it is, and where; None if neither the records nor the last session tell."""
        places = (*managers_of(self.store.view()), *self.known())
        return next((place for place in places if place.raft_id == raft_id), None)

    async def _dial(self, raft_id: RaftID) -> Connection:
        place = self._place_of(raft_id)
        if place is None:
            raise NotFoundError("raft member", raft_id)
        connection = await self._links.dial(place.address, methods.RAFT, node_id=place.node_id)
        connection.send(self._identity.raft_id.encode())
        return connection

    async def attach(self, connection: Connection, claimed: str) -> None:
        """A peer's raft connection.  Raises NotPermittedError if that member is another node's.

        A member that nobody is known to have is believed: a follower that lags does not know the
        disk of a node that was promoted anew, and has to hear of it from that very node.
        """
        place, node_id = self._place_of(claimed), connection.peer.node_id
        if place is not None and place.node_id != node_id:
            raise NotPermittedError(
                f"node {node_id} claims to be raft member {claimed}, which is {place.node_id}"
            )
        await self.raft.attach(RaftID(claimed), connection)

    # ---- calls

    def _handlers(self) -> Mapping[str, Handler]:
        return {
            methods.ROOT: self.authority.root,
            methods.JOIN: self.authority.join,
            methods.RENEW: self.authority.renew,
            methods.MANAGERS: self._managers,
            methods.ENLIST: self._enlist,
            methods.RETIRE: self._retire,
            methods.HEARTBEAT: lambda p, b: self._dispatcher().heartbeat(p, b),
            methods.GOODBYE: lambda p, b: self._dispatcher().goodbye(p, b),
            methods.DESCRIBE: lambda p, b: self._dispatcher().describe(p, b),
            methods.REPORT: lambda p, b: self._dispatcher().report(p, b),
            methods.PUBLISH_LOGS: lambda p, b: self._dispatcher().publish_logs(p, b),
            methods.SESSION: self._stream(lambda d, p, b: d.session(p, b)),
            methods.ASSIGNMENTS: self._stream(lambda d, p, b: d.assignments(p, b)),
            methods.DATA_PLANE: self._stream(lambda d, p, b: d.data_plane(p, b)),
            methods.LOG_SUBSCRIPTIONS: self._stream(lambda d, p, b: d.log_subscriptions(p, b)),
        }

    def _dispatcher(self) -> Dispatcher:
        if self.leading is None:
            raise NoLeaderError
        return self.leading.dispatcher

    def _stream(
        self, start: Callable[[Dispatcher, Peer, bytes], AsyncGenerator[bytes, None]]
    ) -> Handler:
        """A stream of the present leader's; it ends with the term."""

        async def handler(peer: Peer, payload: bytes) -> AsyncGenerator[bytes, None]:
            leading = self.leading
            if leading is None:
                raise NoLeaderError
            items = start(leading.dispatcher, peer, payload)
            try:
                async for item in items:
                    yield item
            finally:
                await items.aclose()

        return handler

    async def _managers(self, _peer: Peer, _payload: bytes) -> bytes:
        try:
            leader = self.leader_address()
        except NoLeaderError:
            leader = ""
        return pack(Directory(leader=leader, managers=managers_of(self.store.view())))

    async def _enlist(self, peer: Peer, payload: bytes) -> bytes:
        if self.leading is None:
            raise NoLeaderError  # the leader wants to see the node's own certificate
        await self.enlist(peer.node_id, unpack(payload, EnlistCall))
        return b""

    async def enlist(self, node_id: str, call: EnlistCall) -> None:
        """Note in the node's record, as leader, which disk it brings and what it understands.

        Raises NotFoundError, NotPermittedError if the node may be no member, NoLeaderError.
        """

        def decide(view: View, _: Timestamp) -> Sequence[Change]:
            node = view.node(node_id)
            if node is None:
                raise NotFoundError("node", node_id)
            if node.role is not Role.MANAGER:  # demoted, and has not heard of it
                raise NotPermittedError(f"node {node_id} is no manager any more")
            _demand_level(view, node_id, call.feature_level)
            member = _member(node.member, call)
            if member == node.member:
                return ()
            return [PutNode(record=msgspec.structs.replace(node, member=member))]

        await self.store.write(Write(request_id=RequestID(""), principal=node_id, decide=decide))

    def is_enlisted(self, call: EnlistCall) -> bool:
        """Whether this node's record, as known here, says the same."""
        node = self.store.view().node(self._identity.node_id)
        member = None if node is None else node.member
        return member is not None and _member(member, call) == member

    async def _retire(self, peer: Peer, _payload: bytes) -> bytes:
        """The node has left: its member goes at once, and its tasks move."""
        if self.leading is None:
            raise NoLeaderError
        node_id = NodeID(peer.node_id)
        node = self.store.view().node(node_id)
        if node is not None and node.member is not None:
            await self.raft.remove(RaftID(node.member.raft_id))
        await self.store.write(
            Write(
                request_id=RequestID(""),
                principal=peer.node_id,
                decide=lambda view, now: left(view, node_id, now),
            )
        )
        return b""


def _member(known: MemberRecord | None, call: EnlistCall) -> MemberRecord:
    """What the record is to say: a disk that is known keeps its vote, another has yet to earn it."""
    if known is not None and known.raft_id == call.raft_id:
        return msgspec.structs.replace(known, feature_level=call.feature_level)
    return MemberRecord(
        raft_id=call.raft_id,
        address=call.address,
        is_learner=True,
        feature_level=call.feature_level,
    )


def _demand_level(view: View, node_id: str, level: int) -> None:
    """A manager that cannot read the log would stop at its first entry."""
    needed = level_of(view.cluster)
    if level < needed:
        raise NotPermittedError(
            f"the swarmd of node {node_id} is too old to be a manager of this swarm (it knows "
            f"feature level {level}, the swarm uses {needed}): upgrade it"
        )
