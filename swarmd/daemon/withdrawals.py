"""Tasks that serve no more: their node says so to all who may send them traffic, and waits for it.

The leader's data plane says the same, but later: a stop or a crash is known here first, and a stop
signal must not be sent before the others have changed their tables.  So a node tells its peers
itself, with no manager between; like gossip this may only subtract, and only tasks of the node
that tells it.  A peer that does not answer in time is passed over: it must not keep a task from
being stopped.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from swarmd.errors import SwarmError
from swarmd.lib.bell import Bell
from swarmd.model.base import Record
from swarmd.model.dataplane import NO_TASK, DataPlane, PlaneNode
from swarmd.model.ids import NodeID, TaskID
from swarmd.ports import Seconds

log = logging.getLogger(__name__)

#: Longest that a peer is waited for (Swarm waits 2 s, whatever happens).
TOLD_S: Seconds = 2.0
#: Tasks that end within this time are told together.
_GATHER_S: Seconds = 0.01

#: Tells a peer; returns when its tables are changed.  Raises SwarmError or ConnectionError.
Tell = Callable[[PlaneNode, "Withdrawn"], Awaitable[object]]


class Withdrawn(Record, frozen=True, kw_only=True):
    """Tasks of the telling node that no new connection may go to."""

    task_ids: tuple[TaskID, ...]


class Withdrawals:
    """Tells the peers of one node."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        #: told in the next round, with the peers of each task
        self._gathered: dict[TaskID, tuple[PlaneNode, ...]] = {}
        #: tasks that are being told, until all peers have heard of them
        self._pending: dict[TaskID, asyncio.Event] = {}
        self._bell = Bell()

    def announce(self, task_ids: Collection[TaskID], plane: DataPlane) -> None:
        """These tasks serve no more, from now on and for ever."""
        for task_id in task_ids:
            peers = peers_of(plane, task_id)
            # One that is being told already would lose those who wait for the first telling.
            if peers and task_id not in self._pending:
                self._gathered[task_id] = peers
                self._pending[task_id] = asyncio.Event()
                self._bell.ring()

    async def heard(self, task_id: TaskID) -> None:
        """Returns when every peer has heard, or was waited for long enough."""
        if (pending := self._pending.get(task_id)) is not None:
            await pending.wait()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._bell.wait()
                await asyncio.sleep(_GATHER_S)
                gathered, self._gathered = self._gathered, {}
                group.create_task(self._round(gathered))

    async def _round(self, gathered: dict[TaskID, tuple[PlaneNode, ...]]) -> None:
        told: dict[NodeID, tuple[PlaneNode, list[TaskID]]] = {}
        for task_id, peers in gathered.items():
            for peer in peers:
                told.setdefault(peer.id, (peer, []))[1].append(task_id)
        try:
            async with asyncio.TaskGroup() as group:
                for peer, task_ids in told.values():
                    group.create_task(self._tell_one(peer, Withdrawn(task_ids=tuple(task_ids))))
        finally:
            for task_id in gathered:
                self._pending.pop(task_id).set()

    async def _tell_one(self, peer: PlaneNode, withdrawn: Withdrawn) -> None:
        try:
            async with asyncio.timeout(TOLD_S):
                await self._tell(peer, withdrawn)
        except (SwarmError, ConnectionError, TimeoutError) as error:
            # Dead, or about to be: then gossip takes its traffic away as well.
            log.info("node not told", extra={"node": peer.id, "reason": str(error) or "too late"})


def peers_of(plane: DataPlane, task_id: TaskID) -> tuple[PlaneNode, ...]:
    """Other nodes that may send traffic to a task: those in a network where it has an address."""
    taking_part = {
        endpoint.node_id
        for network in plane.networks
        if any(endpoint.task_id == task_id for endpoint in network.endpoints)
        for endpoint in network.endpoints
        if endpoint.task_id == NO_TASK and endpoint.node_id != plane.node_id
    }
    return tuple(node for node in plane.nodes if node.id in taking_part)
