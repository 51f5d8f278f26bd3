"""The data plane of this node: follows what the leader sends, subtracts what is dead, feeds the loops.

Gossip carries liveness and may only subtract; the store and the sessions are the truth about
endpoints.  While no leader answers, the node goes on with what it last knew.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing

from swarmd.agent.presence import LocalContainer
from swarmd.daemon import methods
from swarmd.daemon.links import Links
from swarmd.daemon.ports import Ports
from swarmd.daemon.serving import Serving
from swarmd.daemon.withdrawals import TOLD_S, Tell, Withdrawals, Withdrawn
from swarmd.dns.server import Resolver
from swarmd.dns.upstreams import Upstreams
from swarmd.errors import EngineError, SwarmError, UnavailableError
from swarmd.ingress.loop import MeshLoop
from swarmd.ingress.loop import leave as leave_mesh
from swarmd.ingress.vips import VipLoop
from swarmd.lib.tasks import supervise
from swarmd.model.assignment import SessionMessage
from swarmd.model.dataplane import LocalTask
from swarmd.model.devices import BRIDGE_PREFIX, VXLAN_PREFIX
from swarmd.model.ids import NodeID
from swarmd.model.planeparts import PlaneChange, PlaneMirror
from swarmd.model.task import Task
from swarmd.overlay.carry import leave as leave_overlay
from swarmd.overlay.loop import OverlayLoop
from swarmd.ports import Peer
from swarmd.wire.container import TaskNetworks
from swarmd.wire.packed import unpack

log = logging.getLogger(__name__)

AGAIN_S = 0.3


class DataPlanes:
    """Owns the overlay's, the mesh's and the resolver's loops."""

    def __init__(
        self,
        ports: Ports,
        links: Links,
        node_id: NodeID,
        upstreams: Upstreams,
        tell_peer: Tell,
        on_host: Callable[[], None],
    ) -> None:
        self._ports, self._links = ports, links
        self._mesh = MeshLoop(ports.kernel)
        self._overlay = OverlayLoop(
            ports.engine, ports.kernel, on_made=self._mesh.look, on_host=on_host
        )
        self._vips = VipLoop(ports.kernel)
        self._resolver = Resolver(
            self._vips.written, listen=ports.resolver_sockets, servers=upstreams.local
        )
        self._upstreams = upstreams.reachable
        self._serving = Serving(node_id)
        #: processes of this node's containers
        self._pids: frozenset[int] = frozenset()
        self._withdrawals = Withdrawals(tell_peer)
        #: (leader's address, session id)
        self._session: tuple[str, str] | None = None
        self._new_session = asyncio.Event()

    # ---- the loops

    async def run(self) -> None:
        """Until cancelled; the kernel's state stays."""
        uniform = self._ports.random.uniform
        async with asyncio.TaskGroup() as group:
            for name, run in (
                ("overlay", self._overlay.run),
                ("mesh", self._mesh.run),
                ("vips", self._vips.run),
                ("resolver", self._resolver.run),
                ("plane", self._follow),
                ("withdrawals", self._withdrawals.run),
                ("links", self._watch_links),
            ):
                group.create_task(supervise(name, run, uniform))

    async def _follow(self) -> None:
        """One session's stream at a time: an old one may hang with its leader, and is given up."""
        while True:
            self._new_session.clear()
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._stream(self._session))
                await self._new_session.wait()
                following.cancel()

    async def _stream(self, session: tuple[str, str] | None) -> None:
        while session is not None:
            leader, session_id = session
            try:
                items = self._links.stream(leader, methods.DATA_PLANE, session_id.encode())
                mirror = PlaneMirror()
                async with aclosing(items):
                    async for item in items:
                        plane = mirror.take(unpack(item, PlaneChange))
                        if plane is not None:
                            self._serving.take(plane)
                            self._tell()
            except SwarmError as error:
                log.debug("data plane not followed", extra={"reason": str(error)})
            await asyncio.sleep(AGAIN_S)

    async def _watch_links(self) -> None:
        """A bridge or tunnel that somebody deletes is made anew at once."""
        async with aclosing(self._ports.kernel.links_gone()) as names:
            async for name in names:
                if not name or name.startswith((BRIDGE_PREFIX, VXLAN_PREFIX)):
                    self.look()

    def _tell(self) -> None:
        plane = self._serving.plane()
        if plane is None:
            return
        # Forwarding entries before the names and maps that send traffic there.
        self._overlay.follow(plane)
        self._mesh.follow(plane)
        self._vips.follow(plane)
        self._resolver.follow(plane)

    async def remove(self) -> None:
        """The node left and its containers are gone: nothing of ours stays on the machine."""
        try:
            await leave_mesh(self._ports.kernel)
            await leave_overlay(self._ports.engine, self._ports.kernel)
        except (EngineError, OSError) as error:
            log.warning("data plane not removed", extra={"reason": str(error)})

    # ---- between nodes

    async def withdrawn(self, peer: Peer, payload: bytes) -> bytes:
        """Withdrawn → empty, once no table here leads to these tasks of the peer."""
        self._serving.withdraw(NodeID(peer.node_id), unpack(payload, Withdrawn).task_ids)
        self._tell()
        try:
            async with asyncio.timeout(TOLD_S):
                await self._settled()
        except TimeoutError:
            raise UnavailableError("the tables are not written yet") from None
        return b""

    async def _settled(self) -> None:
        await self._mesh.settled()
        await self._vips.settled()

    @property
    def host_subnets(self) -> tuple[str, ...]:
        """Of the host's own links, as of the last look."""
        return self._overlay.host_subnets

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user of this node should know, in sentences."""
        return self._mesh.warnings

    # ---- what the node tells it

    def look(self) -> None:
        """Something may have changed on the node: the engine came back, a bridge is gone."""
        self._overlay.look()
        self._mesh.look()

    def on_session(self, leader: str, message: SessionMessage) -> None:
        """The agent has a session, with this leader."""
        session = (leader, message.session_id)
        if session != self._session:
            self._session = session
            self._new_session.set()

    def on_local(self, containers: tuple[LocalContainer, ...]) -> None:
        """All tasks that have a container here."""
        ended = self._serving.serve([c.task.id for c in containers if c.is_serving])
        if self._serving.told is not None:
            self._withdrawals.announce(ended, self._serving.told)
        tasks = attached_tasks(containers)
        self._vips.follow_tasks(tasks)
        self._overlay.follow_tasks(tasks)
        pids = frozenset(task.pid for task in tasks)
        if pids - self._pids:
            # New ports of the ingress bridge.
            self._mesh.look()
        self._pids = pids
        self._tell()

    def on_liveness(self, node_id: NodeID, *, is_alive: bool) -> None:
        """Gossip saw a node come or go."""
        self._serving.live(node_id, is_alive=is_alive)
        self._tell()

    async def networks_ready(self, task: Task) -> TaskNetworks:
        """A task's endpoints, once its networks stand on this node."""
        if not task.attachments:
            return TaskNetworks()
        ids = [attachment.network_id for attachment in task.attachments]
        return await self._overlay.attach(task.id, ids, self._upstreams)

    async def led_away(self, task: Task) -> None:
        """Returns when neither this node nor another sends new connections to a task."""
        await self._settled()
        await self._withdrawals.heard(task.id)


def attached_tasks(containers: Iterable[LocalContainer]) -> list[LocalTask]:
    """Those that run and have addresses in cluster networks.

    Of the others a rule is of no use, and those on the host's network have the host's own namespace.
    """
    return [_local_task(c) for c in containers if c.pid and c.task.attachments]


def _local_task(container: LocalContainer) -> LocalTask:
    task = container.task
    return LocalTask(
        task_id=task.id,
        service_id=task.service_id,
        container_id=container.container_id,
        pid=container.pid,
        addresses={a.network_id: a.addresses for a in task.attachments},
        host_ports=tuple(
            (port.protocol or "tcp", port.target_port)
            for port in container.spec.ports
            if not port.is_ingress
        ),
    )
