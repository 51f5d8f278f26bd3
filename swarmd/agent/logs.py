"""Logs of this node's tasks, for readers at the managers.

One loop per subscription and task reads the engine; their lines meet in a bounded queue, from which
one publisher sends them in batches.  A reader that is slow makes the publisher wait, the queue full
and the engine's stream stand still; nothing is buffered without bound.  All of a node's logs share
one rate, so that a chatty task cannot fill the line to the managers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from swarmd.agent.dispatcher import SESSION_ENDS, DispatcherClient
from swarmd.agent.waiting import closing
from swarmd.config import AgentConfig
from swarmd.errors import EngineError
from swarmd.model.assignment import LogBatch, LogMessage, LogOptions, LogSubscription
from swarmd.model.ids import TaskID
from swarmd.ports import Clock, Engine, Seconds

log = logging.getLogger(__name__)

#: The container of a task; with `follow` waits until it is made, otherwise None if it is not.
FindContainer = Callable[[TaskID, bool], Awaitable[str | None]]

#: A batch is sent when it has so many bytes, or when no line is waiting.
_BATCH_BYTES = 128 * 1024


class Bucket:
    """A token bucket: how long to wait before so many bytes may be sent."""

    def __init__(self, rate: int) -> None:
        #: bytes per second, and the most that can be saved up
        self._rate = rate
        self._level = float(rate)
        self._at: Seconds | None = None

    def delay_s(self, size_bytes: int, now: Seconds) -> Seconds:
        """Take `size_bytes`, on credit if need be; seconds until the credit is paid back."""
        if self._at is not None:
            self._level = min(self._rate, self._level + (now - self._at) * self._rate)
        self._at = now
        self._level -= size_bytes
        return max(0.0, -self._level / self._rate)


class LogServer:
    """Serves the subscriptions of one session."""

    def __init__(
        self, engine: Engine, clock: Clock, config: AgentConfig, find_container: FindContainer
    ) -> None:
        self._engine, self._clock, self._config = engine, clock, config
        self._find_container = find_container
        self._bucket = Bucket(config.log_rate_bytes)
        self._subscriptions: dict[str, _Subscription] = {}

    async def run(self, client: DispatcherClient, session_id: str) -> None:
        """Until the stream of subscriptions ends, or fails as the session's other streams do."""
        failure: Exception | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async with closing(client.log_subscriptions(session_id)) as stream:
                    async for message in stream:
                        self._take(message, client, group)
            except SESSION_ENDS as error:
                failure = error
            for subscription in self._subscriptions.values():
                subscription.end()
            self._subscriptions.clear()
        if failure is not None:
            raise failure

    def _take(
        self, message: LogSubscription, client: DispatcherClient, group: asyncio.TaskGroup
    ) -> None:
        subscription = self._subscriptions.get(message.id)
        if message.close:
            if subscription is not None:
                self._subscriptions.pop(message.id).end()
            return
        if subscription is None:
            subscription = _Subscription(message, self._config.log_queue_lines)
            self._subscriptions[message.id] = subscription
            subscription.start(group, self._publish(subscription, client))
        for task_id in message.task_ids:
            if task_id not in subscription.task_ids:
                subscription.task_ids[task_id] = None
                subscription.start(group, self._read(subscription, task_id))

    async def _read(self, subscription: "_Subscription", task_id: TaskID) -> None:
        """One task's lines into the queue, then the word that there will be no more."""
        options, error = subscription.options, ""
        try:
            container_id = await self._find_container(task_id, options.follow)
            if container_id is None:
                error = f"task {task_id} has no container"
            else:
                await self._copy(subscription, task_id, container_id)
        except EngineError as failure:
            error = failure.message
        await subscription.queue.put(_Ended(task_id, error))

    async def _copy(
        self, subscription: "_Subscription", task_id: TaskID, container_id: str
    ) -> None:
        options = subscription.options
        lines = self._engine.logs(
            container_id,
            follow=options.follow,
            tail=options.tail,
            since=options.since,
            streams=(options.stdout, options.stderr),
        )
        async with closing(lines) as stream:
            async for line in stream:
                await subscription.queue.put(
                    LogMessage(
                        task_id=task_id, stream=line.stream, timestamp=line.at, data=line.data
                    )
                )

    async def _publish(self, subscription: "_Subscription", client: DispatcherClient) -> None:
        """Send what is in the queue until the reader has gone."""
        while True:
            batch, size_bytes = await subscription.next_batch()
            await asyncio.sleep(self._bucket.delay_s(size_bytes, self._clock.monotonic()))
            # No deadline: a person may pause their pager for as long as they like.  The session's
            # end, or the subscription's, ends the wait.
            if not await self._is_read(client, batch):
                log.debug("log reader gone", extra={"subscription": subscription.id})
                self._subscriptions.pop(subscription.id, None)
                subscription.end()
                return

    @staticmethod
    async def _is_read(client: DispatcherClient, batch: LogBatch) -> bool:
        try:
            return await client.publish_logs(batch)
        except SESSION_ENDS:
            return False  # the session's other loops meet the same, and end it


class _Ended:
    """In the queue: a task's last word."""

    def __init__(self, task_id: TaskID, error: str) -> None:
        self.task_id, self.error = task_id, error


class _Subscription:
    """What one reader asked for."""

    def __init__(self, message: LogSubscription, queue_lines: int) -> None:
        self.id = message.id
        self.options: LogOptions = message.options
        #: tasks that are read already; more may come while the reader follows
        self.task_ids: dict[TaskID, None] = {}
        self.queue: asyncio.Queue[LogMessage | _Ended] = asyncio.Queue(queue_lines)
        self._loops: list[asyncio.Task[None]] = []

    def start(self, group: asyncio.TaskGroup, run: Coroutine[None, None, None]) -> None:
        """Run a loop for as long as the subscription lasts."""
        self._loops.append(group.create_task(run))

    def end(self) -> None:
        """Stop all its loops."""
        for loop in self._loops:
            loop.cancel()

    async def next_batch(self) -> tuple[LogBatch, int]:
        """At least one item, and what else is waiting; with its size in bytes."""
        messages: list[LogMessage] = []
        ended: list[TaskID] = []
        errors: dict[TaskID, str] = {}
        size_bytes = 0
        item = await self.queue.get()
        while True:
            if isinstance(item, _Ended):
                ended.append(item.task_id)
                if item.error:
                    errors[item.task_id] = item.error
            else:
                messages.append(item)
                size_bytes += len(item.data)
            if size_bytes >= _BATCH_BYTES or self.queue.empty():
                break
            item = self.queue.get_nowait()
        batch = LogBatch(
            subscription_id=self.id,
            messages=tuple(messages),
            ended=tuple(ended),
            errors=errors,
        )
        return batch, size_bytes
