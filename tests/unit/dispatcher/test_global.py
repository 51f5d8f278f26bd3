"""Global services: one task on every node that fits, and what nodes' changes do to them."""

import pytest

from swarmd.model.ids import NodeID
from swarmd.model.node import Availability, NodeState
from swarmd.model.task import TaskState
from swarmd.store.entry import Delete, Kind
from tests.unit.dispatcher.cluster import Cluster, constraints, no_delay, spec


def everywhere(nodes: int = 3) -> Cluster:
    """A cluster with a global service that runs."""
    cluster = Cluster(nodes)
    cluster.deploy(spec(None, restart_policy=no_delay()))
    cluster.settle()
    assert len(cluster.running()) == nodes
    return cluster


def test_a_node_that_joins_later_gets_its_task() -> None:
    cluster = everywhere()
    cluster.add_node("n4")
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2", "n3", "n4"]


@pytest.mark.parametrize(
    "why", [{"state": NodeState.DOWN}, {"availability": Availability.DRAIN}], ids=str
)
def test_a_node_that_is_down_or_drained_has_no_task_until_it_is_back(
    why: dict[str, object],
) -> None:
    """Nor has another node a second one instead."""
    cluster = everywhere()
    cluster.change_node("n2", **why)
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n3"]
    assert len([task for task in cluster.tasks() if task.is_wanted]) == 2
    cluster.change_node("n2", state=NodeState.READY, availability=Availability.ACTIVE)
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2", "n3"]


@pytest.mark.parametrize("state", [NodeState.UNKNOWN, NodeState.DISCONNECTED])
def test_a_node_that_is_only_silent_keeps_its_task(state: NodeState) -> None:
    cluster = everywhere()
    before = {task.id for task in cluster.running()}
    cluster.change_node("n2", state=state)
    cluster.settle()
    assert {task.id for task in cluster.running()} == before


def test_a_paused_node_keeps_its_task_and_gets_no_other() -> None:
    """Not for an update, and not in place of one that ended."""
    cluster = everywhere()
    cluster.change_node("n2", availability=Availability.PAUSE)
    cluster.deploy(spec(None, restart_policy=no_delay(), force_update=1))
    cluster.pass_time(60)
    versions = {task.node_id: task.spec_version for task in cluster.running()}
    assert versions == {"n1": 2, "n2": 1, "n3": 2}
    [old] = [task for task in cluster.running() if task.node_id == "n2"]
    cluster.set_status(old, TaskState.FAILED)
    cluster.add_node("n4")
    cluster.pass_time(60)
    assert cluster.nodes_of() == ["n1", "n3", "n4"]
    cluster.change_node("n2", availability=Availability.ACTIVE)
    cluster.pass_time(60)
    assert cluster.nodes_of() == ["n1", "n2", "n3", "n4"]


def test_a_label_that_changes_moves_nothing_but_starts_and_stops_tasks() -> None:
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", zone="a")
    cluster.add_node("n2", zone="b")
    cluster.deploy(spec(None, placement=constraints("node.labels.zone==a")))
    cluster.settle()
    assert cluster.nodes_of() == ["n1"]
    cluster.change_node("n2", labels={"zone": "a"})
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2"]
    cluster.change_node("n1", labels={"zone": "b"})
    cluster.settle()
    assert cluster.nodes_of() == ["n2"]


def test_the_tasks_of_a_node_that_is_removed_go_with_it() -> None:
    cluster = everywhere()
    cluster.down("n2")
    cluster.settle()
    cluster.commit(Delete(kind=Kind.NODE, id=NodeID("n2")))
    cluster.settle()
    assert {task.node_id for task in cluster.tasks()} == {"n1", "n3"}


def test_a_task_that_fails_is_followed_on_its_node() -> None:
    cluster = everywhere()
    [task] = [task for task in cluster.running() if task.node_id == "n2"]
    cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(1)
    assert cluster.nodes_of() == ["n1", "n2", "n3"]
    assert task.id not in {one.id for one in cluster.running()}
