"""The worker's core, case by case: cuts after any action, the disk before the deed, what is reported."""

from collections import Counter

import msgspec
import pytest

from swarmd.agent.actions import Action, Create, Inspect, Pull, Remove, Start
from swarmd.agent.assigned import Taken
from swarmd.agent.records import Saved
from swarmd.agent.worker import Order, Worker
from swarmd.model.ids import TaskID
from swarmd.model.spec import SECOND
from swarmd.model.task import Task, TaskState, TaskStatus
from tests.unit.agent.fake_engine import Machine
from tests.unit.agent.obedient import on
from tests.unit.agent.scene import (
    IMAGE,
    RULES,
    T0,
    change,
    complete,
    container,
    task,
)


def live(machine: Machine, disk: list[Saved], steps: int) -> int:
    """A process's life of so many steps; the disk is written only when an action waits for it."""
    worker = Worker(RULES, patience=SECOND, saved=disk[-1] if disk else None)
    worker.engine_found()
    worker.assign(complete(*(task(n) for n in range(1, 4))), T0)
    for _ in range(40):
        for order in worker.tick(T0).orders:
            if steps == 0:
                return 0
            steps -= 1
            worker.finished(order.key, on(machine, order.action), T0)
        if worker.is_save_urgent:
            if steps == 0:
                return 0
            steps -= 1
            revision, saved = worker.snapshot()
            disk.append(saved)
            worker.saved(revision)
    return steps


@pytest.mark.parametrize("is_tidied", [False, True])
def test_cut_after_any_action_and_restarted_from_disk_no_task_starts_twice(
    is_tidied: bool,
) -> None:
    """And while swarmd is down its containers end, and perhaps somebody removes them."""
    steps = 0
    while True:
        machine, disk = Machine(), list[Saved]()
        left = live(machine, disk, steps)
        for one in tuple(machine.containers.values()):
            if one.status == "running":
                machine.die(one.id)
                if is_tidied:
                    machine.remove(one.id)
        live(machine, disk, 1000)
        assert machine.starts == {"t1": 1, "t2": 1, "t3": 1}, steps
        if left:
            break
        steps += 1
    assert steps > 15


def worker_with(*tasks: Task, auth: str = "") -> Worker:
    worker = Worker(RULES, patience=SECOND)
    worker.engine_found()
    assert worker.assign(complete(*tasks, auth=auth), T0) is Taken.APPLIED
    return worker


def settle(worker: Worker, machine: Machine) -> Counter[str]:
    """Carry out everything that follows now; counts the actions."""
    counts: Counter[str] = Counter()
    for _ in range(30):
        worker.saved(worker.snapshot()[0])
        for order in worker.tick(T0).orders:
            counts[type(order.action).__name__] += 1
            worker.finished(order.key, on(machine, order.action), T0)
    return counts


def until(worker: Worker, machine: Machine, kind: type[Action]) -> Action:
    """Carry out everything that follows, up to an action of this kind, which is in flight then."""
    for _ in range(30):
        worker.saved(worker.snapshot()[0])
        for order in worker.tick(T0).orders:
            if isinstance(order.action, kind):
                return order.action
            worker.finished(order.key, on(machine, order.action), T0)
    raise AssertionError(f"no {kind.__name__}")


def test_a_deployment_costs_the_engine_three_calls_per_task() -> None:
    """Speed: the bare engine needs two of them; the third looks at what was started."""
    machine = Machine(IMAGE)
    counts = settle(worker_with(*(task(n) for n in range(1, 51))), machine)
    assert counts == {
        "AwaitNetworks": 50,
        "Create": 50,
        "Start": 50,
        "Inspect": 50,
    }


@pytest.mark.parametrize("is_told_late", [False, True])
def test_a_start_of_our_own_that_the_engine_tells_of_is_not_looked_at_again(
    is_told_late: bool,
) -> None:
    machine, worker = Machine(IMAGE), worker_with(task(1))
    inspect = until(worker, machine, Inspect)
    if not is_told_late:
        worker.started(TaskID("t1"))
    worker.finished("t1", on(machine, inspect), T0)
    if is_told_late:
        worker.started(TaskID("t1"))
    assert not worker.tick(T0).orders


@pytest.mark.parametrize("is_told_late", [False, True])
def test_a_start_that_a_look_has_not_seen_is_looked_at(is_told_late: bool) -> None:
    """Somebody starts the container of a task that has ended, while the agent looks at it."""
    machine, worker = Machine(IMAGE), worker_with(task(1))
    settle(worker, machine)
    machine.die("c1", 1)
    worker.look(TaskID("t1"))
    (order,) = worker.tick(T0).orders
    seen = on(machine, order.action)
    machine.start("c1")
    if not is_told_late:
        worker.started(TaskID("t1"))
    worker.finished("t1", seen, T0)
    if is_told_late:
        worker.started(TaskID("t1"))
    assert [order.action for order in worker.tick(T0).orders] == [Inspect(reference="c1")]


def test_nothing_is_made_before_the_disk_knows_of_it() -> None:
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    for _ in range(10):
        for order in worker.tick(T0).orders:
            worker.finished(order.key, on(machine, order.action), T0)
    assert not machine.containers
    urgent = [worker.is_save_urgent]
    worker.saved(worker.snapshot()[0])
    assert [*urgent, worker.is_save_urgent] == [True, False]
    assert isinstance(worker.tick(T0).orders[0].action, Create)


def test_a_container_is_not_started_before_the_disk_knows_of_the_decision() -> None:
    machine = Machine(IMAGE)
    worker = worker_with(task(1, TaskState.READY))
    settle(worker, machine)
    worker.assign(change(2, task(1)), T0)
    assert worker.tick(T0).orders == ()
    revision, saved = worker.snapshot()
    assert saved.memories is not None
    assert saved.memories.memories[0].status.state is TaskState.STARTING
    worker.saved(revision)
    assert worker.tick(T0).orders == (Order(key="t1", action=Start(container_id="c1")),)


def test_credentials_may_come_without_their_tasks() -> None:
    """The user logged in to the registry and updated the service with its credentials only."""
    worker = worker_with(task(1), auth="old")
    create = until(worker, Machine(), Create)
    worker.finished("t1", on(Machine(), create), T0)
    worker.assign(msgspec.structs.replace(change(2), registry_auth={task(1).service_id: "new"}), T0)
    [order] = worker.tick(T0).orders
    assert order.action == Pull(image=IMAGE, registry_auth="new")


def test_a_second_container_of_a_task_is_a_stray() -> None:
    """Somebody renamed the task's container; another was made under its name."""
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    settle(worker, machine)
    copy = container(1, id="copy", name="copy")
    machine.containers["copy"] = copy
    assert worker.unknown(["c1", "copy"]) == ("copy",)
    worker.sighted(copy)
    assert worker.tick(T0).orders == (Order(key="copy", action=Remove(container_id="copy")),)


def test_a_manager_that_gave_a_task_up_has_its_container_stopped() -> None:
    """The constraint enforcer rejects a running task."""
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    settle(worker, machine)
    worker.assign(change(2, task(1, TaskState.SHUTDOWN, state=TaskState.REJECTED)), T0)
    settle(worker, machine)
    assert machine.containers["c1"].status == "exited"


def test_statuses_are_reported_again_to_a_manager_that_may_have_missed_them() -> None:
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    settle(worker, machine)
    worker.outbox.acknowledge(worker.outbox.take(9))
    assert worker.outbox.due_at is None
    worker.assign(complete(task(1), term=2), T0)
    [update] = worker.outbox.take(9)
    assert update.status.state is TaskState.RUNNING


def test_a_status_that_changed_while_it_was_reported_stays_to_be_reported() -> None:
    worker = worker_with(task(1))
    outbox = worker.outbox
    accepted = TaskStatus(state=TaskState.ACCEPTED)
    outbox.put(TaskID("t1"), accepted, T0)
    assert outbox.due_at == T0 + SECOND
    sent = outbox.take(9)
    outbox.put(TaskID("t1"), TaskStatus(state=TaskState.RUNNING), T0)
    assert outbox.due_at == T0
    outbox.acknowledge(sent)
    assert [u.status.state for u in outbox.take(9)] == [TaskState.RUNNING]
