"""The log broker: what a reader gets while nobody says anything."""

import asyncio
import contextlib

from swarmd.dispatcher.logs import SILENCE_S, LogBroker
from swarmd.model.assignment import LogBatch, LogOptions
from tests.virtual import in_virtual_time


@in_virtual_time
async def test_a_reader_hears_within_a_second_that_there_is_nothing() -> None:
    """It looks then whether the nodes that it waits for are still there."""
    broker = LogBroker()
    loop = asyncio.get_running_loop()
    batches = broker.read("r", lambda _view: (), LogOptions())
    async with contextlib.aclosing(batches):
        began = loop.time()
        assert await anext(batches) == LogBatch(subscription_id="r")
        assert loop.time() - began >= SILENCE_S
        news = LogBatch(subscription_id="r", ended=())
        assert await broker.publish(news)
        assert await anext(batches) is news
    assert not await broker.publish(news)
