"""Waiting, and the rate of logs."""

import asyncio

import pytest

from swarmd.agent.description import NodeFacts, describe
from swarmd.agent.logs import Bucket
from swarmd.agent.waiting import SteadyClock, first_end
from swarmd.model.node import Plugin
from tests.unit.agent.fake_engine import FakeEngine, Machine
from tests.virtual import LoopClock, in_virtual_time


@in_virtual_time
async def test_a_steady_clock_does_not_follow_a_wall_clock_that_jumps() -> None:
    clock = LoopClock()
    steady = SteadyClock(clock)
    began = steady.now()
    clock.offset -= 3600 * 10**9
    await asyncio.sleep(2)
    assert steady.now() - began == pytest.approx(2e9)
    assert steady.until(began + 5 * 10**9) == pytest.approx(3)
    assert (steady.until(began), steady.until(None)) == (0, None)


@in_virtual_time
async def test_the_first_end_ends_the_others_and_only_expected_failures_are_returned() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def fail(error: Exception) -> None:
        await asyncio.sleep(1)
        raise error

    refused = ConnectionError("refused")
    assert await first_end(forever(), fail(refused), expected=(OSError,)) is refused
    assert await first_end(forever(), asyncio.sleep(1), expected=()) is None
    with pytest.raises(ExceptionGroup):
        await first_end(forever(), fail(ValueError("bug")), expected=(OSError,))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await first_end(forever(), expected=(OSError,))
    assert ended == ["cancelled"] * 4


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = Bucket(1000)
    assert bucket.delay_s(1000, 0.0) == 0
    assert bucket.delay_s(500, 0.0) == 0.5
    assert bucket.delay_s(0, 0.5) == 0
    assert bucket.delay_s(1000, 100.0) == 0


@in_virtual_time
async def test_a_node_describes_itself_with_what_the_engine_and_the_daemon_know() -> None:
    subnets = ("10.0.0.0/16",)
    facts = NodeFacts(hostname="by-the-daemon", data_path_address="10.0.0.1", subnets=subnets)
    without = describe(None, facts)
    assert (without.hostname, without.subnets) == ("by-the-daemon", subnets)
    told = describe(await FakeEngine(Machine()).info(), facts)
    assert told.subnets == subnets
    assert (told.hostname, told.platform.architecture) == ("alpha", "x86_64")
    assert (told.resources.nano_cpus, told.data_path_address) == (2_000_000_000, "10.0.0.1")
    assert told.engine.plugins == (
        Plugin(type="Network", name="bridge"),
        Plugin(type="Network", name="overlay"),
        Plugin(type="Volume", name="local"),
    )
