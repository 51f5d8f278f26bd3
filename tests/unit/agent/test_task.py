"""One task: state and observation → status and action."""

from typing import Any

import msgspec
import pytest

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Created,
    Done,
    Inspect,
    Inspected,
    Kill,
    LeadAway,
    Lost,
    NetworksReady,
    Outcome,
    Pull,
    Pulled,
    Refused,
    Remove,
    Signal,
    Start,
)
from swarmd.agent.outcome import after
from swarmd.agent.task import Local, Memory, Sighting, Step, Stopping, next_step
from swarmd.model.spec import SECOND, EndpointSpec, PortConfig
from swarmd.model.task import ContainerStatus, HostPort, TaskState, TaskStatus
from swarmd.ports import Container
from swarmd.wire.container import TaskNetworks
from tests.unit.agent.scene import IMAGE, RULES, T0, container, spec, task

NOWHERE = Sighting(container=None)
NAME = "web.1.t1"
NO_IMAGE = Refused(status=404, message="No such image: busybox:latest")


def local(
    state: TaskState = TaskState.ASSIGNED,
    seen: Container | None = None,
    *,
    desired: TaskState = TaskState.RUNNING,
    message: str = "",
    **parts: Any,
) -> Local:
    made = Local(
        task=task(desired=desired),
        spec=spec(),
        memory=Memory(
            task_id=task().id,
            status=TaskStatus(state=state, message=message),
            container_id=seen.id if seen else "",
        ),
        sighting=Sighting(container=seen),
    )
    return msgspec.structs.replace(made, **parts)


def remembered(one: Local, **parts: Any) -> Local:
    return msgspec.structs.replace(one, memory=msgspec.structs.replace(one.memory, **parts))


class Life:
    """Plays a task against a script of outcomes, as the worker does."""

    def __init__(self, one: Local, now: int = T0) -> None:
        self.local, self.now = one, now
        self.messages: list[str] = []
        self.step = self._next()

    def _next(self) -> Step:
        step = next_step(self.local, self.now, RULES)
        self.local = msgspec.structs.replace(self.local, memory=step.memory)
        status = step.memory.status
        said = f"{status.state.value}: {status.message}" + (
            f" ({status.err})" if status.err else ""
        )
        if not self.messages or self.messages[-1] != said:
            self.messages.append(said)
        return step

    def meets(self, outcome: Outcome) -> Action | None:
        """The action in flight ends so; returns the next one."""
        assert self.step.action is not None
        self.local = after(self.local, self.step.action, outcome, now=self.now, rules=RULES)
        self.step = self._next()
        return self.step.action

    def sees(self, found: Container | None) -> Action | None:
        """The engine hurried us: the next look finds this."""
        self.local = msgspec.structs.replace(self.local, sighting=None)
        self.step = self._next()
        assert isinstance(self.step.action, Inspect)
        return self.meets(Inspected(container=found))

    def is_asked_to(self, desired: TaskState) -> Action | None:
        wanted = self.local.task.asked_to(desired)
        self.local = msgspec.structs.replace(self.local, task=wanted)
        self.step = self._next()
        return self.step.action

    def at(self, now: int) -> Action | None:
        self.now = now
        self.step = self._next()
        return self.step.action


def ready_life(**parts: Any) -> Life:
    """A task whose container is being made."""
    life = Life(local(**parts))
    life.meets(NetworksReady(networks=TaskNetworks()))
    return life


def created_life(desired: TaskState = TaskState.RUNNING) -> Life:
    """A task whose container was just made."""
    life = ready_life(desired=desired)
    life.meets(Created(container_id="c1"))
    return life


def test_a_task_goes_through_swarms_states_with_swarms_messages() -> None:
    life = Life(local())
    assert life.step.action == AwaitNetworks(task=life.local.task)
    networks = TaskNetworks(resolver="10.0.0.1")
    create = Create(task=life.local.task, spec=life.local.spec, networks=networks)
    assert life.meets(NetworksReady(networks=networks)) == create
    assert life.meets(NO_IMAGE) == Pull(image=IMAGE)
    assert life.meets(Pulled()) == create
    assert life.meets(Created(container_id="c1")) == Start(container_id="c1")
    assert life.meets(Done()) == Inspect(reference="c1")
    assert life.meets(Inspected(container=container())) is None
    assert life.local.memory.status == TaskStatus(
        state=TaskState.RUNNING,
        message="started",
        container=ContainerStatus(container_id="c1", pid=101),
    )
    assert life.sees(container(status="exited")) is None
    assert life.messages == [
        "preparing: preparing",
        "starting: starting",
        "running: started",
        "complete: finished",
    ]


def test_a_replacement_is_prepared_and_waits_for_its_turn() -> None:
    """Restart delay, or the old task of the slot still stops."""
    life = created_life(TaskState.READY)
    assert life.step.action is None
    assert life.local.memory.status == TaskStatus(state=TaskState.READY, message="prepared")
    assert life.is_asked_to(TaskState.RUNNING) == Start(container_id="c1")


def test_a_pull_carries_the_credentials_and_its_name_does_not_show_them() -> None:
    life = ready_life(registry_auth="c2VjcmV0")
    pull = life.meets(NO_IMAGE)
    assert pull == Pull(image=IMAGE, registry_auth="c2VjcmV0")
    assert "c2VjcmV0" not in repr(pull)


def test_a_task_without_its_credentials_waits_for_a_manager_unless_the_image_is_here() -> None:
    """The node was restarted while no manager answers."""
    life = ready_life(registry_auth=None)
    assert life.meets(NO_IMAGE) is None
    assert life.local.state is TaskState.PREPARING
    life = ready_life(registry_auth=None)
    assert isinstance(life.meets(Created(container_id="c1")), Start)


def test_a_failed_pull_is_told_by_the_create_that_misses_the_image() -> None:
    life = ready_life()
    life.meets(NO_IMAGE)
    life.meets(Pulled(error="pull access denied for busybox"))
    assert life.meets(NO_IMAGE) is None
    assert life.messages[-1] == (
        "rejected: preparing (No such image: busybox:latest: pull access denied for busybox)"
    )


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, 'invalid mount config for type "bind": bind source path does not exist: /p'),
        (400, "expanding env A failed: {{.No}}: can't evaluate field No of .No"),
        (404, "network net0 not found"),
        (409, "Conflict: something else"),
        (500, "no space left on device"),
    ],
)
def test_what_the_engine_refuses_to_create_is_rejected(status: int, message: str) -> None:
    life = ready_life()
    assert life.meets(Refused(status=status, message=message)) is None
    assert life.messages[-1] == f"rejected: preparing ({message})"


def test_networks_that_do_not_come_reject_the_task() -> None:
    life = Life(local())
    text = "node is missing network attachments, ip addresses may be exhausted"
    assert life.meets(Refused(status=503, message=text)) is None
    assert life.messages[-1] == f"rejected: preparing ({text})"


def test_a_start_that_fails_fails_the_task() -> None:
    life = created_life()
    assert life.meets(Refused(status=400, message="exec: no such file")) is None
    assert life.messages[-1] == ("failed: starting (starting container failed: exec: no such file)")


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (container(status="exited", exit_code=3), "failed: started (task: non-zero exit (3))"),
        (
            container(status="exited", exit_code=137, oom_killed=True),
            "failed: started (task: non-zero exit (137): out of memory)",
        ),
        (
            container(status="dead", exit_code=1, error="disk gone"),
            "failed: started (task: non-zero exit (1): disk gone)",
        ),
        (container(status="exited", exit_code=0), "complete: finished"),
        (None, "failed: started (dockerexec: container destroyed)"),
        # The recorded container was replaced by one made by hand from its description.
        (container(id="other"), "failed: started (dockerexec: container destroyed)"),
        (container(labels={}), "failed: started (dockerexec: container destroyed)"),
    ],
)
def test_the_end_of_a_running_container(seen: Container | None, text: str) -> None:
    life = Life(local(TaskState.RUNNING, container(), message="started"))
    assert life.sees(seen) is None
    assert life.messages[-1] == text


def test_a_container_that_is_removed_before_its_start_has_not_finished() -> None:
    """Somebody cleans up created containers while the agent waits for its lane."""
    life = created_life()
    assert life.meets(Refused(status=409, message="container is marked for removal")) is None
    assert life.messages[-1].startswith("failed: starting (starting container failed")
    life = created_life()
    assert life.sees(container(status="removing")) is None
    assert life.messages[-1] == "failed: starting (dockerexec: container destroyed)"


def test_a_container_on_its_way_out_is_not_taken_for_the_one_that_is_to_be_made() -> None:
    """The same, while the task waits in READY: the name has to be free first."""
    life = created_life(TaskState.READY)
    assert life.sees(container(status="removing")) == Remove(container_id="c1")
    assert isinstance(life.meets(Done()), Create)
    taken = 'Conflict. The container name "/web.1.t1" is already in use'
    assert life.meets(Refused(status=409, message=taken)) == Inspect(reference="web.1.t1")
    assert life.meets(Inspected(container=container(status="removing"))) == Remove(
        container_id="c1"
    )
    assert isinstance(life.meets(Done()), Create)
    assert life.meets(Created(container_id="c2")) is None
    assert life.messages[-1] == "ready: prepared"


def test_a_check_keeps_the_task_starting_until_it_is_healthy() -> None:
    life = created_life()
    life.meets(Done())
    assert life.meets(Inspected(container=container(health="starting"))) is None
    assert life.messages[-1] == "starting: starting"
    assert life.sees(container(health="healthy")) is None
    assert life.messages[-1] == "running: started"
    # A start period that begins again does not take it back.
    life.sees(container(health="starting"))
    assert life.messages[-1] == "running: started"


@pytest.mark.parametrize(
    ("state", "code", "err"),
    [
        (TaskState.STARTING, 143, "dockerexec: unhealthy container"),
        (TaskState.RUNNING, 143, "task: non-zero exit (143): dockerexec: unhealthy container"),
        (TaskState.RUNNING, 0, "dockerexec: unhealthy container"),
    ],
)
def test_an_unhealthy_container_is_stopped_and_its_task_fails(
    state: TaskState, code: int, err: str
) -> None:
    life = Life(local(state, container(health="starting")))
    assert life.sees(container(health="unhealthy")) == Signal(container_id="c1", signal="SIGTERM")
    life.meets(Done())
    assert life.meets(Inspected(container=container(status="exited", exit_code=code))) is None
    assert (life.local.state, life.local.memory.status.err) == (TaskState.FAILED, err)


def test_a_stop_is_a_signal_a_deadline_and_a_kill() -> None:
    life = Life(
        local(
            TaskState.RUNNING,
            container(stop_signal="SIGINT"),
            spec=spec(stop_grace_period=3 * SECOND),
        )
    )
    assert life.is_asked_to(TaskState.SHUTDOWN) == Signal(container_id="c1", signal="SIGINT")
    assert life.local.memory.stopping == Stopping(signal_at=T0, kill_at=T0 + 3 * SECOND)
    assert life.meets(Done()) == Inspect(reference="c1")
    assert life.meets(Inspected(container=container())) is None
    assert life.step.wake_at == T0 + 3 * SECOND
    assert life.at(T0 + 3 * SECOND) == Kill(container_id="c1")
    assert life.meets(Done()) == Inspect(reference="c1")
    # The kernel has not let go of it yet; it is killed again, not in a busy loop.
    assert life.meets(Inspected(container=container())) is None
    assert life.at(T0 + 4 * SECOND) == Kill(container_id="c1")
    life.meets(Done())
    life.meets(Inspected(container=container(status="exited", exit_code=137)))
    assert life.local.memory.status == TaskStatus(
        state=TaskState.SHUTDOWN,
        message="shutdown",
        container=ContainerStatus(container_id="c1", exit_code=137),
    )


def test_traffic_is_led_elsewhere_before_the_signal() -> None:
    one = local(TaskState.RUNNING, container(), desired=TaskState.SHUTDOWN, task=task(networks=1))
    one = msgspec.structs.replace(one, task=one.task.asked_to(TaskState.SHUTDOWN))
    life = Life(one)
    assert life.step.action == LeadAway(task=one.task)
    assert life.meets(Done()) is None
    assert life.step.wake_at == T0 + RULES.withdraw
    assert isinstance(life.at(T0 + RULES.withdraw), Signal)


def test_time_in_which_traffic_was_led_elsewhere_is_not_taken_off_the_grace() -> None:
    """One of the other nodes took long, or never answered."""
    one = local(TaskState.RUNNING, container(), task=task(networks=1))
    life = Life(msgspec.structs.replace(one, spec=spec(stop_grace_period=3 * SECOND)))
    assert isinstance(life.is_asked_to(TaskState.SHUTDOWN), LeadAway)
    life.now = T0 + 2 * SECOND
    assert isinstance(life.meets(Lost(message="no answer")), Signal)
    stopping = life.local.memory.stopping
    assert stopping is not None
    assert stopping.kill_at == T0 + 5 * SECOND


def test_a_stop_deadline_survives_a_restart_and_a_clock_that_was_set_back() -> None:
    stopping = Stopping(signal_at=T0, kill_at=T0 + 10 * SECOND, is_signalled=True)
    one = remembered(
        local(TaskState.RUNNING, container(), desired=TaskState.SHUTDOWN), stopping=stopping
    )
    assert Life(one, T0 + 4 * SECOND).step.wake_at == T0 + 10 * SECOND
    assert Life(one, T0 + 11 * SECOND).step.action == Kill(container_id="c1")
    hour_ago = T0 - 3600 * SECOND
    wake_at = Life(one, hour_ago).step.wake_at
    assert wake_at is not None
    assert wake_at <= hour_ago + 12 * SECOND


def test_a_signal_that_the_engine_does_not_know_still_ends_in_a_kill() -> None:
    life = Life(local(TaskState.RUNNING, container(stop_signal="SIGNONSENSE")))
    life.is_asked_to(TaskState.SHUTDOWN)
    life.meets(Refused(status=400, message="invalid signal"))
    life.meets(Inspected(container=container()))
    assert life.at(T0 + 10 * SECOND) == Kill(container_id="c1")


@pytest.mark.parametrize("seen", [None, container(status="created")])
def test_a_task_that_never_ran_is_shut_down_at_once(seen: Container | None) -> None:
    life = Life(local(TaskState.PREPARING, seen, desired=TaskState.SHUTDOWN))
    assert life.step.action is None
    assert life.messages == ["shutdown: shutdown"]
    assert life.local.memory.status.container is None


def test_an_ended_task_whose_container_was_started_by_hand_is_stopped_again() -> None:
    life = Life(local(TaskState.FAILED, container(status="exited")))
    assert life.step.action is None
    assert life.sees(container()) == Signal(container_id="c1", signal="SIGTERM")
    assert life.local.state is TaskState.FAILED


def test_an_unassigned_container_is_removed_at_once_even_while_it_stops() -> None:
    stopping = Stopping(signal_at=T0, kill_at=T0 + 10 * SECOND, is_signalled=True)
    one = remembered(local(TaskState.RUNNING, container(), is_condemned=True), stopping=stopping)
    life = Life(one)
    assert life.step.action == Remove(container_id="c1")
    assert life.meets(Refused(status=500, message="device busy")) == Inspect(reference="c1")
    assert life.local.retry_at == T0 + SECOND
    assert life.meets(Inspected(container=container())) == Remove(container_id="c1")
    assert life.meets(Done()) is None
    assert life.step.is_forgotten


def test_a_name_in_use_is_adopted_if_the_container_is_this_tasks() -> None:
    """The daemon was killed between the engine's create and its answer."""
    life = ready_life()
    conflict = Refused(status=409, message=f'The container name "/{NAME}" is already in use')
    assert life.meets(conflict) == Inspect(reference=NAME)
    assert life.meets(Inspected(container=container(status="created"))) == Start(container_id="c1")


def test_a_name_that_something_else_has_rejects_the_task() -> None:
    life = ready_life()
    life.meets(Refused(status=409, message=f'The container name "/{NAME}" is already in use'))
    assert life.meets(Inspected(container=container(labels={"mine": "1"}))) is None
    assert life.local.state is TaskState.REJECTED
    assert "already in use" in life.local.memory.status.err


def test_a_name_that_became_free_is_taken_later() -> None:
    """The engine frees a removed container's name after a while."""
    life = ready_life()
    life.meets(Refused(status=409, message=f'The container name "/{NAME}" is already in use'))
    assert isinstance(life.meets(Inspected(container=None)), Create)
    assert isinstance(life.meets(Created(container_id="c2")), Start)


def test_a_container_that_may_lack_networks_is_made_anew() -> None:
    """An older engine connects networks one by one; swarmd was killed between two of them."""
    life = ready_life(task=task(networks=2))
    life.meets(Refused(status=409, message=f'The container name "/{NAME}" is already in use'))
    seen = container(status="created")
    assert life.meets(Inspected(container=seen)) == Remove(container_id="c1")
    assert isinstance(life.meets(Done()), Create)


@pytest.mark.parametrize("state", [TaskState.STARTING, TaskState.RUNNING])
def test_an_engine_that_does_not_answer_fails_nothing(state: TaskState) -> None:
    life = Life(msgspec.structs.replace(local(state, container()), sighting=None))
    for _ in range(20):
        assert life.meets(Lost(message="connection refused")) == Inspect(reference="c1")
        assert life.local.state is state
    assert life.local.retry_at == T0 + 30 * SECOND


def test_a_create_that_was_lost_is_looked_for() -> None:
    life = ready_life()
    assert life.meets(Lost(message="timeout")) == Inspect(reference=NAME)
    assert life.meets(Inspected(container=container(status="created"))) == Start(container_id="c1")


def test_a_start_that_was_lost_is_not_repeated_once_the_container_ran() -> None:
    life = created_life()
    assert life.meets(Lost(message="timeout")) == Inspect(reference="c1")
    assert life.meets(Inspected(container=container(status="exited", exit_code=1))) is None
    assert life.local.state is TaskState.FAILED


def test_a_start_that_failed_before_a_restart_is_not_tried_again() -> None:
    life = Life(local(TaskState.STARTING, container(status="created", error="no such file")))
    assert life.step.action is None
    assert life.local.memory.status.err == "starting container failed: no such file"


def test_a_prepared_container_that_was_removed_is_made_anew() -> None:
    """`docker container prune` removes created containers."""
    life = created_life(TaskState.READY)
    assert isinstance(life.sees(None), Create)
    assert life.meets(Created(container_id="c2")) is None
    assert life.local.state is TaskState.READY


def test_ports_of_mode_host_are_told_as_the_engine_bound_them() -> None:
    made = msgspec.structs.replace(
        spec(),
        endpoint_spec=EndpointSpec(
            ports=(
                PortConfig(target_port=80, publish_mode="host"),
                PortConfig(target_port=443, published_port=443),
            )
        ),
    )
    seen = container(ports=(("tcp", 80, 49153), ("tcp", 443, 443)))
    life = Life(local(TaskState.STARTING, seen, spec=made))
    assert life.local.memory.status.host_ports == (
        HostPort(protocol="tcp", target_port=80, published_port=49153),
    )
