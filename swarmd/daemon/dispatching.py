"""The agent's client of the leader's dispatcher, over the calls between nodes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from swarmd.daemon import methods
from swarmd.daemon.links import Links
from swarmd.errors import NoLeaderError, UnavailableError
from swarmd.model.assignment import (
    Assignments,
    Heartbeat,
    LogBatch,
    LogSubscription,
    SessionMessage,
    SessionRequest,
    StatusReport,
)
from swarmd.model.node import NodeDescription
from swarmd.ports import Seconds
from swarmd.wire.packed import pack, unpack

CALL_S: Seconds = 5.0
#: A report waits for a commit.
SLOW_CALL_S: Seconds = 20.0


class RpcDispatcher:
    """`agent.dispatcher.DispatcherClient` at one address."""

    def __init__(self, links: Links, address: str) -> None:
        self._links, self.address = links, address
        self._is_given_up = False
        #: it has answered that it does not lead
        self.is_follower = False
        #: how long the session's next message is waited for, while it is: for ever, until given up
        self._patience: asyncio.Timeout | None = None

    async def open(self, request: SessionRequest) -> AsyncGenerator[SessionMessage, None]:
        """See `DispatcherClient`; UnavailableError also once it is given up."""
        items = self._links.stream(self.address, methods.SESSION, pack(request))
        try:
            async with aclosing(items):
                while (item := await self._next(items)) is not None:
                    yield unpack(item, SessionMessage)
        except NoLeaderError:
            self.is_follower = True
            raise

    async def _next(self, items: AsyncGenerator[bytes, None]) -> bytes | None:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(now if self._is_given_up else None) as self._patience:
                return await anext(items, None)
        except TimeoutError:
            if not self._is_given_up:
                raise
            raise UnavailableError(f"{self.address} was given up") from None
        finally:
            self._patience = None

    def give_up(self) -> None:
        """Its node is dead: the session ends, whatever hangs."""
        self._is_given_up = True
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def assignments(self, session_id: str) -> AsyncGenerator[Assignments, None]:
        """See `DispatcherClient`."""
        payload = session_id.encode()
        async for item in self._links.stream(self.address, methods.ASSIGNMENTS, payload):
            yield unpack(item, Assignments)

    async def log_subscriptions(self, session_id: str) -> AsyncGenerator[LogSubscription, None]:
        """See `DispatcherClient`."""
        payload = session_id.encode()
        async for item in self._links.stream(self.address, methods.LOG_SUBSCRIPTIONS, payload):
            yield unpack(item, LogSubscription)

    async def heartbeat(self, beat: Heartbeat) -> None:
        """See `DispatcherClient`."""
        await self._call(methods.HEARTBEAT, pack(beat))

    async def goodbye(self, beat: Heartbeat) -> None:
        """See `DispatcherClient`."""
        await self._call(methods.GOODBYE, pack(beat))

    async def report(self, report: StatusReport) -> None:
        """See `DispatcherClient`."""
        await self._call(methods.REPORT, pack(report), SLOW_CALL_S)

    async def describe(self, description: NodeDescription) -> None:
        """See `DispatcherClient`."""
        await self._call(methods.DESCRIBE, pack(description), SLOW_CALL_S)

    async def publish_logs(self, batch: LogBatch) -> bool:
        """See `DispatcherClient`."""
        # As long as it takes: a person may pause their pager.
        return bool(await self._call(methods.PUBLISH_LOGS, pack(batch), None))

    async def close(self) -> None:
        """The link is the node's, and stays for other calls."""

    async def _call(self, method: str, payload: bytes, timeout_s: Seconds | None = CALL_S) -> bytes:
        return await self._links.call(self.address, method, payload, timeout_s=timeout_s)
