"""How often the loops write while much changes, in virtual time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
import pytest

from swarmd.ingress.loop import MeshLoop
from swarmd.ingress.vip import ContainerRules
from swarmd.ingress.vips import GATHER_S, REST_S, VipLoop
from swarmd.model.dataplane import DataPlane
from swarmd.ports import Kernel
from tests.beside import beside
from tests.planes import CLIENT_3, WEB_1, WEB_2, plane, without_tasks
from tests.unit.ingress.test_loops import Recorder, task
from tests.virtual import in_virtual_time

#: Each change comes so long after the one before; a write takes as long.
STEP_S = 0.05
CHANGES = 40


class SlowRecorder(Recorder):
    """Writes take their time."""

    async def nft(self, text: str, *, pid: int = 0) -> None:
        await asyncio.sleep(STEP_S)
        await super().nft(text, pid=pid)


async def writes_meanwhile(
    loop: MeshLoop | VipLoop, kernel: Recorder, change: Callable[[int], None]
) -> int:
    """How often rules were written while something changed again and again."""
    async with beside(loop.run()):
        for number in range(CHANGES):
            change(number)
            await asyncio.sleep(STEP_S)
    return kernel.done.count("nft")


@in_virtual_time
async def test_containers_that_start_one_by_one_have_the_tables_written_at_half_the_pace() -> None:
    kernel = SlowRecorder()
    loop = VipLoop(cast("Kernel", kernel))

    def restarted(number: int) -> None:
        loop.follow(plane())
        loop.follow_tasks([task(WEB_1, 100 + number)])

    assert CHANGES // 4 <= await writes_meanwhile(loop, kernel, restarted) <= CHANGES // 2 + 1


@in_virtual_time
async def test_containers_that_start_one_by_one_have_the_mesh_looked_at_at_half_the_pace() -> None:
    kernel = SlowRecorder()
    loop = MeshLoop(cast("Kernel", kernel))
    loop.follow(plane())
    count = await writes_meanwhile(loop, kernel, lambda _: loop.look())
    assert CHANGES // 4 <= count <= CHANGES // 2 + 1


NONE = without_tasks(plane(3), {WEB_1, WEB_2})
ONE = without_tasks(plane(3), {WEB_2})
OTHER = without_tasks(plane(3), {WEB_1})
BOTH = plane(3)


@pytest.mark.parametrize(
    ("planes", "is_late"),
    [
        ([ONE, BOTH], True),
        ([NONE, ONE], False),
        ([BOTH, ONE], False),
        ([ONE, OTHER], False),
        ([ONE, BOTH, OTHER], False),
    ],
    ids=["one more", "the first", "one less", "another", "one more, then one less"],
)
@in_virtual_time
async def test_only_a_backend_more_is_waited_with(
    planes: Sequence[DataPlane], is_late: bool
) -> None:
    """A VIP that leads somewhere does without it for a moment; nothing leads to what has left."""
    kernel = Recorder()
    loop = VipLoop(cast("Kernel", kernel))
    async with beside(loop.run()):
        loop.follow_tasks([task(CLIENT_3, 8)])
        for wanted in planes:
            loop.follow(wanted)
            await asyncio.sleep(0.01)
        soon = len(kernel.written)
        await asyncio.sleep(GATHER_S + REST_S)
        await loop.settled()
    assert (soon, len(kernel.written)) == ((1, 2) if is_late else (2, 2))
    assert kernel.written[-1] == (8, ContainerRules(planes[-1]).of(task(CLIENT_3, 8)).text)


def _with_backends(count: int) -> DataPlane:
    """So many behind the stack's VIP."""
    (service,) = BOTH.services
    ingress, stack = service.networks
    one = stack.backends[0]
    change = msgspec.structs.replace
    many = tuple(change(one, addresses=(f"10.0.1.{20 + index}",)) for index in range(count))
    networks = (ingress, change(stack, backends=many))
    return change(BOTH, services=(change(service, networks=networks),))


@in_virtual_time
async def test_backends_that_come_one_by_one_are_gathered() -> None:
    kernel = Recorder()
    loop = VipLoop(cast("Kernel", kernel))
    planes = [_with_backends(1 + index) for index in range(CHANGES)]
    async with beside(loop.run()):
        loop.follow_tasks([task(CLIENT_3, 8)])
        for wanted in planes:
            loop.follow(wanted)
            await asyncio.sleep(STEP_S)
        await asyncio.sleep(GATHER_S + REST_S)
    assert len(kernel.written) <= 2 + CHANGES * STEP_S / GATHER_S
    assert kernel.written[-1] == (8, ContainerRules(planes[-1]).of(task(CLIENT_3, 8)).text)
