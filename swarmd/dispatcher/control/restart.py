"""Restart: a slot's task that ended, or whose node is lost, is followed by another.

The restart policy is for tasks that *end*: condition, delay, attempts, window.  A task that is lost
with its node is no failure of its own: it is followed at once and counts no attempt.  When the next
task may run (delay, the old one's end) is written into it and read by `release`; the attempts of a
slot travel from task to task, so a new leader loses nothing.

Source: swarmkit orchestrator/restart/restart.go; there, history is in the leader's memory.
"""

from collections.abc import Iterator, Sequence

import msgspec

from swarmd.dispatcher.control.slots import PLACED, Slot, alone, in_order, new_task, roster
from swarmd.dispatcher.control.step import (
    OLD_TASK_WAIT,
    STOP_MARGIN,
    Portion,
    Step,
    Wake,
    earliest,
    restart_delay,
    restart_policy,
    stop_grace,
)
from swarmd.model.ids import NO_NODE, NodeID, ServiceID, TaskID, Version
from swarmd.model.node import NodeState
from swarmd.model.service import Service
from swarmd.model.spec import RestartCondition, RestartPolicy, ServiceSpec
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask, PutTask
from swarmd.store.view import View

#: Restart times kept in a task where the policy sets no limit: enough to see that it is a restart.
KEPT_WITHOUT_LIMIT = 1

#: Observed states of a task that no agent knows of.
_NO_NODES = frozenset((TaskState.NEW, TaskState.PENDING))


def restart(view: View, service: Service, now: Timestamp) -> Step:
    """Follow every wanted task that ended or was lost; one new task per slot.

    A task is prepared while its delay lasts.  One that fails in that time is followed at the end of
    it: a node that cannot pull an image tries once per delay.
    """
    portion = Portion()
    wake: Wake = None
    listed = roster(view, service)
    lost = [
        alone(task)
        for node_id, tasks in listed.quiet.items()
        if _is_lost_node(view, node_id)
        for task in tasks
    ]
    for slot in sorted((*lost, *listed.slots.values()), key=in_order):
        ended = []
        for task in slot.wanted:
            if task.is_terminal and task.not_before > now and not is_lost(view, task):
                wake = earliest(wake, task.not_before)
            elif task.is_terminal or is_lost(view, task):
                ended.append(task)
        if ended and not portion.takes(_replacement(view, service, slot, ended, now)):
            break
    return portion.step(wake)


def _replacement(
    view: View, service: Service, slot: Slot, ended: list[Task], now: Timestamp
) -> Iterator[Change]:
    yield from (PatchTask(id=task.id, desired_state=TaskState.SHUTDOWN) for task in ended)
    if ended[0] is slot.wanted[0]:
        yield from follow(view, service, slot.wanted[0], now)


def is_lost(view: View, task: Task) -> bool:
    """Its node is gone, down or draining."""
    return bool(task.node_id) and _is_lost_node(view, task.node_id)


def _is_lost_node(view: View, node_id: NodeID) -> bool:
    node = view.node(node_id)
    return node is None or node.is_invalid


def may_run(view: View, task: Task) -> bool:
    """Its container may be running for all we can know and still wait for.

    A task on a node that is down may run too, but nobody waits for it.
    """
    if task.status.state not in PLACED:
        return False
    node = view.node(task.node_id)
    return node is not None and node.status.state is not NodeState.DOWN


def is_given_up(view: View, service: Service, slot: Slot, now: Timestamp) -> bool:
    """No task of the slot is wanted, and its policy forbids another: it still counts as filled."""
    if slot.wanted:
        return False
    policy = restart_policy(view.spec(service))
    newest = slot.newest
    if newest.spec_version != service.spec_version:
        policy = restart_policy(view.spec_of(newest))
    return not _permits(policy, newest, newest.observed_at or now)


def follow(view: View, service: Service, old: Task, now: Timestamp) -> list[Change]:
    """The task that takes over from `old`, unless the policy or the node forbids one."""
    policy = restart_policy(view.spec(service))
    if not _permits(policy, old, now):
        return []
    if not old.slot and is_lost(view, old):
        return []  # a global service's slot ends with its node
    is_failure = old.is_terminal and old.state is not TaskState.ORPHANED
    delay = restart_delay(policy) if is_failure else 0
    waits = may_run(view, old)
    desired = TaskState.READY if delay or waits else TaskState.RUNNING
    task = new_task(
        view,
        service,
        now,
        slot=old.slot,
        node_id=NO_NODE if old.slot else old.node_id,
        desired=desired,
    )
    restarts = old.restarts if old.spec_version == service.spec_version else ()
    if is_failure:
        restarts = (*restarts, now)[-(policy.max_attempts or KEPT_WITHOUT_LIMIT) :]
    task = msgspec.structs.replace(
        task, not_before=now + delay, replaces=old.id if waits else None, restarts=restarts
    )
    return [PutTask(record=task)]


def _permits(policy: RestartPolicy, task: Task, now: Timestamp) -> bool:
    """Whether the policy lets another task follow `task`, which ended or was lost at `now`."""
    if policy.condition is RestartCondition.NONE:
        return False
    if policy.condition is RestartCondition.ON_FAILURE and task.state is TaskState.COMPLETE:
        return False
    if not policy.max_attempts or not task.is_terminal:
        return True
    since = now - policy.window if policy.window else 0
    return sum(since <= at < now for at in task.restarts) < policy.max_attempts


def release(view: View, service: Service, now: Timestamp) -> Step:
    """Let READY tasks run whose delay has passed and whose predecessor has stopped."""
    portion = Portion()
    later: list[Timestamp] = []
    listed = roster(view, service)
    wanted = (task for slot in listed.slots.values() for task in slot.wanted)
    unquiet = (task for task in wanted if not task.is_terminal)
    ready = TaskState.READY
    waiting = [t for t in (*listed.quiet_tasks(), *unquiet) if t.desired_state is ready]
    blockers = _blockers(view, service.id, waiting)
    waits: dict[Version, int] = {}
    for task in waiting:
        at = task.not_before
        old = blockers.get(task.replaces)
        if old is not None:
            if old.spec_version not in waits:
                waits[old.spec_version] = _longest_wait(view.spec_of(old))
            at = max(at, task.created_at + waits[old.spec_version])
        if at > now:
            later.append(at)
        elif not portion.takes([PatchTask(id=task.id, desired_state=TaskState.RUNNING)]):
            break
    return portion.step(min(later, default=None))


def _blockers(
    view: View, service_id: ServiceID, waiting: Sequence[Task]
) -> dict[TaskID | None, Task]:
    """The tasks for whose end some of these wait (see `may_run`), by id."""
    if not waiting:
        return {}
    tasks = view.tasks_of(service_id)
    up = {n.id for n in view.nodes().values() if n.status.state is not NodeState.DOWN}
    olds = [tasks.get(task.replaces) for task in waiting if task.replaces]
    return {
        old.id: old
        for old in olds
        if old is not None and old.status.state in PLACED and old.node_id in up
    }


def withdraw(view: View, service: Service, now: Timestamp) -> Step:
    """End tasks that were asked to stop before a node had them: no agent will say it for them."""
    portion = Portion()
    for task in [t for t in roster(view, service).history if t.status.state in _NO_NODES]:
        status = TaskStatus(
            state=TaskState.SHUTDOWN, timestamp=now, message="shutdown", err=task.status.err
        )
        if not portion.takes([PatchTask(id=task.id, status=status)]):
            break
    return portion.step()


def _longest_wait(spec: ServiceSpec) -> int:
    """Nanoseconds that a task waits for its predecessor of this spec to stop."""
    return max(OLD_TASK_WAIT, stop_grace(spec) + STOP_MARGIN)
