"""Tasks that may not stay where they are."""

import msgspec
import pytest

from swarmd.model.ids import NodeID
from swarmd.model.node import Availability, NodeState, Resources
from swarmd.model.spec import RestartPolicy
from swarmd.model.task import Task, TaskState
from swarmd.store.entry import Delete, Kind
from tests.unit.dispatcher.cluster import GIB, Cluster, constraints, no_delay, spec
from tests.unit.dispatcher.test_place import reserved

DAY_S = 24 * 3600


def zoned(restart_policy: RestartPolicy | None = None) -> tuple[Cluster, Task]:
    """A service that wants zone a, on n1; n2 would do as well."""
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", zone="a")
    placement = constraints("node.labels.zone==a")
    cluster.deploy(spec(1, placement=placement, restart_policy=restart_policy or no_delay()))
    cluster.settle()
    cluster.add_node("n2", zone="a")
    cluster.settle()
    [task] = cluster.running()
    assert task.node_id == "n1"
    return cluster, task


def test_a_task_leaves_a_node_whose_label_changed_and_is_told_why() -> None:
    cluster, task = zoned()
    cluster.change_node("n1", labels={"zone": "b"})
    cluster.think()
    told = cluster.tables.task(task.id)
    assert told is not None
    assert told.desired_state is TaskState.SHUTDOWN
    assert told.status.err == "assigned node no longer meets constraints"
    assert told.status.message == "task rejected by constraint enforcer"
    assert told.status.state is TaskState.RUNNING, "only its agent says that it has ended"
    cluster.pass_time(60)
    assert cluster.nodes_of() == ["n2"]


def test_a_paused_node_is_left_alone_until_it_is_active_again() -> None:
    cluster, task = zoned()
    cluster.change_node("n1", labels={"zone": "b"}, availability=Availability.PAUSE)
    cluster.settle()
    assert [one.id for one in cluster.running()] == [task.id]
    cluster.change_node("n1", availability=Availability.ACTIVE)
    cluster.pass_time(60)
    assert cluster.nodes_of() == ["n2"]


@pytest.mark.parametrize(
    ("resources", "stay"),
    [
        (Resources(nano_cpus=4 * 10**9, memory_bytes=8 * GIB), 3),
        (Resources(nano_cpus=2 * 10**9, memory_bytes=8 * GIB), 2),
        (Resources(nano_cpus=4 * 10**9, memory_bytes=1 * GIB), 1),
    ],
)
def test_a_node_that_shrank_keeps_as_many_tasks_as_fit(resources: Resources, stay: int) -> None:
    """One after the other leaves, until the rest has what it reserved."""
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(3, resources=reserved(cpus=1, memory=1 * GIB), restart_policy=no_delay()))
    cluster.settle()
    node = cluster.tables.node("n1")
    assert node is not None
    assert node.description is not None
    cluster.change_node(
        "n1", description=msgspec.structs.replace(node.description, resources=resources)
    )
    cluster.pass_time(60)
    assert len(cluster.running()) == stay
    errors = {t.status.err for t in cluster.tasks() if t.state is TaskState.SHUTDOWN}
    assert len(cluster.tasks()) >= 3
    assert errors <= {"insufficient resources on assigned node", ""}


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_lost_nodes_tasks_are_given_up_when_it_is_removed_or_after_a_day(
    is_deleted: bool,
) -> None:
    cluster, task = zoned()
    cluster.down("n1")
    cluster.settle()
    assert cluster.nodes_of() == ["n2"]
    if is_deleted:
        cluster.commit(Delete(kind=Kind.NODE, id=NodeID("n1")))
        words = "Task belonged to a node that has been deleted"
    else:
        cluster.pass_time(DAY_S - 1)
        before = cluster.tables.task(task.id)
        assert before is not None
        assert before.state is TaskState.RUNNING
        words = "Task's node has been down for 24 hours"
    cluster.pass_time(2)
    given_up = cluster.tables.task(task.id)
    assert given_up is not None
    assert (given_up.state, given_up.status.message) == (TaskState.ORPHANED, words)
    assert cluster.tables.usage(NodeID("n1")).active == 0


def test_a_node_that_is_back_within_a_day_keeps_the_word_about_its_tasks() -> None:
    cluster, task = zoned()
    cluster.down("n1")
    cluster.settle()
    cluster.pass_time(DAY_S - 1)
    cluster.change_node("n1", state=NodeState.READY)
    cluster.pass_time(10)
    ended = cluster.tables.task(task.id)
    assert ended is not None
    assert ended.state is TaskState.SHUTDOWN, "as its agent has it, not ORPHANED"
