"""A node in a swarm: its port, gossip, agent, certificate, and the manager half while it is one."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from swarmd.agent.description import NodeFacts
from swarmd.agent.executor import NodeNetworks
from swarmd.agent.loop import Agent, AgentHooks, AgentPorts
from swarmd.ca.authorize import Authority, authority, authorize, authorize_server, has_ended
from swarmd.ca.renew import has_expired, renew_at
from swarmd.config import AgentConfig
from swarmd.daemon import methods
from swarmd.daemon.addresses import GOSSIP_PORT, gossip_address
from swarmd.daemon.authority import Issued, RenewCall
from swarmd.daemon.dataplane import DataPlanes
from swarmd.daemon.following import Following
from swarmd.daemon.identity import Identity, save
from swarmd.daemon.links import Links
from swarmd.daemon.managing import Managing
from swarmd.daemon.ports import Ports
from swarmd.daemon.withdrawals import TOLD_S, Withdrawn
from swarmd.daemon.witness import NodeWitness
from swarmd.dns.upstreams import Upstreams
from swarmd.errors import NotManagerError, SwarmError, UnavailableError
from swarmd.gossip.keyring import keyring
from swarmd.gossip.loop import Gossip, GossipPorts
from swarmd.gossip.messages import Member, Status
from swarmd.gossip.settings import DEFAULTS, GossipSettings
from swarmd.lib.bell import Bell
from swarmd.lib.tasks import supervise
from swarmd.model.assignment import ManagerAddress, SessionMessage
from swarmd.model.cluster import Cluster
from swarmd.model.dataplane import PlaneNode
from swarmd.model.ids import NodeID
from swarmd.model.node import Role, TLSInfo
from swarmd.net.addresses import join_address, split_address
from swarmd.net.serve import Handler, serve
from swarmd.ports import Address, Connection, Peer, Seconds
from swarmd.raft.interface import RaftConfig
from swarmd.wire.errors import IS_WORKER
from swarmd.wire.packed import pack, unpack

log = logging.getLogger(__name__)

RENEW_CALL_S = 15.0
RENEW_AGAIN_S = 5.0
#: Live connections are held against the clock and the removed nodes this often.
JUDGE_S = 1.0
#: So long may one without a certificate stay; a join takes half of it at most.
STRANGER_S: Seconds = 30.0
#: A disk that refused the identity is tried again so often.
SAVE_AGAIN_S: Seconds = 1.0


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is started with, beside its identity."""

    facts: NodeFacts
    #: name servers for names that are none of the cluster's
    upstreams: Upstreams = Upstreams()
    raft: RaftConfig = RaftConfig()
    agent: AgentConfig = AgentConfig()
    gossip: GossipSettings = DEFAULTS


class Node:
    """Runs from `swarm init` or `join` (or the daemon's start) until `leave`."""

    def __init__(
        self, identity: Identity, ports: Ports, settings: NodeSettings, ready: Callable[[], None]
    ) -> None:
        self.identity = identity
        self._ports, self._settings, self._ready = ports, settings, ready
        self.links = Links(ports.network, lambda: self.identity.credentials, self._judge_server)
        witness = NodeWitness(ports.network, lambda: self.identity, self._dead)
        self.managing = Managing(
            lambda: self.identity, self.keep_for_good, ports, self.links, witness, settings.raft
        )
        self.following = Following(
            self.links, lambda: self.identity, lambda: self.managing.manager, self._learn
        )
        #: to every node, not to managers alone
        self.peers = Links(ports.network, lambda: self.identity.credentials, self._judge_peer)
        self.planes = DataPlanes(
            ports,
            self.links,
            identity.node_id,
            settings.upstreams,
            self._tell_peer,
            on_host=self._host_changed,
        )
        self.agent = Agent(
            AgentPorts(
                engine=ports.engine, clock=ports.clock, random=ports.random, disk=ports.disk
            ),
            AgentHooks(
                connect=self.following.connect,
                facts=self._facts,
                networks=NodeNetworks(
                    ready=self.planes.networks_ready, led_away=self.planes.led_away
                ),
                on_session=self._on_session,
                on_local=self.planes.on_local,
                on_engine=self.planes.look,
            ),
            settings.agent,
            node_id=identity.node_id,
            cluster_id=identity.cluster_id,
        )
        self.gossip = self._new_gossip()
        #: the leader's newest word; None before the first session
        self.session: SessionMessage | None = None
        self._renew_now = asyncio.Event()
        #: rung when the disk does not have the present identity
        self._unsaved = Bell()
        #: open connections → when they were taken, on the monotonic clock
        self._connections: dict[Connection, Seconds] = {}
        #: what calls are judged by, and the record that it was made from
        self._rules = Authority(rules=methods.RULES, cluster_id=identity.cluster_id)
        self._rules_of: Cluster | None = None
        #: answers followers' requests; set by the daemon, which owns the API
        self.forward: Handler | None = None

    # ---- life

    async def run(self) -> None:
        """Until cancelled.  Raises OSError if the port cannot be bound, and what ends raft."""
        listener = await self._ports.network.listen(
            Address(self.identity.listen_address), lambda: self.identity.credentials, self._accept
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.managing.run())
                for name, run in (
                    ("links", self.links.run),
                    ("peers", self.peers.run),
                    ("gossip", self._gossip),
                    ("agent", self.agent.run),
                    ("certificate", self._renew),
                    ("connections", self._judge),
                    ("identity", self._save),
                    ("data plane", self.planes.run),
                ):
                    group.create_task(supervise(name, run, self._ports.random.uniform))
        finally:
            listener.close()
            for connection in list(self._connections):
                connection.close()

    async def goodbye(self) -> None:
        """Before a graceful stop: the others need not find out."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.agent.goodbye())
            group.create_task(self.gossip.leave())

    def _host_changed(self) -> None:
        self.agent.describe_anew()

    def _facts(self) -> NodeFacts:
        """What the daemon knows of its node, as of now: the root that it trusts may change."""
        root = self._ports.crypto.facts(self.identity.trusted)
        return msgspec.structs.replace(
            self._settings.facts,
            tls_info=TLSInfo(
                trust_root=self.identity.trusted,
                cert_issuer_subject=base64.b64encode(root.issuer_subject).decode(),
                cert_issuer_public_key=base64.b64encode(root.issuer_public_key).decode(),
            ),
            data_path_address=self.identity.data_path_address,
            subnets=self.planes.host_subnets,
        )

    def keep(self, identity: Identity) -> None:
        """Another identity from now on; soon after a restart as well.

        A full disk does not end a session: what the node needs it has in memory.
        """
        self.identity = identity
        self.managing.changed.set()
        self._unsaved.ring()

    async def keep_for_good(self, identity: Identity) -> None:
        """The same, and on the disk when it returns.  Raises OSError."""
        self.keep(identity)
        await self._ports.disk.run(partial(save, self._ports.disk, identity))

    async def _save(self) -> None:
        while True:
            await self._unsaved.wait()
            try:
                await self._ports.disk.run(partial(save, self._ports.disk, self.identity))
            except OSError as error:
                log.error("identity not written", extra={"reason": str(error)})  # noqa: TRY400
                self._unsaved.ring()
                await asyncio.sleep(SAVE_AGAIN_S)

    # ---- the port

    async def _accept(self, connection: Connection) -> None:
        self._connections[connection] = self._ports.clock.monotonic()
        try:
            purpose = await connection.receive()
            if purpose == methods.RPC:
                await serve(connection, self._handler, self._permit)
            elif purpose == methods.RAFT and self.managing.manager is not None:
                # By the certificate alone: a follower may not know yet that a leader was promoted.
                rules, now = self._authority(), self._ports.clock.wall()
                authorize(methods.STEP, connection.peer, rules, now)
                claimed = (await connection.receive()).decode("ascii", "replace")
                await self.managing.manager.attach(connection, claimed)
        except (ConnectionError, SwarmError) as error:
            log.debug("connection ended", extra={"reason": str(error)})
        finally:
            del self._connections[connection]
            connection.close()

    def _handler(self, method: str) -> Handler | None:
        if method == methods.FORWARD:
            return self.forward
        if method == methods.WITHDRAWN:
            return self.planes.withdrawn
        manager = self.managing.manager
        return None if manager is None else manager.handlers.get(method)

    async def _tell_peer(self, node: PlaneNode, withdrawn: Withdrawn) -> None:
        """Workers answer at the port that this node does."""
        port = split_address(Address(self.identity.advertise_address))[1]
        address = join_address(node.addresses[0], port)
        for manager in self.identity.managers:
            if manager.node_id == node.id:
                address = Address(manager.address)
        await self.peers.call(address, methods.WITHDRAWN, pack(withdrawn), timeout_s=TOLD_S)

    def _judge_peer(self, peer: Peer, _node_id: str) -> None:
        authorize(methods.WITHDRAWN, peer, self._authority(), self._ports.clock.wall())

    def _authority(self) -> Authority:
        manager = self.managing.manager
        cluster = manager.store.view().cluster if manager else None
        if cluster is not None and cluster is not self._rules_of:
            self._rules, self._rules_of = authority(methods.RULES, cluster), cluster
        return self._rules

    def _permit(self, method: str, peer: Peer) -> None:
        manager = self.managing.manager
        record = manager.store.view().node(peer.node_id) if manager else None
        granted = record.role.value if record else ""
        if method == methods.FORWARD and granted == Role.WORKER:
            # Said to the client of a manager that was demoted and has not heard of it.
            raise NotManagerError(IS_WORKER)
        rules, now = self._authority(), self._ports.clock.wall()
        authorize(method, peer, rules, now, granted=granted)

    def _judge_server(self, peer: Peer, node_id: str) -> None:
        authorize_server(peer, self._authority(), self._ports.clock.wall(), node_id=node_id)

    async def _judge(self) -> None:
        """End live connections of nodes that were removed or whose certificate ended, and of nobody.

        Whoever has no certificate has come to join, or to hold connections open.
        """
        while True:
            await asyncio.sleep(JUDGE_S)
            rules, clock = self._authority(), self._ports.clock
            for connection, since in list(self._connections.items()):
                peer = connection.peer
                if not peer.node_id:
                    is_over = clock.monotonic() - since > STRANGER_S
                else:
                    is_over = has_ended(peer, rules, clock.wall())
                if is_over:
                    log.info("connection ended", extra={"node": peer.node_id, "host": peer.host})
                    connection.close()

    # ---- the agent's session

    def _on_session(self, message: SessionMessage) -> None:
        self.session = message
        self.planes.on_session(self.following.leader, message)
        identity = msgspec.structs.replace(
            self.identity,
            managers=message.managers or self.identity.managers,
            gossip_keys=message.gossip_keys,
            trusted=message.trusted or self.identity.trusted,
        )
        if identity != self.identity:
            self.keep(identity)
            self.gossip.use_keys(keyring(identity.gossip_keys))
            self.gossip.join(self._seeds())
        if message.role is not identity.role:
            self._renew_now.set()
        self._ready()

    def _learn(self, managers: Sequence[ManagerAddress]) -> None:
        """Other managers than the last leader named."""
        if tuple(managers) != self.identity.managers:
            self.keep(msgspec.structs.replace(self.identity, managers=tuple(managers)))

    # ---- certificate

    async def _renew(self) -> None:
        """Renew before the certificate ends, and at once when another role was granted."""
        while True:
            certificate = self._ports.crypto.facts(self.identity.certificate)
            at = renew_at(certificate, self._ports.random.uniform)
            while not self._renew_now.is_set() and (now := self._ports.clock.wall()) < at:
                # No longer than a day: the wall clock may be set.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min((at - now) / 1e9, 86_400.0)):
                        await self._renew_now.wait()
            self._renew_now.clear()
            try:
                await self._renew_once()
            except SwarmError as error:
                log.warning(
                    "certificate not renewed",
                    extra={
                        "reason": str(error),
                        # Nobody lets it in with one that has ended: it has to join anew.
                        "has_ended": has_expired(certificate, self._ports.clock.wall()),
                    },
                )
                await asyncio.sleep(RENEW_AGAIN_S)
                self._renew_now.set()

    async def _renew_once(self) -> None:
        request, key = self._ports.crypto.new_request()
        issued = unpack(await self._ask_for_certificate(RenewCall(request=request)), Issued)
        log.info("certificate renewed", extra={"role": issued.role.value})
        self.links.forget()
        self.keep(
            msgspec.structs.replace(
                self.identity,
                role=issued.role,
                certificate=issued.certificate,
                key=key,
                trusted=issued.trusted,
                managers=issued.managers or self.identity.managers,
            )
        )

    async def _ask_for_certificate(self, call: RenewCall) -> bytes:
        manager = self.managing.manager
        if manager is not None and manager.is_leader():
            # Not over the wire: a lone manager that slept until its certificate had ended could not
            # come in at its own door.
            own = Peer(node_id=self.identity.node_id, role=Role.MANAGER.value)
            return await manager.authority.renew(own, pack(call))
        leader = self.following.leader
        if not leader:
            raise UnavailableError("no leader is known")
        return await self.links.call(leader, methods.RENEW, pack(call), timeout_s=RENEW_CALL_S)

    # ---- gossip

    def _new_gossip(self) -> Gossip:
        ports, host = self._ports, self.identity.host
        me = Member(
            node_id=self.identity.node_id,
            address=join_address(host, GOSSIP_PORT),
            incarnation=ports.clock.wall() // 10**9,
        )
        return Gossip(
            GossipPorts(
                network=ports.network, clock=ports.clock, random=ports.random, crypto=ports.crypto
            ),
            me,
            gossip_address(Address(self.identity.listen_address)),
            keyring(self.identity.gossip_keys),
            self._gossip_changed,
            self._settings.gossip,
        )

    async def _gossip(self) -> None:
        self.gossip.join(self._seeds())
        await self.gossip.run()

    def _seeds(self) -> list[Address]:
        hosts = [split_address(Address(m.address))[0] for m in self.identity.managers]
        return [join_address(host, GOSSIP_PORT) for host in hosts if host != self.identity.host]

    def _gossip_changed(self, member: Member) -> None:
        is_gone = member.status in (Status.DEAD, Status.LEFT)
        log.info("gossip", extra={"node": member.node_id, "status": member.status.name})
        node_id = NodeID(member.node_id)
        self.planes.on_liveness(node_id, is_alive=not is_gone)
        self.following.on_liveness(node_id, is_alive=not is_gone)
        manager = self.managing.manager
        if member.status is Status.DEAD and manager is not None and manager.leading is not None:
            manager.leading.dispatcher.suspect(node_id)

    def _dead(self) -> list[NodeID]:
        members = self.gossip.members()
        return [NodeID(m.node_id) for m in members if m.status is Status.DEAD]
