"""Replicated services."""

import msgspec

from swarmd.model.cluster import TaskDefaults
from swarmd.model.ids import NodeID, ServiceID
from swarmd.model.node import Availability, NodeState
from swarmd.model.spec import Driver, RestartCondition
from swarmd.model.task import TaskState
from swarmd.store.entry import PutCluster
from tests.unit.dispatcher.cluster import Cluster, no_delay, spec


def test_a_new_service_goes_from_its_spec_to_placed_tasks_in_one_commit() -> None:
    cluster = Cluster()
    cluster.think()
    before = cluster.tables.index
    cluster.deploy(spec(replicas=3))
    assert cluster.tables.index == before + 2  # the client's write and the plan
    assert {t.state for t in cluster.tasks()} == {TaskState.ASSIGNED}
    assert sorted(t.node_id for t in cluster.tasks()) == ["n1", "n2", "n3"]
    assert [t.slot for t in cluster.tasks()] == [1, 2, 3]


def test_a_scale_up_fills_the_lowest_free_slots() -> None:
    cluster = Cluster()
    cluster.deploy(spec(replicas=3))
    cluster.settle()
    cluster.deploy(spec(replicas=5))
    cluster.settle()
    assert [t.slot for t in cluster.running()] == [1, 2, 3, 4, 5]


def test_a_scale_down_takes_from_the_nodes_with_most_copies() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(replicas=4))
    cluster.settle()
    cluster.deploy(spec(replicas=2))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2"]
    assert len(cluster.tasks()) == 2


def test_replicas_only_updates_restart_nothing() -> None:
    cluster = Cluster()
    cluster.deploy(spec(replicas=2))
    cluster.settle()
    before = {t.id for t in cluster.running()}
    cluster.deploy(spec(replicas=4))
    cluster.settle()
    assert before <= {t.id for t in cluster.running()}


def test_a_service_that_is_removed_leaves_nothing_behind() -> None:
    cluster = Cluster()
    cluster.deploy(spec(replicas=3))
    cluster.settle()
    cluster.remove("web")
    cluster.settle()
    assert cluster.tasks() == []
    assert cluster.tables.specs_of(ServiceID("svc-web")) == {}
    assert cluster.tables.usage(NodeID("n1")).active == 0


def test_a_failed_task_is_followed_after_the_delay() -> None:
    cluster = Cluster()
    cluster.deploy(spec())
    cluster.settle()
    [task] = cluster.running()
    cluster.set_status(task, TaskState.FAILED, err="task: non-zero exit (1)")
    cluster.settle()
    new = cluster.tasks()[0]
    assert new.id != task.id
    assert (new.desired_state, new.state) == (TaskState.READY, TaskState.READY)
    cluster.pass_time(4.9)
    assert cluster.running() == []
    cluster.pass_time(0.2)
    assert [t.id for t in cluster.running()] == [new.id]


def test_a_task_that_fails_while_it_waits_is_followed_once_per_delay() -> None:
    """An image that cannot be pulled: tasks are prepared, and rejected, during their delay."""
    cluster = Cluster()
    cluster.deploy(spec())
    for tried in range(1, 4):
        cluster.settle()
        waiting = [t for t in cluster.tasks() if not t.is_terminal]
        assert len(waiting) == 1
        assert len(cluster.tasks()) == tried
        cluster.set_status(waiting[0], TaskState.REJECTED, err="No such image: web")
        if tried > 1:
            cluster.pass_time(4.8)
            assert len(cluster.tasks()) == tried, "it is not tried again before its delay ends"
            cluster.pass_time(0.2)


def test_attempts_are_counted_per_slot_and_end() -> None:
    cluster = Cluster()
    cluster.deploy(spec(restart_policy=no_delay(max_attempts=2)))
    for _ in range(3):
        cluster.pass_time(1)
        [task] = cluster.running()
        cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(100)
    assert cluster.running() == []
    assert len(cluster.tasks()) == 3
    cluster.deploy(spec(restart_policy=no_delay(max_attempts=2), force_update=1))
    cluster.pass_time(1)
    assert len(cluster.running()) == 1


def test_attempts_outside_the_window_do_not_count() -> None:
    cluster = Cluster()
    policy = no_delay(max_attempts=1, window=10 * 10**9)
    cluster.deploy(spec(restart_policy=policy))
    for _ in range(4):
        cluster.pass_time(11)
        [task] = cluster.running()
        cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(1)
    [task] = cluster.running()
    cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(1)
    assert cluster.running() == []


def test_a_task_that_finished_stays_finished_on_failure_only() -> None:
    cluster = Cluster()
    cluster.deploy(spec(restart_policy=no_delay(condition=RestartCondition.ON_FAILURE)))
    cluster.settle()
    [task] = cluster.running()
    cluster.set_status(task, TaskState.COMPLETE)
    cluster.pass_time(60)
    assert [t.id for t in cluster.tasks()] == [task.id]


def test_tasks_lost_with_their_node_start_elsewhere_at_once_and_count_no_attempt() -> None:
    cluster = Cluster()
    cluster.deploy(spec(replicas=3, restart_policy=no_delay(max_attempts=1)))
    cluster.settle()
    cluster.down("n2")
    cluster.settle()
    assert len(cluster.running()) == 3
    assert "n2" not in cluster.nodes_of()
    assert all(t.restarts == () for t in cluster.running())


def test_a_node_that_comes_back_is_told_to_remove_its_old_tasks() -> None:
    cluster = Cluster()
    cluster.deploy(spec(replicas=3))
    cluster.settle()
    cluster.down("n2")
    cluster.settle()
    cluster.change_node("n2", state=NodeState.READY)
    cluster.settle()
    assert len(cluster.running()) == 3
    assert all(t.is_terminal for t in cluster.tasks() if t.node_id == "n2")


def test_a_draining_node_hands_its_tasks_over_once_they_stopped() -> None:
    cluster = Cluster()
    cluster.deploy(spec(replicas=3))
    cluster.settle()
    cluster.change_node("n1", availability=Availability.DRAIN)
    cluster.think()
    moved = next(t for t in cluster.tasks() if t.desired_state is TaskState.READY)
    assert moved.replaces is not None
    cluster.settle()
    assert len(cluster.running()) == 3
    assert "n1" not in cluster.nodes_of()


def test_history_is_kept_to_the_limit_the_live_task_included() -> None:
    cluster = Cluster()
    cluster.deploy(spec(restart_policy=no_delay()))
    for _ in range(8):
        cluster.pass_time(1)
        [task] = cluster.running()
        cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(1)
    assert len(cluster.tasks()) == 5


def test_a_task_is_made_with_the_cluster_s_log_driver_unless_its_spec_names_one() -> None:
    """`TaskDefaults.LogDriver`: later tasks only, as in Docker; running ones stay as they are."""
    cluster = Cluster()
    record = cluster.tables.cluster
    assert record is not None
    defaults = TaskDefaults(log_driver=Driver(name="journald"))
    settings = msgspec.structs.replace(record.spec, task_defaults=defaults)
    cluster.deploy(spec(replicas=1))
    cluster.settle()
    cluster.commit(PutCluster(record=msgspec.structs.replace(record, spec=settings)))
    cluster.deploy(spec(replicas=2))
    cluster.deploy(spec(name="db", log_driver=Driver(name="none")))
    cluster.settle()
    assert [task.log_driver for task in cluster.running()] == [None, defaults.log_driver]
    assert [task.log_driver for task in cluster.running("db")] == [None]
