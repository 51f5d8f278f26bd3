"""Whole agents: calls of the engine, and networks that have to stand before them."""

import asyncio

import pytest

from swarmd.config import AgentConfig
from swarmd.errors import EngineError, InvalidArgumentError
from swarmd.model.ids import TaskID
from swarmd.model.task import TaskState
from swarmd.wire.container import TaskEndpoint, TaskNetworks
from tests.unit.agent.scene import task
from tests.unit.agent.whole import World
from tests.virtual import in_virtual_time, until


@in_virtual_time
async def test_networks_are_awaited_before_the_create_and_reject_the_task_when_they_do_not_come() -> (
    None
):
    world = World()
    world.networks_hang = True
    async with world.running():
        await until(lambda: world.sessions)
        world.manager.want(task(1), task(2))
        await until(lambda: world.waiting_for_networks == 2)
        world.manager.want(task(2, TaskState.SHUTDOWN))
        await until(lambda: world.shows(2, "shutdown"), within_s=1)
        await until(lambda: world.shows(1, "rejected"))
        world.networks_hang = False
        world.network_error = InvalidArgumentError("network net0 has no address here")
        world.manager.want(task(3))
        await until(lambda: world.shows(3, "rejected"))
        world.network_error = EngineError(0, "connection refused")
        world.manager.want(task(4))
        await asyncio.sleep(10)
        assert world.shows(4, "preparing")
        world.network_error = None
        await until(lambda: world.shows(4, "running"))
    errs = [world.manager.statuses[TaskID(f"t{n}")].err for n in (1, 3)]
    assert errs == [
        "node is missing network attachments, ip addresses may be exhausted",
        "network net0 has no address here",
    ]


@in_virtual_time
async def test_a_bug_in_one_tasks_action_is_told_and_leaves_the_other_tasks_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a last frame the whole agent would be begun anew, and meet the same task, for ever."""
    world = World()
    world.network_error = KeyError("a bug")
    async with world.running():
        await until(lambda: world.sessions)
        world.manager.want(task(1))
        await until(lambda: world.shows(1, "rejected"))
        world.network_error = None
        world.manager.want(task(2))
        await until(lambda: world.shows(2, "running"))
        assert len(world.sessions) == 1
    assert world.manager.statuses[TaskID("t1")].err == "internal error: KeyError('a bug')"
    assert "action failed" in caplog.text


@in_virtual_time
async def test_older_engines_get_their_networks_one_by_one_or_no_container_at_all() -> None:
    world = World()
    world.engine.api_version = "1.43"
    world.networks = TaskNetworks(
        endpoints=(TaskEndpoint(network="swarmd-net0"), TaskEndpoint(network="swarmd-net1"))
    )
    world.engine.faults["connect_network"] = [EngineError(404, "network swarmd-net1 not found")]
    async with world.running():
        await until(lambda: world.sessions)
        world.manager.want(task(1, networks=2))
        await until(lambda: world.shows(1, "rejected"))
        assert not world.machine.containers
        world.manager.want(task(2, networks=2))
        await until(lambda: world.shows(2, "running"))
    assert world.engine.connects == ["swarmd-net1"]


@in_virtual_time
async def test_calls_that_are_too_late_are_looked_after_not_repeated_blindly() -> None:
    """An engine that is busy for minutes still makes the container in the end."""
    world = World()
    async with world.running():
        await until(lambda: world.sessions)
        world.engine.hanging.add("start_container")
        world.manager.want(task(1))
        await until(lambda: world.engine.calls["start_container"] == 1)
        await asyncio.sleep(world.config.call_s - 1)
        assert world.shows(1, "starting")
        world.machine.start("c1")
        world.engine.hanging.clear()
        await until(lambda: world.shows(1, "running"))
    assert world.machine.starts == {"t1": 1}


@in_virtual_time
async def test_concurrency_is_bounded_and_a_stop_does_not_queue_behind_creates() -> None:
    world = World()
    world.config = AgentConfig(engine_calls=4)
    async with world.running(task(1)):
        world.engine.hanging.add("create_container")
        world.manager.want(*(task(n) for n in range(2, 52)))
        await until(lambda: world.engine.under_way["create_container"] == 4)
        world.manager.want(task(1, TaskState.SHUTDOWN))
        await until(lambda: world.shows(1, "shutdown"), within_s=1)
        world.engine.hanging.clear()
        await until(lambda: all(world.shows(n, "running") for n in range(2, 52)))
    assert world.engine.most_under_way["create_container"] == 4
