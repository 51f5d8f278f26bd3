"""Rolling updates."""

import msgspec

from swarmd.model.service import UpdateState
from swarmd.model.spec import (
    SECOND,
    ContainerSpec,
    FailureAction,
    RestartPolicy,
    ServiceSpec,
    UpdateConfig,
    UpdateOrder,
)
from swarmd.model.task import Task, TaskState
from tests.unit.dispatcher.cluster import Cluster, constraints, no_delay, spec


def config(**parts: object) -> UpdateConfig:
    base = UpdateConfig(parallelism=1, max_failure_ratio=0.0, monitor=SECOND)
    return msgspec.structs.replace(base, **parts)


def version(
    image: str,
    replicas: int | None = 3,
    *,
    update_config: UpdateConfig | None = None,
    **parts: object,
) -> ServiceSpec:
    made = spec(replicas, name="web", container_spec=ContainerSpec(image=image))
    template = msgspec.structs.replace(made.task_template, **parts)
    return msgspec.structs.replace(
        made, task_template=template, update_config=update_config or config()
    )


def images(cluster: Cluster) -> list[str]:
    return [image_of(cluster, task) for task in cluster.running()]


def image_of(cluster: Cluster, task: Task) -> str:
    container = cluster.tables.spec_of(task).task_template.container_spec
    assert container is not None
    return container.image


def status_of(cluster: Cluster) -> UpdateState | None:
    service = cluster.tables.service("svc-web")
    assert service is not None
    return service.update_status.state if service.update_status else None


def deployed(*, replicas: int = 3, restart_policy: RestartPolicy | None = None) -> Cluster:
    cluster = Cluster()
    cluster.deploy(version("v1", replicas, restart_policy=restart_policy))
    cluster.pass_time(60)
    assert status_of(cluster) is None
    return cluster


def test_an_update_replaces_every_slot_and_completes_after_the_monitor() -> None:
    cluster = deployed()
    cluster.deploy(version("v2"))
    cluster.settle()
    assert images(cluster) == ["v2"] * 3
    assert status_of(cluster) is UpdateState.UPDATING
    cluster.pass_time(1.1)
    assert status_of(cluster) is UpdateState.COMPLETED


def test_slots_go_one_after_the_other_with_the_delay_between() -> None:
    cluster = deployed()
    cluster.deploy(version("v2", update_config=config(delay=10 * SECOND)))
    cluster.settle()
    assert sorted(images(cluster)) == ["v1", "v1", "v2"]
    cluster.pass_time(10.1)
    assert sorted(images(cluster)) == ["v1", "v2", "v2"]
    cluster.pass_time(10.1)
    assert images(cluster) == ["v2"] * 3


def test_parallelism_zero_replaces_all_at_once() -> None:
    cluster = deployed()
    cluster.deploy(version("v2", update_config=config(parallelism=0)))
    cluster.think()
    assert sum(t.desired_state is TaskState.READY for t in cluster.tasks()) == 3


def test_stop_first_starts_the_new_task_only_when_the_old_has_stopped() -> None:
    cluster = deployed(replicas=1)
    cluster.deploy(version("v2", 1))
    cluster.think()
    new, old = cluster.tasks()
    assert (old.desired_state, new.desired_state) == (TaskState.SHUTDOWN, TaskState.READY)
    cluster.set_status(old, TaskState.SHUTDOWN)
    cluster.think()
    assert cluster.tasks()[0].desired_state is TaskState.RUNNING


def test_start_first_keeps_the_old_task_until_the_new_one_runs() -> None:
    cluster = deployed(replicas=1)
    order = config(order=UpdateOrder.START_FIRST)
    cluster.deploy(version("v2", 1, update_config=order))
    cluster.think()
    new, old = cluster.tasks()
    assert (old.desired_state, new.desired_state) == (TaskState.RUNNING, TaskState.RUNNING)
    cluster.set_status(new, TaskState.RUNNING)
    cluster.think()
    assert cluster.tasks()[1].desired_state is TaskState.SHUTDOWN


def test_start_first_leaves_the_old_task_running_when_the_new_one_fails() -> None:
    cluster = deployed(replicas=1)
    order = config(order=UpdateOrder.START_FIRST)
    cluster.deploy(version("v2", 1, update_config=order))
    cluster.think()
    new, old = cluster.tasks()
    cluster.set_status(new, TaskState.FAILED)
    cluster.think()
    assert status_of(cluster) is UpdateState.PAUSED
    still = cluster.tables.task(old.id)
    assert still is not None
    assert still.is_wanted


def test_a_failing_update_pauses_with_docker_s_message_until_the_spec_changes() -> None:
    cluster = deployed()
    cluster.deploy(version("v2"))
    cluster.think()
    new = next(t for t in cluster.tasks() if image_of(cluster, t) == "v2")
    cluster.set_status(cluster.tables.task(new.replaces or "") or new, TaskState.SHUTDOWN)
    cluster.think()
    cluster.set_status(new, TaskState.FAILED, err="task: non-zero exit (1)")
    cluster.think()
    service = cluster.tables.service("svc-web")
    assert service is not None
    assert service.update_status is not None
    assert service.update_status.state is UpdateState.PAUSED
    assert service.update_status.message == (
        f"update paused due to failure or early termination of task {new.id}"
    )
    cluster.pass_time(300)
    assert sorted(images(cluster)) == ["v1", "v1", "v2"]  # the failed slot is restarted, no other
    cluster.deploy(version("v3"))
    cluster.pass_time(10)
    assert images(cluster) == ["v3"] * 3


def test_a_task_that_dies_within_the_monitor_counts_as_failed() -> None:
    cluster = deployed()
    cluster.deploy(version("v2", update_config=config(monitor=5 * SECOND, delay=3 * SECOND)))
    cluster.settle()
    new = next(t for t in cluster.running() if image_of(cluster, t) == "v2")
    cluster.pass_time(2)
    cluster.set_status(new, TaskState.FAILED)
    cluster.think()
    assert status_of(cluster) is UpdateState.PAUSED


def test_failures_up_to_the_ratio_are_borne() -> None:
    cluster = deployed(replicas=4)
    cluster.deploy(version("v2", 4, update_config=config(max_failure_ratio=0.25)))
    cluster.settle()
    new = next(t for t in cluster.running() if image_of(cluster, t) == "v2")
    cluster.set_status(new, TaskState.FAILED)
    cluster.think()
    assert status_of(cluster) is UpdateState.UPDATING


def test_continue_never_pauses() -> None:
    cluster = deployed(restart_policy=no_delay())
    go_on = config(failure_action=FailureAction.CONTINUE)
    cluster.deploy(version("v2", update_config=go_on, restart_policy=no_delay()))
    for _ in range(3):
        cluster.settle()
        new = next((t for t in cluster.running() if image_of(cluster, t) == "v2"), None)
        if new is not None:
            cluster.set_status(new, TaskState.FAILED)
        cluster.pass_time(0.1)
    cluster.pass_time(30)
    assert images(cluster) == ["v2"] * 3
    assert status_of(cluster) is UpdateState.COMPLETED


def test_a_changed_placement_moves_only_tasks_that_no_longer_fit() -> None:
    cluster = deployed(replicas=3)
    stay = {task.id for task in cluster.running() if task.node_id != "n2"}
    cluster.deploy(version("v1", placement=constraints("node.id!=n2")))
    cluster.settle()
    assert stay < {task.id for task in cluster.running()}
    assert len(cluster.running()) == 3
    assert "n2" not in cluster.nodes_of()


def test_an_update_of_a_global_service_goes_node_by_node() -> None:
    cluster = Cluster()
    cluster.deploy(version("v1", None))
    cluster.pass_time(1)
    cluster.deploy(version("v2", None))
    cluster.pass_time(10)
    assert images(cluster) == ["v2"] * 3
    assert cluster.nodes_of() == ["n1", "n2", "n3"]
