"""How often the loops write while much changes, in virtual time."""

import asyncio
from collections.abc import Callable
from typing import cast

from swarmd.ingress.loop import MeshLoop
from swarmd.ingress.vips import VipLoop
from swarmd.ports import Kernel
from swarmd.sim.loop import SimLoop
from tests.planes import WEB_1, plane
from tests.unit.ingress.test_loops import Recorder, task

#: Each change comes so long after the one before; a write takes as long.
STEP_S = 0.05
CHANGES = 40


class SlowRecorder(Recorder):
    """Writes take their time."""

    async def nft(self, text: str, *, pid: int = 0) -> None:
        await asyncio.sleep(STEP_S)
        await super().nft(text, pid=pid)


def writes_meanwhile(
    loop: MeshLoop | VipLoop, kernel: Recorder, change: Callable[[int], None]
) -> int:
    """How often rules were written while something changed again and again."""

    async def story() -> int:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(loop.run())
            for number in range(CHANGES):
                change(number)
                await asyncio.sleep(STEP_S)
            running.cancel()
        return kernel.done.count("nft")

    sim = SimLoop(1)
    try:
        return sim.run_until_complete(story())
    finally:
        sim.close()


def test_containers_that_start_one_by_one_have_the_tables_written_at_half_the_pace() -> None:
    kernel = SlowRecorder()
    loop = VipLoop(cast("Kernel", kernel))

    def restarted(number: int) -> None:
        loop.follow(plane())
        loop.follow_tasks([task(WEB_1, 100 + number)])

    assert CHANGES // 4 <= writes_meanwhile(loop, kernel, restarted) <= CHANGES // 2 + 1


def test_containers_that_start_one_by_one_have_the_mesh_looked_at_at_half_the_pace() -> None:
    kernel = SlowRecorder()
    loop = MeshLoop(cast("Kernel", kernel))
    loop.follow(plane())
    count = writes_meanwhile(loop, kernel, lambda _: loop.look())
    assert CHANGES // 4 <= count <= CHANGES // 2 + 1
