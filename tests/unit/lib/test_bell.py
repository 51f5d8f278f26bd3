"""The bell that wakes a loop."""

import asyncio

import pytest

from swarmd.lib.bell import Bell
from tests.virtual import in_virtual_time


@in_virtual_time
async def test_a_bell_rung_while_nobody_waits_wakes_the_next_wait() -> None:
    loop, bell = asyncio.get_running_loop(), Bell()
    bell.ring()
    await bell.wait(10)
    assert loop.time() == 0
    await bell.wait(10)
    assert loop.time() == pytest.approx(10)
