"""The agent's session with the leader: opened, kept, and opened anew.

Whatever ends a session — a leader that lost its office, a connection, a refused call — ends all of
it, and after a pause the next is opened with whoever `connect` finds.  Meanwhile the worker goes on
with what it has; nothing here is needed for a container to keep running.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from swarmd.agent.assigned import Taken
from swarmd.agent.dispatcher import SESSION_ENDS, DispatcherClient
from swarmd.agent.logs import LogServer
from swarmd.agent.waiting import SteadyClock, closing, first_end
from swarmd.agent.worker import Worker
from swarmd.config import AgentConfig
from swarmd.errors import UnavailableError
from swarmd.lib.backoff import Backoff
from swarmd.lib.bell import Bell
from swarmd.model.assignment import Heartbeat, SessionMessage, SessionRequest, StatusReport
from swarmd.model.node import NodeDescription
from swarmd.ports import Random

log = logging.getLogger(__name__)

#: Finds a manager that leads, or says why there is none.
Connect = Callable[[], Awaitable[DispatcherClient]]


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """What a session tells of the node, asked whenever it is needed."""

    describe: Callable[[], NodeDescription]
    is_engine_reachable: Callable[[], bool]


class _Session:
    """One session, from its first message to its end."""

    def __init__(self, client: DispatcherClient, message: SessionMessage) -> None:
        self.client = client
        #: the newest; its period is the one to beat with
        self.message = message

    @property
    def id(self) -> str:
        return self.message.session_id


class SessionLoop:
    """Keeps a session as long as there is a leader."""

    def __init__(
        self,
        worker: Worker,
        connect: Connect,
        node: NodeView,
        logs: LogServer,
        config: AgentConfig,
    ) -> None:
        self._worker, self._connect, self._node, self._logs = worker, connect, node, logs
        self._config = config
        #: rung when statuses are to be reported
        self.reports = Bell()
        #: rung when the engine's health changed
        self.health = Bell()
        #: rung when the node may have to be described anew
        self.facts = Bell()
        self._current: _Session | None = None

    async def run(
        self,
        random: Random,
        clock: SteadyClock,
        *,
        on_session: Callable[[SessionMessage], None],
        on_assigned: Callable[[], None],
    ) -> None:
        """Until cancelled.  `on_assigned` is called when the worker took assignments."""
        backoff = self._backoff(random)
        while True:
            began = clock.now()
            try:
                failure = await self._once(random, clock, on_session, on_assigned)
            except SESSION_ENDS as error:
                failure = error
            if clock.now() - began > self._config.retry_most_s * 1e9:
                backoff.reset()
            pause_s = backoff.next_s()
            log.info(
                "session ended",
                extra={"reason": str(failure) if failure else "by the manager", "pause_s": pause_s},
            )
            await asyncio.sleep(pause_s)

    async def goodbye(self) -> None:
        """Tell the leader that the agent stops and means to come back; best effort."""
        if self._current is None:
            return
        try:
            async with asyncio.timeout(self._config.manager_call_s):
                await self._current.client.goodbye(self._beat_of(self._current))
        except SESSION_ENDS as error:
            log.info("goodbye not heard", extra={"reason": str(error)})

    async def _once(
        self,
        random: Random,
        clock: SteadyClock,
        on_session: Callable[[SessionMessage], None],
        on_assigned: Callable[[], None],
    ) -> Exception | None:
        """One session; why it ended."""
        async with asyncio.timeout(self._config.manager_call_s):
            client = await self._connect()
        try:
            request = SessionRequest(
                description=self._node.describe(),
                engine_reachable=self._node.is_engine_reachable(),
            )
            async with closing(client.open(request)) as stream:
                async with asyncio.timeout(self._config.manager_call_s):
                    message = await anext(stream, None)
                if message is None:
                    raise UnavailableError("the manager ended the session at once")
                session = self._current = _Session(client, message)
                log.info("session began", extra={"session": session.id, "term": message.term})
                on_session(message)
                return await first_end(
                    self._follow(session, stream, on_session),
                    self._beat(session),
                    self._follow_assignments(session, random, clock, on_assigned),
                    self._report(session, clock),
                    self._describe(session, request.description),
                    self._logs.run(client, session.id),
                    expected=SESSION_ENDS,
                )
        finally:
            self._current = None
            await client.close()

    async def _follow(
        self,
        session: _Session,
        stream: AsyncIterator[SessionMessage],
        on_session: Callable[[SessionMessage], None],
    ) -> None:
        async for message in stream:
            session.message = message
            # A message may be the leader's way to ask whether we live: answer at once.
            self.health.ring()
            on_session(message)

    async def _beat(self, session: _Session) -> None:
        while True:
            await self.health.wait(session.message.heartbeat_period_s)
            async with asyncio.timeout(self._config.manager_call_s):
                await session.client.heartbeat(self._beat_of(session))

    def _beat_of(self, session: _Session) -> Heartbeat:
        return Heartbeat(session_id=session.id, engine_reachable=self._node.is_engine_reachable())

    async def _follow_assignments(
        self,
        session: _Session,
        random: Random,
        clock: SteadyClock,
        on_assigned: Callable[[], None],
    ) -> None:
        backoff = self._backoff(random)
        while True:
            async with closing(session.client.assignments(session.id)) as stream:
                async for message in stream:
                    taken = self._worker.assign(message, clock.now())
                    if taken is Taken.GAP:
                        break
                    if taken is Taken.STALE:
                        raise UnavailableError(f"a leader of term {message.term} was deposed")
                    on_assigned()
                else:
                    return
            log.warning("assignments have a gap", extra={"session": session.id})
            await asyncio.sleep(backoff.next_s())

    async def _report(self, session: _Session, clock: SteadyClock) -> None:
        """The newest statuses, when the first of them is due."""
        outbox = self._worker.outbox
        while True:
            due_s = clock.until(outbox.due_at)
            if due_s is None or due_s > 0:
                await self.reports.wait(due_s)
                continue
            updates = outbox.take(self._config.report_most)
            async with asyncio.timeout(self._config.manager_call_s):
                await session.client.report(StatusReport(session_id=session.id, updates=updates))
            outbox.acknowledge(updates)

    async def _describe(self, session: _Session, told: NodeDescription) -> None:
        while True:
            await self.facts.wait(self._config.describe_s)
            description = self._node.describe()
            if description != told:
                async with asyncio.timeout(self._config.manager_call_s):
                    await session.client.describe(description)
                told = description

    def _backoff(self, random: Random) -> Backoff:
        return Backoff(
            random.uniform, first_s=self._config.retry_first_s, most_s=self._config.retry_most_s
        )
