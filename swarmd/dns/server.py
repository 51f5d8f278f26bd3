"""The node's resolver, on the node's own address in each of its networks.

The first answer to a task is held until its VIP table is written, at most a second: then a name that
resolves has a working VIP behind it.  It is never silent: a container whose server does not answer
waits four seconds before it asks the next.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from swarmd.dns.packets import LONGEST_TCP_BYTES, NOERROR, A, Query, read, write
from swarmd.dns.sockets import Listen, Listening, Send, listen
from swarmd.dns.zone import NO_ZONE, resolve, turned, zone_of
from swarmd.lib.bell import Bell
from swarmd.model.dataplane import DataPlane
from swarmd.model.ids import TaskID
from swarmd.ports import Seconds

log = logging.getLogger(__name__)

PORT = 53
#: A name may stand for another task within this time.
TTL_S = 1
#: Longest that a first answer is held.
HOLD_S: Seconds = 1.0
#: Answers held at once; more are given without waiting.
_MOST_HELD = 256
#: Pause before an address that another program uses is tried again.
_AGAIN_S = 30.0


class Resolver:
    """Answers the containers of one node."""

    def __init__(
        self,
        written: Callable[[TaskID], Awaitable[None]],
        *,
        listen: Listen = listen,
        port: int = PORT,
    ) -> None:
        #: returns when a task's VIP table is written
        self._written = written
        self._listen = listen
        self._port = port
        self._plane: DataPlane | None = None
        self._zone = NO_ZONE
        #: the node's own, one per network and family
        self._addresses: tuple[str, ...] = ()
        self._bell = Bell()
        self._group: asyncio.TaskGroup | None = None
        #: tasks that had their first answer
        self._greeted: set[TaskID] = set()
        self._held = 0
        #: rises with each answer that a client chooses from
        self._turn = 0

    def follow(self, plane: DataPlane) -> None:
        """The newest wanted state, without backends that are known to be dead."""
        if plane == self._plane:
            return
        self._plane = plane
        self._zone = zone_of(plane)
        self._greeted &= {asker.task_id for asker in self._zone.askers.values()}
        self._addresses = tuple(
            address
            for network in plane.networks
            for address in network.node_addresses(plane.node_id)
        )
        self._bell.ring()

    async def run(self) -> None:
        """Until cancelled."""
        bound: dict[str, Listening] = {}
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while True:
                    is_whole = await self._bind(bound)
                    await self._bell.wait(None if is_whole else _AGAIN_S)
        finally:
            self._group = None
            for listening in bound.values():
                listening.close()

    async def _bind(self, bound: dict[str, Listening]) -> bool:
        """Listen on every address of ours and on no other; False if one could not be bound."""
        for address in [a for a in bound if a not in self._addresses]:
            bound.pop(address).close()
        is_whole = True
        for address in self._addresses:
            if address in bound:
                continue
            try:
                bound[address] = await self._listen(address, self._port, self._answer)
            except OSError as error:
                log.warning("resolver not bound", extra={"address": address, "reason": str(error)})
                is_whole = False
        return is_whole

    def _answer(self, packet: bytes, source: str, send: Send, *, is_tcp: bool) -> None:
        query = read(packet)
        if query is None:
            return
        longest = LONGEST_TCP_BYTES if is_tcp else query.longest
        asker = self._zone.askers.get(source)
        is_first = asker is not None and asker.task_id not in self._greeted
        if asker is None or not is_first or self._group is None or self._held >= _MOST_HELD:
            send(self._reply(query, source, longest))
            return
        self._held += 1
        self._group.create_task(self._hold(asker.task_id, query, source, longest, send))

    async def _hold(
        self, task_id: TaskID, query: Query, source: str, longest: int, send: Send
    ) -> None:
        try:
            async with asyncio.timeout(HOLD_S):
                await self._written(task_id)
        except TimeoutError:
            log.debug("answered before its VIPs were written", extra={"task": task_id})
        finally:
            self._held -= 1
        self._greeted.add(task_id)
        send(self._reply(query, source, longest))

    def _reply(self, query: Query, source: str, longest: int) -> bytes:
        if query.rcode != NOERROR:
            return write(query, query.rcode, (), ttl_s=TTL_S, longest=longest)
        found = resolve(self._zone, source, query.name)
        # Clients ask for both families in turn: counting both, each would see every second order.
        self._turn += query.kind == A
        addresses = turned(found.addresses, self._turn)
        return write(query, found.rcode, addresses, ttl_s=TTL_S, longest=longest)
