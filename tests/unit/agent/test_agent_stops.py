"""Whole agents: what is no longer wanted ends, in good order and through restarts."""

import asyncio

import pytest

from swarmd.agent.state import ASSIGNMENTS_FILE
from swarmd.model.ids import TaskID
from swarmd.model.spec import SECOND
from swarmd.model.task import TaskState
from swarmd.wire.container import TaskEndpoint, TaskNetworks
from tests.unit.agent.scene import IMAGE, spec, task
from tests.unit.agent.whole import World
from tests.unit.agent.world import Manager
from tests.virtual import in_virtual_time, until


@in_virtual_time
async def test_a_pull_is_cut_short_when_its_task_is_no_longer_wanted() -> None:
    """A registry that answers nothing, and a user who corrects the image."""
    world = World()
    world.machine.images.clear()
    world.engine.hanging.add("pull_image")
    async with world.running():
        await until(lambda: world.sessions)
        world.manager.want(task(1), task(2))
        await until(lambda: world.engine.under_way["pull_image"] == 2)
        world.manager.want(task(1, TaskState.SHUTDOWN))
        await until(lambda: world.shows(1, "shutdown"), within_s=0.5)
        world.manager.drop("t2")
        await until(lambda: world.engine.under_way["pull_image"] == 0, within_s=0.5)
    assert not world.machine.containers


@in_virtual_time
async def test_killed_during_a_pull_the_next_agent_pulls_again_once_it_has_the_credentials() -> (
    None
):
    manager = Manager()
    manager.auth = "c2VjcmV0"
    world = World(manager)
    world.machine.images.clear()
    world.machine.registry.add(IMAGE)
    world.engine.hanging.add("pull_image")
    manager.tasks[TaskID("t1")] = task(1)
    async with world.running():
        await until(lambda: world.engine.under_way["pull_image"] == 1)
        await until(lambda: ASSIGNMENTS_FILE in world.disk.files)
    world.engine.hanging.clear()
    manager.die()
    assert b"c2VjcmV0" not in world.disk.files[ASSIGNMENTS_FILE]
    async with world.running():
        await asyncio.sleep(60)
        assert len(world.engine.pulls) == 1
        manager.live(term=2)
        await until(lambda: world.shows(1, "running"))
    assert world.engine.pulls[-1] == (IMAGE, "c2VjcmV0")


@in_virtual_time
async def test_a_stop_deadline_survives_a_restart() -> None:
    world = World()
    world.machine.is_stubborn = True
    world.manager.spec = spec(stop_grace_period=20 * SECOND)
    loop = asyncio.get_running_loop()
    async with world.running(task(1)):
        world.manager.want(task(1, TaskState.SHUTDOWN))
        await until(lambda: world.machine.signals)
        asked_at = loop.time()
        await asyncio.sleep(5)
    assert world.machine.signals == [("c1", "SIGTERM")]
    await asyncio.sleep(5)
    world.manager.die()
    async with world.running():
        await until(lambda: len(world.machine.signals) > 1)
        assert world.machine.signals[1:] == [("c1", "SIGKILL")]
        assert loop.time() - asked_at == pytest.approx(20, abs=1)
        world.manager.live(term=2)
        await until(lambda: world.shows(1, "shutdown"))


@in_virtual_time
async def test_traffic_is_led_elsewhere_before_a_container_is_asked_to_stop() -> None:
    world = World()
    world.networks = TaskNetworks(endpoints=(TaskEndpoint(network="swarmd-net0"),))
    loop = asyncio.get_running_loop()
    async with world.running(task(1, networks=1)):
        world.manager.want(task(1, TaskState.SHUTDOWN, networks=1))
        await until(lambda: not world.local[0].is_serving, within_s=0.1)
        withdrawn_at = loop.time()
        assert not world.machine.signals
        await until(lambda: world.machine.signals)
        assert loop.time() - withdrawn_at >= world.config.withdraw_s - 0.05


@pytest.mark.parametrize("ends_after_s", [1.2, None])
@in_virtual_time
async def test_a_stop_waits_for_nodes_that_still_send_traffic_but_not_for_ever(
    ends_after_s: float | None,
) -> None:
    """A node under load changes its tables late; one that is gone never says so."""
    world = World()
    world.networks = TaskNetworks(endpoints=(TaskEndpoint(network="swarmd-net0"),))
    world.traffic_ends.clear()
    loop = asyncio.get_running_loop()
    async with world.running(task(1, networks=1)):
        world.manager.want(task(1, TaskState.SHUTDOWN, networks=1))
        await until(lambda: not world.local[0].is_serving, within_s=0.1)
        withdrawn_at = loop.time()
        if ends_after_s is not None:
            loop.call_later(ends_after_s, world.traffic_ends.set)
        await until(lambda: world.machine.signals)
        waited_s = loop.time() - withdrawn_at
        assert waited_s == pytest.approx(ends_after_s or world.config.lead_away_s, abs=0.1)
