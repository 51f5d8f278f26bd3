"""Whole agents: whom they obey, what they keep on disk, what they remove."""

import asyncio

import msgspec
import pytest

from swarmd.agent.loop import leave
from swarmd.agent.state import ASSIGNMENTS_FILE, MEMORIES_FILE
from swarmd.errors import EngineError
from swarmd.model.ids import ClusterID, TaskID
from swarmd.model.task import TaskState
from swarmd.ports import Container
from swarmd.wire.container import CLUSTER_LABEL, TASK_ID_LABEL
from tests.unit.agent.scene import CLUSTER, IMAGE, change, complete, task
from tests.unit.agent.whole import World
from tests.virtual import in_virtual_time, until


def _put(world: World, name: str, labels: dict[str, str]) -> None:
    world.machine.containers[name] = Container(
        id=name, name=name, labels=labels, status="running", image=IMAGE
    )


@in_virtual_time
async def test_strays_are_removed_only_after_a_complete_set_and_only_this_clusters() -> None:
    world = World()
    _put(world, "stray", {CLUSTER_LABEL: CLUSTER, TASK_ID_LABEL: "gone"})
    _put(world, "other", {CLUSTER_LABEL: "other-cluster", TASK_ID_LABEL: "gone"})
    _put(world, "swarm", {TASK_ID_LABEL: "gone"})
    _put(world, "users", {})
    world.manager.is_here = False
    async with world.running():
        await asyncio.sleep(100)
        assert len(world.machine.containers) == 4
        world.manager.live(term=1)
        await until(lambda: world.sessions)
        await until(lambda: world.machine.removed == ["stray"])
        await asyncio.sleep(100)
    assert set(world.machine.containers) == {"other", "swarm", "users"}


@in_virtual_time
async def test_a_node_that_was_cut_off_removes_what_is_no_longer_assigned() -> None:
    world = World()
    async with world.running(task(1), task(2)):
        world.manager.die()
        del world.manager.tasks[TaskID("t1")]
        await asyncio.sleep(30)
        assert not world.machine.removed
        world.manager.live(term=2)
        await until(lambda: world.machine.removed == ["c1"])
        await asyncio.sleep(60)
    assert world.machine.removed == ["c1"]


@in_virtual_time
async def test_a_deposed_leader_is_not_obeyed_even_after_a_restart() -> None:
    """An old leader, cut off from the others, still believes that it leads."""
    world = World()
    world.manager.term = 5
    await world.lived(task(1))
    world.manager.die()
    world.manager.tasks.clear()
    world.manager.live(term=4)
    async with world.running():
        await asyncio.sleep(60)
        assert not world.machine.removed
        assert world.manager.sessions > 3
        world.manager.die()
        world.manager.live(term=6)
        await until(lambda: world.machine.removed == ["c1"])


@in_virtual_time
async def test_a_gap_in_the_assignments_is_mended_by_a_complete_set() -> None:
    world = World()
    async with world.running():
        await until(lambda: world.manager.complete_sets == 1)
        world.manager.tasks[TaskID("t1")] = task(1)
        world.manager.send(change(7, task(1)))
        await until(lambda: world.shows(1, "running"))
    assert (world.manager.complete_sets, world.manager.sessions) == (2, 1)


@in_virtual_time
async def test_a_set_that_lacks_a_spec_is_asked_for_again() -> None:
    world = World()
    async with world.running():
        await until(lambda: world.manager.complete_sets == 1)
        world.manager.send(msgspec.structs.replace(complete(task(1)), specs=(), sequence=2, term=2))
        await until(lambda: world.manager.complete_sets == 2)


@in_virtual_time
async def test_a_full_disk_keeps_new_containers_from_being_made_and_running_ones_run() -> None:
    world = World()
    async with world.running(task(1)):
        world.disk.is_full = True
        world.manager.want(task(2))
        await asyncio.sleep(30)
        assert world.engine.calls["create_container"] == 1
        world.manager.want(task(1, TaskState.SHUTDOWN))
        await until(lambda: world.shows(1, "shutdown"))
        world.disk.is_full = False
        await until(lambda: world.shows(2, "running"))


@pytest.mark.parametrize("damage", ["half", "foreign", "later", "empty"])
@in_virtual_time
async def test_state_that_cannot_be_used_is_set_aside_and_the_manager_sends_it_again(
    damage: str,
) -> None:
    """Bits that rot, a state directory copied from another node, a downgrade."""
    world = World()
    async with world.running(task(1)):
        await asyncio.sleep(3)
    for name in (ASSIGNMENTS_FILE, MEMORIES_FILE):
        data = world.disk.files[name]
        content = msgspec.msgpack.decode(data)
        if damage == "foreign":
            data = msgspec.msgpack.encode({**content, "ClusterID": "another"})
        elif damage == "later":
            data = msgspec.msgpack.encode({**content, "Format": 2})
        else:
            data = data[: len(data) // 2] if damage == "half" else b""
        world.disk.files[name] = data
    async with world.running():
        await asyncio.sleep(60)
    assert f"{ASSIGNMENTS_FILE}.unreadable" in world.disk.files
    assert world.shows(1, "running")
    assert world.machine.starts == {"t1": 1}
    assert not world.machine.removed


@in_virtual_time
async def test_leaving_removes_this_clusters_containers_and_the_state() -> None:
    world = World()
    _put(world, "other", {CLUSTER_LABEL: ClusterID("other-cluster")})
    async with world.running(task(1), task(2)):
        await asyncio.sleep(3)
    world.engine.faults["remove_container"] = [EngineError(500, "device busy")]
    await leave(world.engine, world.disk, CLUSTER)
    (stuck,) = set(world.machine.containers) - {"other"}
    assert stuck in ("c1", "c2")
    await leave(world.engine, world.disk, CLUSTER)
    assert (set(world.machine.containers), world.disk.files) == ({"other"}, {})
    world.engine.leave()
    with pytest.raises(EngineError):
        await leave(world.engine, world.disk, CLUSTER)
