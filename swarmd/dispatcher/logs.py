"""The log broker: readers at the managers, lines from the agents.

A reader selects tasks; each agent that runs one of them is told by its stream of subscriptions, and
publishes batches until the reader leaves.  Lines that a slow reader does not take make the agent's
call wait, so nothing is buffered without bound.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from swarmd.model.assignment import LogBatch, LogOptions, LogSubscription
from swarmd.model.ids import NodeID
from swarmd.model.task import Task
from swarmd.store.view import View

#: Batches that wait for a reader; then the agents wait.
QUEUE_BATCHES = 64
#: Longest time without a batch.
SILENCE_S = 1.0

#: Which tasks a reader wants to see, as of a view.
Select = Callable[[View], Iterable[Task]]


class _Reader:
    """One reader."""

    def __init__(self, identity: str, select: Select, options: LogOptions) -> None:
        self.id, self.select, self.options = identity, select, options
        self.batches: asyncio.Queue[LogBatch] = asyncio.Queue(QUEUE_BATCHES)

    async def next_batch(self) -> LogBatch:
        """The next one, or an empty one after a second."""
        try:
            async with asyncio.timeout(SILENCE_S):
                return await self.batches.get()
        except TimeoutError:
            return LogBatch(subscription_id=self.id)


class LogBroker:
    """All readers of this manager's logs."""

    def __init__(self) -> None:
        self._readers: dict[str, _Reader] = {}
        #: called when a reader came or left, or tasks changed
        self.on_change: Callable[[], None] = lambda: None

    async def read(
        self, identity: str, select: Select, options: LogOptions
    ) -> AsyncGenerator[LogBatch, None]:
        """Batches as they come, until the caller closes the generator.

        When a second passes without one, an empty one: readers look then whether nodes were lost.
        """
        reader = self._readers[identity] = _Reader(identity, select, options)
        self.on_change()
        try:
            while True:
                yield await reader.next_batch()
        finally:
            del self._readers[identity]
            self.on_change()

    async def publish(self, batch: LogBatch) -> bool:
        """Hand a batch to its reader; False if there is none any more."""
        reader = self._readers.get(batch.subscription_id)
        if reader is None:
            return False
        await reader.batches.put(batch)
        return True

    def wanted(self, view: View, node_id: NodeID) -> dict[str, LogSubscription]:
        """The subscriptions that concern a node's tasks."""
        wanted = {}
        for reader in self._readers.values():
            tasks = tuple(task.id for task in reader.select(view) if task.node_id == node_id)
            if tasks:
                wanted[reader.id] = LogSubscription(
                    id=reader.id, task_ids=tasks, options=reader.options
                )
        return wanted


class SubscriptionFeed:
    """One agent's subscriptions: what changed since it was last told."""

    def __init__(self) -> None:
        self._told: dict[str, LogSubscription] = {}

    def next(self, wanted: dict[str, LogSubscription]) -> list[LogSubscription]:
        """New and changed ones, then those that ended."""
        news = [one for one in wanted.values() if self._told.get(one.id) != one]
        news += [LogSubscription(id=i, close=True) for i in self._told if i not in wanted]
        self._told = dict(wanted)
        return news
