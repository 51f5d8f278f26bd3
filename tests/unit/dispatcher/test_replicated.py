"""Replicated services."""

import msgspec
import pytest

from swarmd.model.cluster import Orchestration, TaskDefaults
from swarmd.model.ids import NodeID, ServiceID
from swarmd.model.node import Availability, NodeState
from swarmd.model.spec import Driver, Reservations, ResourceRequirements, RestartCondition
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


def test_a_scale_down_takes_first_what_does_not_run_and_last_the_lowest_slots() -> None:
    """Swarm's order: without a node, then the highest copies on a node, not running, high slots."""
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", cpus=3)
    cluster.add_node("n2", cpus=2)
    one_cpu = ResourceRequirements(reservations=Reservations(nano_cpus=10**9))

    def scaled(replicas: int) -> set[tuple[int, str]]:
        cluster.deploy(spec(replicas, resources=one_cpu))
        cluster.think()
        return {(task.slot, task.node_id) for task in cluster.tasks() if task.is_wanted}

    first = scaled(6)
    cluster.settle()
    by_node = {at: sorted(slot for slot, node in first if node == at) for _, at in first}
    assert [len(by_node[at]) for at in ("", "n1", "n2")] == [1, 3, 2]
    assert scaled(5) == {(slot, at) for slot, at in first if at}, "without a node"
    low = by_node["n1"][0], by_node["n2"][0]
    spared = {(slot, at) for slot, at in first if at and (slot, at) != (by_node["n1"][2], "n1")}
    assert scaled(4) == spared, "the third copy on a node"
    assert scaled(2) == {(low[0], "n1"), (low[1], "n2")}, "the second copies"
    assert scaled(1) == {(min(low), "n1" if low[0] == min(low) else "n2")}, "the higher slot"


def test_a_scale_down_spares_what_runs_at_the_cost_of_what_has_yet_to() -> None:
    """On one node, the lower slot is still being started."""
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(2))
    cluster.think()
    [first, second] = cluster.tasks()
    assert (first.slot, second.slot) == (1, 2)
    cluster.set_status(second, TaskState.RUNNING)
    cluster.deploy(spec(1))
    cluster.think()
    assert [task.id for task in cluster.tasks() if task.is_wanted] == [second.id]


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


@pytest.mark.parametrize(
    ("condition", "end", "is_followed"),
    [
        (RestartCondition.ANY, TaskState.COMPLETE, True),
        (RestartCondition.ANY, TaskState.FAILED, True),
        (RestartCondition.ON_FAILURE, TaskState.COMPLETE, False),
        (RestartCondition.ON_FAILURE, TaskState.FAILED, True),
        (RestartCondition.ON_FAILURE, TaskState.REJECTED, True),
        (RestartCondition.NONE, TaskState.COMPLETE, False),
        (RestartCondition.NONE, TaskState.FAILED, False),
        (RestartCondition.NONE, TaskState.REJECTED, False),
    ],
)
def test_the_condition_says_which_ends_are_followed(
    condition: RestartCondition, end: TaskState, is_followed: bool
) -> None:
    cluster = Cluster()
    cluster.deploy(spec(restart_policy=no_delay(condition=condition)))
    cluster.settle()
    [task] = cluster.running()
    cluster.set_status(task, end)
    cluster.pass_time(60)
    assert len(cluster.running()) == is_followed


@pytest.mark.parametrize("condition", list(RestartCondition))
def test_a_task_that_is_lost_with_its_node_is_followed_unless_nothing_ever_is(
    condition: RestartCondition,
) -> None:
    """`none` means once and never again, as Docker has it."""
    cluster = Cluster()
    cluster.deploy(spec(restart_policy=no_delay(condition=condition)))
    cluster.settle()
    [task] = cluster.running()
    cluster.down(task.node_id)
    cluster.settle()
    assert len(cluster.running()) == (condition is not RestartCondition.NONE)


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


@pytest.mark.parametrize(
    ("limit", "max_attempts", "kept"),
    [(1, 0, 1), (3, 0, 3), (0, 0, 1), (-1, 0, 9)],
)
def test_history_is_as_long_as_the_operator_wants(limit: int, max_attempts: int, kept: int) -> None:
    """`swarm update --task-history-limit`; a negative one keeps everything."""
    cluster = Cluster()
    record = cluster.tables.cluster
    assert record is not None
    settings = msgspec.structs.replace(
        record.spec, orchestration=Orchestration(task_history_retention_limit=limit)
    )
    cluster.commit(PutCluster(record=msgspec.structs.replace(record, spec=settings)))
    cluster.deploy(spec(restart_policy=no_delay(max_attempts=max_attempts)))
    for _ in range(8):
        cluster.pass_time(1)
        [task] = cluster.running()
        cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(1)
    assert len(cluster.tasks()) == kept


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
