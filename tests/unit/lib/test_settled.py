"""What others wait for: that a loop has carried out what it was told."""

import asyncio

from swarmd.lib.settled import Settled


async def test_only_what_was_told_before_is_waited_for() -> None:
    settled = Settled()
    await settled.wait()
    settled.tell()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(settled.wait())
        await asyncio.sleep(0)
        number = settled.begin()
        settled.tell()  # told during the round: not part of it
        assert not waiting.done()
        settled.end(number)
        await waiting
        later = group.create_task(settled.wait())
        await asyncio.sleep(0)
        assert not later.done()
        settled.end(settled.begin())
