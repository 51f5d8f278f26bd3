"""Whole agents against an engine, a disk and a manager in memory, in virtual time."""

import asyncio

from swarmd.errors import EngineError
from swarmd.model.ids import TaskID
from swarmd.model.task import TaskState
from tests.unit.agent.scene import task
from tests.unit.agent.whole import World
from tests.virtual import in_virtual_time, until


@in_virtual_time
async def test_an_assigned_task_runs_and_the_manager_hears_of_it() -> None:
    world = World()
    async with world.running(task(1), task(2)):
        assert {c.name for c in world.machine.containers.values()} == {
            "web.1.t1",
            "web.2.t2",
        }
        assert {(c.task.id, c.is_serving, c.pid) for c in world.local} == {
            ("t1", True, 1000),
            ("t2", True, 1000),
        }
        [description] = world.manager.descriptions
        assert (description.hostname, description.platform.os) == ("alpha", "linux")
        await until(lambda: len(world.manager.beats) > 2)
        assert world.manager.beats[-1].engine_reachable
    assert world.machine.starts == {"t1": 1, "t2": 1}


@in_virtual_time
async def test_a_restarted_agent_adopts_what_runs_and_restarts_nothing() -> None:
    """Kill -9 of a worker's swarmd; no manager answers when it comes back."""
    world = World()
    await world.lived(*(task(n) for n in range(1, 6)))
    world.manager.die()
    world.told.clear()
    async with world.running():
        await until(lambda: world.told)
        assert [len(told) for told in world.told] == [5]
        await asyncio.sleep(100)
        assert [(c.state, c.is_serving) for c in world.local] == [("running", True)] * 5
        world.manager.live(term=2)
        sessions = len(world.sessions)
        await until(lambda: len(world.sessions) > sessions)
        await asyncio.sleep(5)
    assert all(world.shows(n, "running") for n in range(1, 6))
    assert all(count == 1 for count in world.machine.starts.values())
    assert (world.engine.calls["create_container"], world.machine.removed) == (5, [])


@in_virtual_time
async def test_the_disk_is_lost_and_a_container_that_should_not_run_is_found() -> None:
    """Somebody emptied the state directory; meanwhile the manager gave the task up."""
    world = World()
    await world.lived(task(1), task(2))
    world.disk.files.clear()
    world.manager.tasks[TaskID("t1")] = task(1, TaskState.SHUTDOWN, state=TaskState.ORPHANED)
    world.manager.tasks[TaskID("t2")] = task(2, state=TaskState.RUNNING)
    world.told.clear()
    async with world.running():
        await until(lambda: world.machine.containers["c1"].status == "exited")
        assert {c.task.id for c in world.told[0]} == {"t1", "t2"}
        await until(lambda: [c.task.id for c in world.local] == ["t2"])
    assert world.machine.starts == {"t1": 1, "t2": 1}


@in_virtual_time
async def test_what_ended_while_swarmd_was_down_is_told_afterwards() -> None:
    world = World()
    await world.lived(task(1))
    world.machine.die("c1", 3)
    async with world.running():
        await until(lambda: world.shows(1, "failed"))
    assert world.manager.statuses[TaskID("t1")].err == "task: non-zero exit (3)"
    assert world.machine.starts == {"t1": 1}


@in_virtual_time
async def test_an_engine_that_goes_away_and_returns_fails_nothing() -> None:
    """The engine is restarted with live-restore; one container died meanwhile."""
    world = World()
    async with world.running(task(1), task(2)):
        world.engine.leave()
        await until(lambda: not world.manager.beats[-1].engine_reachable)
        world.manager.want(task(3))
        world.machine.die("c2", 1)
        await asyncio.sleep(120)
        assert world.shows(1, "running")
        assert world.shows(2, "running")
        assert world.shows(3, "preparing")
        world.engine.back()
        await until(lambda: world.shows(3, "running") and world.shows(2, "failed"))
        assert world.manager.beats[-1].engine_reachable
        assert world.shows(1, "running")
    assert world.machine.starts == {"t1": 1, "t2": 1, "t3": 1}


@in_virtual_time
async def test_a_node_without_its_engine_is_listed_and_described_anew_when_the_engine_comes() -> (
    None
):
    """The machine boots, and swarmd is up before the engine."""
    world = World()
    world.engine.is_away = True
    manager = world.manager
    async with world.running():
        await until(lambda: manager.beats)
        assert not manager.beats[-1].engine_reachable
        assert manager.descriptions[-1].hostname == "fallback"
        world.engine.back()
        await until(lambda: manager.beats[-1].engine_reachable, within_s=2)
        await until(lambda: manager.descriptions[-1].hostname == "alpha", within_s=2)


@in_virtual_time
async def test_an_engine_that_refuses_to_list_is_not_asked_in_a_busy_loop() -> None:
    world = World()
    world.engine.faults["list_containers"] = [EngineError(500, "database is locked")] * 1000
    async with world.running(task(1)):
        await asyncio.sleep(60)
    assert world.engine.calls["list_containers"] < 120


@in_virtual_time
async def test_an_event_hurries_the_look_and_a_lost_one_only_delays_it() -> None:
    world = World()
    async with world.running(task(1), task(2)):
        world.machine.die("c1", 0)
        await until(lambda: world.shows(1, "complete"), within_s=0.5)
        world.engine.is_mute = True
        world.machine.die("c2", 0)
        await until(lambda: world.shows(2, "complete"), within_s=31)


@in_virtual_time
async def test_a_health_check_decides_when_a_task_runs_and_when_it_fails() -> None:
    world = World()
    world.machine.health = "starting"
    async with world.running():
        await until(lambda: world.sessions)
        world.manager.want(task(1))
        await until(lambda: world.shows(1, "starting"))
        world.machine.change("c1", "health_status: healthy", health="healthy")
        await until(lambda: world.shows(1, "running"), within_s=0.5)
        world.machine.change("c1", "health_status: unhealthy", health="unhealthy")
        await until(lambda: world.shows(1, "failed"), within_s=0.5)
    assert world.manager.statuses[TaskID("t1")].err == (
        "task: non-zero exit (143): dockerexec: unhealthy container"
    )


@in_virtual_time
async def test_the_node_hears_each_time_that_the_engine_was_found() -> None:
    """What the engine keeps, its networks and firewall, may be another than before."""
    world = World()
    async with world.running():
        await until(lambda: world.finds == 1)
        world.engine.leave()
        await until(lambda: not world.agent.is_engine_reachable)
        assert world.finds == 1
        world.engine.back()
        await until(lambda: world.finds == 2)
