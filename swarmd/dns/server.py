"""The node's resolver, on the node's own address in each of its networks.

The first answer to a task is held until its VIP table is written, at most a second: then a name that
resolves has a working VIP behind it.  It is never silent: a container whose server does not answer
waits four seconds before it asks the next.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from swarmd.dns.forward import Forward, forward
from swarmd.dns.packets import (
    LONGEST_TCP_BYTES,
    NOERROR,
    PTR,
    REFUSED,
    A,
    Answer,
    Query,
    read,
    write,
)
from swarmd.dns.sockets import Listen, Listening, Send, listen
from swarmd.dns.zone import NO_ZONE, Found, resolve, reverse, turned, zone_of
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
#: Questions handed on at once; more are refused.
_MOST_FORWARDED = 256
#: Pause before an address that another program uses is tried again.
_AGAIN_S = 30.0


class _Question(msgspec.Struct, frozen=True):
    """A question, and what its answer must know."""

    packet: bytes
    query: Query
    #: the asker's address
    source: str
    is_tcp: bool

    def reply(self, found: Found) -> bytes:
        """The message that answers it."""
        longest = LONGEST_TCP_BYTES if self.is_tcp else self.query.longest
        return write(self.query, found.rcode, found.answer, ttl_s=TTL_S, longest=longest)


class Resolver:
    """Answers the containers of one node."""

    def __init__(
        self,
        written: Callable[[TaskID], Awaitable[None]],
        *,
        listen: Listen = listen,
        forward: Forward = forward,
        port: int = PORT,
        servers: Sequence[str] = (),
    ) -> None:
        #: returns when a task's VIP table is written
        self._written = written
        self._listen, self._forward = listen, forward
        #: asked for names that are none of ours; containers do not reach them
        self._servers = servers
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
        #: questions handed on at once
        self._forwarded = 0
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
        asker = self._zone.askers.get(source)
        is_first = asker is not None and asker.task_id not in self._greeted
        if asker is None or not is_first or self._group is None or self._held >= _MOST_HELD:
            self._send(_Question(packet, query, source, is_tcp), send)
            return
        self._held += 1
        question = _Question(packet, query, source, is_tcp)
        self._group.create_task(self._hold(asker.task_id, question, send))

    async def _hold(self, task_id: TaskID, question: _Question, send: Send) -> None:
        try:
            async with asyncio.timeout(HOLD_S):
                await self._written(task_id)
        except TimeoutError:
            log.debug("answered before its VIPs were written", extra={"task": task_id})
        finally:
            self._held -= 1
        self._greeted.add(task_id)
        self._send(question, send)

    def _send(self, question: _Question, send: Send) -> None:
        found = self._found(question)
        reply = question.reply(found)
        asker = self._zone.askers.get(question.source)
        is_foreign = found.rcode == REFUSED and asker is not None and asker.is_outward
        has_room = self._group is not None and self._forwarded < _MOST_FORWARDED
        if not (is_foreign and self._servers and has_room):
            send(reply)
            return
        assert self._group is not None
        self._forwarded += 1
        self._group.create_task(self._hand_on(question, reply, send))

    async def _hand_on(self, question: _Question, refusal: bytes, send: Send) -> None:
        try:
            answer = await self._forward(question.packet, self._servers, question.is_tcp)
        finally:
            self._forwarded -= 1
        send(refusal if answer is None else answer)

    def _found(self, question: _Question) -> Found:
        query = question.query
        if query.rcode != NOERROR:
            return Found(query.rcode)
        if query.kind == PTR:
            return reverse(self._zone, question.source, query.name)
        found = resolve(self._zone, question.source, query.name)
        # Clients ask for both families in turn: counting both, each would see every second order.
        self._turn += query.kind == A
        return Found(found.rcode, Answer(turned(found.answer.addresses, self._turn)))
