"""The daemon: in a swarm or not, it answers Docker's API and looks after one node at most.

It implements what the API's handlers need (`api.cluster.Cluster`, `api.leader.Leadership`).  Below
HTTP it is the same in production and in the simulator.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import msgspec

from swarmd.agent.loop import leave as agent_leave
from swarmd.api.cluster import SelectTasks
from swarmd.api.nouns import Nouns
from swarmd.daemon import joining, methods, starting
from swarmd.daemon.addresses import interfaces, manager_address, resolve, resolve_data_path
from swarmd.daemon.identity import Identity, load, save, wipe
from swarmd.daemon.manager import Manager
from swarmd.daemon.node import Node, NodeSettings
from swarmd.daemon.ports import Ports
from swarmd.errors import (
    BadRequestError,
    EngineError,
    NoLeaderError,
    NotManagerError,
    StateError,
    SwarmError,
    UnavailableError,
)
from swarmd.lib.tasks import leaves
from swarmd.model.assignment import LogBatch, LogOptions
from swarmd.model.ids import NodeID, RequestID, Version, id_of
from swarmd.model.node import Role
from swarmd.overlay.carry import look_at_links
from swarmd.overlay.clash import host_subnets
from swarmd.ports import Address, CertificateFacts, Credentials, Seconds, Timestamp
from swarmd.raft import identity as raft_identity
from swarmd.raft.interface import CorruptError
from swarmd.raft.seal import KeySealer
from swarmd.store.entry import Change
from swarmd.store.sequencer import Write
from swarmd.store.view import View
from swarmd.wire.errors import IS_STARTING, IS_WORKER, NOT_IN_SWARM
from swarmd.wire.node import ManagerStatus
from swarmd.wire.swarm import InitRequest, JoinRequest, Standing

log = logging.getLogger(__name__)

#: `init` and `join` answer after this at the latest (swarmRequestTimeout); `join` goes on.
READY_S: Seconds = 20.0
REJOIN = (
    "this manager must not act on what is left of the swarm's log: on another manager, `node demote` "
    "and `node rm --force` this node, then move its state directory away and join anew; if it was "
    "the only manager, restore the state directory from a backup"
)
STILL_JOINING = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the "
    'background. Use the "docker info" command to see the current swarm status of your node.'
)
RETIRE_CALL_S: Seconds = 5.0


class Daemon:
    """One daemon on one machine."""

    def __init__(
        self, ports: Ports, settings: NodeSettings, *, default_advertise_address: str = ""
    ) -> None:
        self._ports, self._settings = ports, settings
        self._default_advertise = default_advertise_address
        self.nouns = Nouns(self, self)
        self.node: Node | None = None
        #: why the node could not run, for `info`
        self._error = ""
        #: a node that is to be run; set by init, join and the start
        self._next: asyncio.Queue[Node] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None
        #: set when the node has a session with a leader
        self._ready = asyncio.Event()
        #: set, and replaced, when something changed that somebody may wait for
        self._news = asyncio.Event()
        self._changing = asyncio.Lock()
        #: a client waits for the node to come up: what stops it is for that client, not for us
        self._is_tried = False
        #: the files are of a `swarm init` that nobody was told of
        self._is_left_over = False

    # ---- life

    async def start(self) -> None:
        """Look whether the daemon can run here.  Raises StateError, with all files as they were."""
        disk = self._ports.disk
        identity = await disk.run(lambda: load(disk))
        info = await starting.reach(self._ports.engine)
        self._is_left_over = identity is not None and identity.is_founding
        if identity is None or identity.is_founding:
            if starting.is_in_swarm_mode(info):
                log.warning("no swarm is possible here", extra={"reason": starting.SWARM_MODE})
            return
        if starting.is_in_swarm_mode(info):
            raise StateError(starting.SWARM_MODE)
        listen = Address(identity.listen_address)
        await starting.check_ports(self._ports.network, listen, lambda: identity.credentials)
        self._begin(identity)

    async def run(self) -> None:
        """After `start`, until cancelled.

        Raises StateError or OSError when the node cannot go on: its files, its disk or its port are
        at fault, and a new start finds out whether they still are.
        """
        if self._is_left_over:
            async with self._changing:
                log.warning("founding a swarm was interrupted: it never happened")
                await self._ports.disk.run(lambda: wipe(self._ports.disk))
        async with asyncio.TaskGroup() as group:
            while True:
                node = await self._next.get()
                if node is self.node:  # else it was ended before it ran
                    self._running = group.create_task(self._run_node(node))

    async def _run_node(self, node: Node) -> None:
        try:
            await node.run()
        except (StateError, OSError, ExceptionGroup) as error:
            first = leaves(error)[0]
            if isinstance(first, CorruptError):
                raise StateError(f"{first} ({REJOIN})") from error
            if not self._is_tried or not isinstance(first, StateError | OSError):
                raise
            self._error = str(first)
            self._tell()
            log.warning("node stopped", extra={"reason": first})

    def _begin(self, identity: Identity) -> Node:
        self._ready.clear()
        self._error = ""
        node = Node(identity, self._ports, self._settings, self._on_session)
        node.managing.follow, node.managing.told = self.nouns.events.follow, self._tell
        node.forward = lambda _peer, payload: self.nouns.forwarder.serve(payload)
        self.node = node
        self._next.put_nowait(node)
        return node

    async def _end(self) -> None:
        """Stop the node and wait until it has stopped."""
        running, self._running, self.node = self._running, None, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def goodbye(self) -> None:
        """Before a graceful stop."""
        if self.node is not None:
            await self.node.goodbye()

    # ---- api.cluster.Cluster

    def standing(self) -> Standing:
        """See `Cluster`."""
        node = self.node
        if node is None:
            return Standing(state="inactive")
        identity = node.identity
        manager = node.managing.manager
        is_manager = manager is not None and manager.store.view().cluster is not None
        state = "active" if is_manager or self._ready.is_set() else "pending"
        if self._error:
            state = "error"
        return Standing(
            state=state,
            is_manager=is_manager,
            error=self._error,
            node_id=identity.node_id,
            node_address=identity.host,
            managers=identity.managers,
            warnings=node.planes.warnings,
        )

    def require_manager(self) -> None:
        """See `Cluster`."""
        if self.node is None:
            raise NotManagerError(NOT_IN_SWARM)
        if self.node.managing.manager is None:
            is_worker = self.node.identity.role is Role.WORKER
            raise NotManagerError(IS_WORKER if is_worker else IS_STARTING)

    def _manager(self) -> Manager:
        self.require_manager()
        assert self.node is not None
        manager = self.node.managing.manager
        assert manager is not None
        return manager

    def view(self) -> View:
        """See `Cluster`."""
        return self._manager().store.view()

    def root_facts(self) -> CertificateFacts:
        """See `Cluster`."""
        cluster = self.view().cluster
        if cluster is None:
            raise NoLeaderError
        return self._ports.crypto.facts(cluster.root_certificate)

    async def write(self, write: Write) -> Version:
        """See `Cluster`."""
        return await self._manager().store.write(write)

    def manager_statuses(self) -> Mapping[NodeID, ManagerStatus]:
        """See `Cluster`."""
        manager = self._manager()
        status = manager.raft.status()
        members = {member.id: member for member in status.members}
        statuses = {}
        for node in self.view().nodes().values():
            if node.member is None or node.member.is_learner:
                continue
            member = members.get(node.member.raft_id)  # type: ignore[call-overload]  # RaftID is a str
            is_self = node.member.raft_id == status.id
            statuses[node.id] = ManagerStatus(
                is_leader=node.member.raft_id == status.leader,
                is_reachable=is_self or (member is not None and member.is_connected),
            )
        return statuses

    def token(self, size_bytes: int) -> bytes:
        """See `Cluster`."""
        return self._ports.random.token(size_bytes)

    async def read_logs(
        self, select: SelectTasks, options: LogOptions
    ) -> AsyncGenerator[LogBatch, None]:
        """See `Cluster`."""
        leading = self._manager().leading
        if leading is None:
            raise NoLeaderError
        identity = id_of(self.token(16))
        reading = leading.dispatcher.logs.read(identity, select, options)
        try:
            async for batch in reading:
                if self._manager().leading is not leading:
                    raise NoLeaderError
                yield batch
        finally:
            await reading.aclose()

    async def init(self, request: InitRequest) -> NodeID:
        """See `Cluster`."""
        async with self._changing:
            await self._check_engine()
            listen, advertise, data_path = await self._addresses(request)
            await self._check_new_ports(listen)
            founding = joining.Founding(
                spec=request.spec,
                listen_address=listen,
                advertise_address=advertise,
                data_path_address=data_path,
                data_path_port=request.data_path_port or 4789,
                availability=request.availability,
                default_addr_pool=request.default_addr_pool or ("10.0.0.0/8",),
                subnet_size=request.subnet_size or 24,
            )
            node_id = await self._found(founding)
        await self._await_session()
        return node_id

    async def _await_session(self) -> None:
        """The new swarm's first node is described when its founder is answered, and can be used."""
        try:
            async with asyncio.timeout(READY_S):
                await self._until(self._has_session)
        except TimeoutError:
            log.warning("the swarm is founded, but this node is not yet of use")

    def _has_session(self) -> bool:
        """Raises UnavailableError if something has stopped the node."""
        self._check_running()
        return self._ready.is_set()

    async def _found(self, founding: joining.Founding) -> NodeID:
        ports = self._ports
        identity, cluster = joining.found(founding, ports)
        subnets = host_subnets((await look_at_links(ports.kernel)).values())
        self._is_tried = True
        try:
            await ports.disk.run(lambda: save(ports.disk, identity))
            sealer, raft = KeySealer(ports.crypto, identity.raft_key), self._settings.raft
            raft_id = await ports.disk.run(
                lambda: raft_identity.bootstrap(ports.disk, sealer, ports.random, raft)
            )
            identity = msgspec.structs.replace(identity, raft_id=raft_id)
            node = self._begin(identity)
            async with asyncio.timeout(READY_S):
                await self._write_genesis(
                    node, lambda now: joining.genesis(identity, cluster, subnets, now)
                )
            await node.keep_for_good(msgspec.structs.replace(node.identity, is_founding=False))
        except (TimeoutError, SwarmError, OSError) as error:
            await self._undo()
            raise UnavailableError(f"the swarm could not be founded: {error}") from error
        except asyncio.CancelledError:
            await self._undo()  # the client went away, and was told of no swarm
            raise
        finally:
            self._is_tried = False
        return identity.node_id

    async def _write_genesis(
        self, node: Node, genesis: Callable[[Timestamp], Sequence[Change]]
    ) -> None:
        manager = await self._leading(node)
        await manager.store.write(
            Write(
                request_id=RequestID(id_of(self.token(16))),
                principal="init",
                decide=lambda view, now: () if view.cluster else genesis(now),
            )
        )

    async def _leading(self, node: Node) -> Manager:
        def leads() -> bool:
            self._check_running()
            manager = node.managing.manager
            return manager is not None and manager.is_leader()

        await self._until(leads)
        assert node.managing.manager is not None
        return node.managing.manager

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _on_session(self) -> None:
        self._ready.set()
        self._tell()

    async def join(self, request: JoinRequest) -> None:
        """See `Cluster`."""
        async with self._changing:
            await self._check_engine()
            listen, advertise, data_path = await self._addresses(request)
            await self._check_new_ports(listen)
            asked = joining.Joining(
                remote_addresses=tuple(map(manager_address, request.remote_addrs)),
                token=request.join_token,
                listen_address=listen,
                advertise_address=advertise,
                data_path_address=data_path,
                availability=request.availability,
            )
            identity = await joining.join(asked, self._ports)
            try:
                await self._ports.disk.run(lambda: save(self._ports.disk, identity))
            except OSError as error:
                await self._undo()
                raise UnavailableError(f"this node could not join the swarm: {error}") from error
            node = self._begin(identity)
        await self._await_joined(node)

    async def _await_joined(self, node: Node) -> None:
        self._is_tried = True
        try:
            async with asyncio.timeout(READY_S):
                await self._until(lambda: self._has_joined(node))
        except TimeoutError:
            raise UnavailableError(STILL_JOINING) from None
        except UnavailableError:
            async with self._changing:
                if self.node is node:
                    await self._undo()
            raise
        finally:
            self._is_tried = False

    def _has_joined(self, node: Node) -> bool:
        """Raises UnavailableError if something has stopped the node."""
        return self._has_session() and (
            node.identity.role is Role.WORKER or self.standing().is_manager
        )

    def _check_running(self) -> None:
        if self._error:
            raise UnavailableError(self._error)

    async def _undo(self) -> None:
        """It never was: no node, no files."""
        await self._end()
        await self._ports.disk.run(lambda: wipe(self._ports.disk))

    async def leave(self) -> None:
        """See `Cluster`."""
        async with self._changing:
            node = self.node
            if node is None:
                return
            try:
                await self._ports.engine.info()
            except EngineError as error:
                raise UnavailableError(
                    f"the node's containers cannot be removed: {error}; mend that, then leave again"
                ) from error
            leader = await self._goodbye(node)
            await self._end()
            await self._retire(node, leader)
            # From here on there is no way back: a node that is half gone would be of no use.
            try:
                await self._clear_away(node)
            finally:
                await self._ports.disk.run(lambda: wipe(self._ports.disk))

    async def _clear_away(self, node: Node) -> None:
        """Containers and networks of the swarm that was left; what resists is told to the operator."""
        ports, cluster_id = self._ports, node.identity.cluster_id
        try:
            await agent_leave(ports.engine, ports.disk, cluster_id)
            await node.planes.remove()
        except (EngineError, OSError) as error:
            log.error("traces of the swarm stayed", extra={"reason": error})  # noqa: TRY400  no trace needed

    async def _goodbye(self, node: Node) -> str:
        """Let others lead and know; the address of the leader, empty if none is known."""
        try:
            async with asyncio.timeout(RETIRE_CALL_S):
                manager = node.managing.manager
                if manager is not None and manager.is_leader():
                    if len(manager.raft.status().members) < 2:
                        return ""
                    await manager.raft.transfer()
                    raft = manager.raft
                    await self._until(lambda: not raft.leading_term() and bool(raft.leader))
                await node.goodbye()
                return manager.leader_address() if manager is not None else node.following.leader
        except (TimeoutError, SwarmError, ConnectionError) as error:
            log.info("left without a goodbye", extra={"reason": str(error)})
        return ""

    async def _retire(self, node: Node, leader: str) -> None:
        """Tell the leader that this node runs no more; best effort, the leader finds out anyway."""
        if not leader:
            return
        try:
            await node.links.call_once(leader, methods.RETIRE, b"", timeout_s=RETIRE_CALL_S)
        except (SwarmError, ConnectionError) as error:
            log.info("left without a word", extra={"reason": str(error)})

    async def _check_engine(self) -> None:
        """For a node that is to be: one that is there waits for its engine instead."""
        try:
            info = await self._ports.engine.info()
        except EngineError as error:
            raise UnavailableError(f"the node needs its engine: {error}") from error
        if starting.is_in_swarm_mode(info):
            raise BadRequestError(starting.SWARM_MODE)

    async def _check_new_ports(self, listen: Address) -> None:
        try:
            await starting.check_ports(self._ports.network, listen, Credentials)
        except StateError as error:
            raise UnavailableError(str(error)) from error

    async def _addresses(self, asked: InitRequest | JoinRequest) -> tuple[Address, Address, str]:
        """Where to listen, what to tell the others, and where VXLAN's datagrams are to go."""
        system = interfaces((await self._ports.kernel.output("ip", "-j", "addr")).encode())
        listen, advertise = resolve(
            asked.listen_addr, asked.advertise_addr, self._default_advertise, system
        )
        return listen, advertise, resolve_data_path(asked.data_path_addr, system)

    # ---- api.leader.Leadership

    def is_leader(self) -> bool:
        """See `Leadership`."""
        return self._manager().is_leader()

    async def ask_leader(self, payload: bytes) -> AsyncGenerator[bytes, None]:
        """See `Leadership`."""
        manager = self._manager()
        assert self.node is not None
        manager.raft.check_room()  # the others lead on; nobody is to blame but this disk
        items = self.node.links.stream(manager.leader_address(), methods.FORWARD, payload)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    async def wait_applied(self, index: Version) -> None:
        """See `Leadership`."""
        await self._manager().store.wait_for(index)
