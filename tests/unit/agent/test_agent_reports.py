"""Whole agents: what a manager hears of statuses and logs."""

import asyncio

from swarmd.config import AgentConfig
from swarmd.model.assignment import LogOptions, LogSubscription
from swarmd.model.ids import TaskID
from swarmd.model.task import TaskState
from swarmd.ports import LogChunk
from tests.unit.agent.scene import task
from tests.unit.agent.whole import World
from tests.virtual import in_virtual_time, until


@in_virtual_time
async def test_statuses_are_batched_and_the_ones_that_somebody_waits_for_go_at_once() -> None:
    world = World()
    world.config = AgentConfig(report_most=20)
    await world.lived(*(task(n) for n in range(1, 51)))
    assert all(len(report.updates) <= 20 for report in world.manager.reports)
    assert len(world.manager.reports) < 50
    assert "t1 accepted" not in world.manager.history


@in_virtual_time
async def test_a_goodbye_is_said_and_its_failure_hurts_nobody() -> None:
    world = World()
    await world.agent.goodbye()
    async with world.running():
        await until(lambda: world.sessions)
        await until(lambda: world.manager.complete_sets)
        await world.agent.goodbye()
        assert world.manager.goodbyes == 1
        world.manager.is_here = False
        await world.agent.goodbye()


@in_virtual_time
async def test_logs_of_a_task_are_followed_from_before_its_container_exists() -> None:
    world = World()
    manager = world.manager
    async with world.running():
        await until(lambda: world.sessions)
        follow = LogOptions(follow=True)
        manager.subscriptions.put_nowait(
            LogSubscription(id="s1", task_ids=(TaskID("t1"),), options=follow)
        )
        await asyncio.sleep(1)
        manager.want(task(1))
        world.engine.lines["c1"] = [LogChunk(stream=1, at=5, data=b"hello\n")]
        await until(lambda: manager.batches)
        [message] = manager.batches[0].messages
        assert (message.task_id, message.stream, message.data) == ("t1", 1, b"hello\n")
        # The reader goes on to follow a second task, which has ended without a container.
        manager.subscriptions.put_nowait(
            LogSubscription(id="s1", task_ids=(TaskID("t1"), TaskID("t2")), options=follow)
        )
        manager.want(task(2, TaskState.SHUTDOWN))
        await until(lambda: any(batch.errors for batch in manager.batches))
        assert manager.batches[-1].ended == ("t2",)
        manager.subscriptions.put_nowait(LogSubscription(id="s1", close=True))
        await until(lambda: world.engine.calls["logs"] == 1)
        await asyncio.sleep(1)
        count = len(manager.batches)
        world.engine.lines["c1"] += [LogChunk(stream=1, at=6, data=b"late\n")]
        await asyncio.sleep(5)
        assert len(manager.batches) == count


@in_virtual_time
async def test_the_log_of_a_container_that_waits_for_its_start_is_not_at_its_end() -> None:
    """`service logs -f` while a task is restarted: the next one is made before its delay is over."""
    world = World()
    manager = world.manager
    async with world.running():
        await until(lambda: world.sessions)
        manager.want(task(1, TaskState.READY))
        await until(lambda: world.shows(1, "ready"))
        manager.subscriptions.put_nowait(
            LogSubscription(id="s1", task_ids=(TaskID("t1"),), options=LogOptions(follow=True))
        )
        await asyncio.sleep(5)
        assert manager.batches == []
        world.engine.lines["c1"] = [LogChunk(stream=1, at=5, data=b"hello\n")]
        manager.want(task(1, TaskState.RUNNING))
        await until(lambda: manager.batches)
        assert [message.data for message in manager.batches[0].messages] == [b"hello\n"]


@in_virtual_time
async def test_logs_read_once_end_and_a_reader_that_left_ends_them_too() -> None:
    world = World()
    manager = world.manager
    async with world.running():
        await until(lambda: world.sessions)
        manager.want(task(1))
        await until(lambda: world.shows(1, "running"))
        world.engine.lines["c1"] = [LogChunk(stream=2, at=n, data=b"x" * 1000) for n in range(3000)]
        names = (TaskID("t1"), TaskID("t9"))
        manager.subscriptions.put_nowait(LogSubscription(id="s1", task_ids=names))
        await until(lambda: sum(len(b.ended) for b in manager.batches) == 2)
        assert sum(len(b.messages) for b in manager.batches) == 3000
        errors = {k: v for b in manager.batches for k, v in b.errors.items()}
        assert errors == {"t9": "task t9 has no container"}
        manager.batches.clear()
        manager.is_read = False
        manager.subscriptions.put_nowait(LogSubscription(id="s2", task_ids=names[:1]))
        await until(lambda: manager.batches)
        await asyncio.sleep(5)
        assert len(manager.batches) == 1
        assert len(world.sessions) == 1
