"""The data plane of this node: follows what the leader sends, subtracts what is dead, feeds the loops.

Gossip carries liveness and may only subtract; the store and the sessions are the truth about
endpoints.  While no leader answers, the node goes on with what it last knew.
"""

import asyncio
import logging
from contextlib import aclosing

from swarmd.agent.presence import LocalContainer
from swarmd.daemon import methods
from swarmd.daemon.links import Links
from swarmd.daemon.ports import Ports
from swarmd.errors import SwarmError
from swarmd.lib.tasks import supervise
from swarmd.model.assignment import SessionMessage
from swarmd.model.dataplane import DataPlane, without_nodes, without_tasks
from swarmd.model.ids import NodeID, TaskID
from swarmd.model.task import Task
from swarmd.overlay.loop import OverlayLoop
from swarmd.wire.container import TaskNetworks
from swarmd.wire.packed import unpack

log = logging.getLogger(__name__)

AGAIN_S = 0.3


class DataPlanes:
    """Owns the overlay's, the mesh's and the resolver's loops."""

    def __init__(self, ports: Ports, links: Links, node_id: NodeID) -> None:
        self._ports, self._links, self._node_id = ports, links, node_id
        self.overlay = OverlayLoop(ports.engine, ports.kernel, on_made=lambda: None)
        self._plane: DataPlane | None = None
        self._dead: set[NodeID] = set()
        #: local tasks that have a container but serve no more, or not yet
        self._withdrawn: frozenset[TaskID] = frozenset()
        #: (leader's address, session id)
        self._session: tuple[str, str] | None = None
        self._new_session = asyncio.Event()

    # ---- the loops

    async def run(self) -> None:
        """Until cancelled; the kernel's state stays."""
        uniform = self._ports.random.uniform
        async with asyncio.TaskGroup() as group:
            group.create_task(supervise("overlay", self.overlay.run, uniform))
            group.create_task(supervise("plane", self._follow, uniform))

    async def _follow(self) -> None:
        while True:
            session = self._session
            self._new_session.clear()
            if session is None:
                await self._new_session.wait()
                continue
            try:
                items = self._links.stream(session[0], methods.DATA_PLANE, session[1].encode())
                async with aclosing(items):
                    async for item in items:
                        self._plane = unpack(item, DataPlane)
                        self._tell()
            except SwarmError as error:
                log.debug("data plane not followed", extra={"reason": str(error)})
            if self._session == session:
                await asyncio.sleep(AGAIN_S)

    def _tell(self) -> None:
        if self._plane is None:
            return
        plane = without_tasks(without_nodes(self._plane, self._dead), self._withdrawn)
        self.overlay.follow(plane)

    async def remove(self) -> None:
        """The node leaves: nothing of ours stays in the kernel or at the engine."""
        self._plane = DataPlane(node_id=self._node_id)

    # ---- what the node tells it

    def on_session(self, leader: str, message: SessionMessage) -> None:
        """The agent has a session, with this leader."""
        session = (leader, message.session_id)
        if session != self._session:
            self._session = session
            self._new_session.set()

    def on_local(self, containers: tuple[LocalContainer, ...]) -> None:
        """All tasks that have a container here."""
        self._withdrawn = frozenset(c.task.id for c in containers if not c.is_serving)
        self._tell()

    def on_liveness(self, node_id: NodeID, *, is_alive: bool) -> None:
        """Gossip saw a node come or go."""
        before = len(self._dead)
        if is_alive:
            self._dead.discard(node_id)
        else:
            self._dead.add(node_id)
        if len(self._dead) != before:
            self._tell()

    async def networks_ready(self, task: Task) -> TaskNetworks:
        """A task's endpoints, once its networks stand on this node."""
        if not task.attachments:
            return TaskNetworks()
        ids = [attachment.network_id for attachment in task.attachments]
        return await self.overlay.attach(task.id, ids, ())
