"""What a node is told, and which of its reports are news."""

import pytest

from swarmd.dispatcher.assignments import AssignmentFeed
from swarmd.dispatcher.statuses import accepted
from swarmd.errors import NotPermittedError
from swarmd.model.assignment import StatusUpdate
from swarmd.model.ids import NodeID, TaskID
from swarmd.model.task import TaskState, TaskStatus
from tests.unit.dispatcher.cluster import Cluster, spec

N1 = NodeID("n1")


def test_the_first_set_is_complete_and_carries_each_spec_once() -> None:
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(3))
    feed = AssignmentFeed(N1, term=7)
    first = feed.next(cluster.tables.view())
    assert first is not None
    assert (first.is_complete, first.sequence, first.term) == (True, 1, 7)
    assert len(first.tasks) == 3
    assert len(first.specs) == 1


def test_a_node_without_tasks_is_told_so() -> None:
    first = AssignmentFeed(N1, term=1).next(Cluster(nodes=1).tables.view())
    assert first is not None
    assert first.is_complete
    assert first.tasks == ()


def test_what_an_agent_reported_is_not_echoed() -> None:
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(1))
    feed = AssignmentFeed(N1, term=1)
    feed.next(cluster.tables.view())
    cluster.settle()
    assert feed.next(cluster.tables.view()) is None


def test_a_changed_wish_and_a_deleted_task_are_told() -> None:
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(1))
    cluster.settle()
    feed = AssignmentFeed(N1, term=1)
    feed.next(cluster.tables.view())
    [task] = cluster.tasks()
    cluster.remove("web")
    wish = feed.next(cluster.tables.view())
    assert wish is not None
    assert [(t.id, t.desired_state) for t in wish.tasks] == [(task.id, TaskState.REMOVE)]
    assert wish.specs == ()
    cluster.set_status(task, TaskState.SHUTDOWN)
    cluster.think()
    gone = feed.next(cluster.tables.view())
    assert gone is not None
    assert (gone.removed, gone.sequence) == ((task.id,), 3)


def test_reports_of_other_nodes_tasks_are_refused() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(2))
    other = next(task for task in cluster.tasks() if task.node_id == "n2")
    update = StatusUpdate(task_id=other.id, status=TaskStatus(state=TaskState.RUNNING))
    with pytest.raises(NotPermittedError):
        list(accepted(cluster.tables, N1, [update]))


def test_reports_that_go_back_repeat_or_concern_nobody_change_nothing() -> None:
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(1))
    cluster.settle()
    [task] = cluster.running()
    updates = [
        StatusUpdate(task_id=task.id, status=TaskStatus(state=TaskState.PREPARING)),
        StatusUpdate(task_id=task.id, status=task.status),
        StatusUpdate(task_id=TaskID("gone"), status=task.status),
    ]
    assert list(accepted(cluster.tables, N1, updates)) == []
