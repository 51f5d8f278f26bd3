"""Enforce: tasks that may not stay where they are.

An operator changes a label, or a node shrinks: the task is asked to stop, is told why, and another
follows it elsewhere.  A node was deleted or stays away for a day: its tasks are ORPHANED.  Paused
nodes are left alone.

Source: swarmkit orchestrator/constraintenforcer; dispatcher.go moveTasksToOrphaned.  There the
manager writes REJECTED over what the agent observed, and gives the task's address to another while
its container still runs; here only the agent says that a container has ended.
"""

from collections.abc import Iterable

import msgspec

from swarmd.dispatcher.control.restart import follow
from swarmd.dispatcher.control.step import NOTHING, Step, Wake, earliest
from swarmd.dispatcher.scheduler.constraints import matches
from swarmd.model.node import Availability, Node, NodeState
from swarmd.model.service import Service
from swarmd.model.spec import SECOND, Placement, Reservations
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask
from swarmd.store.usage import NodeUsage, reservations
from swarmd.store.view import View

ORPHAN_AFTER = 24 * 3600 * SECOND


def enforce(view: View, service: Service, now: Timestamp) -> Step:
    """Reject tasks whose node no longer meets the service's constraints or has too little."""
    spec = view.spec(service)
    placement = spec.task_template.placement or Placement()
    reserved = reservations(spec)
    if not (placement.constraints or reserved.nano_cpus or reserved.memory_bytes):
        return NOTHING
    changes: list[Change] = []
    freed: dict[str, NodeUsage] = {}
    for task in view.tasks_of(service.id).values():
        node = view.node(task.node_id)
        if node is None or not _is_subject(task, node):
            continue
        usage = freed.get(node.id) or view.usage(node.id)
        if not matches(placement.constraints, node):
            err = "assigned node no longer meets constraints"
        elif _is_overcommitted(node, usage, reserved):
            err = "insufficient resources on assigned node"
        else:
            continue
        freed[node.id] = usage.plus(task, reserved, -1)
        status = msgspec.structs.replace(
            task.status,
            timestamp=now,
            message="task rejected by constraint enforcer",
            err=err,
        )
        changes.append(PatchTask(id=task.id, desired_state=TaskState.SHUTDOWN, status=status))
        if not _has_another(view, service, task):
            changes.extend(follow(view, service, task, now))
    return Step(changes=tuple(changes))


def _has_another(view: View, service: Service, task: Task) -> bool:
    """A newer task of the slot is wanted already."""
    return any(
        other.is_wanted and other.slot_key == task.slot_key and other.created_at > task.created_at
        for other in view.tasks_of(service.id).values()
    )


def _is_subject(task: Task, node: Node) -> bool:
    return (
        task.is_active
        and task.state.rank >= TaskState.ASSIGNED.rank
        and node.spec.availability is Availability.ACTIVE
    )


def _is_overcommitted(node: Node, usage: NodeUsage, reserved: Reservations) -> bool:
    """Whether this task helps to take more than the node has."""
    if node.description is None:
        return False
    has = node.description.resources
    return (reserved.nano_cpus > 0 and usage.nano_cpus > has.nano_cpus) or (
        reserved.memory_bytes > 0 and usage.memory_bytes > has.memory_bytes
    )


def orphan(view: View, tasks: Iterable[Task], now: Timestamp) -> Step:
    """Give up tasks whose node was deleted, or has been down for a day: their resources are free."""
    changes: list[Change] = []
    wake: Wake = None
    for task in tasks:
        if task.is_terminal or not task.node_id:
            continue
        node = view.node(task.node_id)
        if node is not None and node.status.state is not NodeState.DOWN:
            continue
        at = now if node is None else node.status.since + ORPHAN_AFTER
        if at > now:
            wake = earliest(wake, at)
            continue
        status = msgspec.structs.replace(
            task.status,
            state=TaskState.ORPHANED,
            timestamp=now,
            message="Task belonged to a node that has been deleted"
            if node is None
            else "Task's node has been down for 24 hours",
        )
        changes.append(PatchTask(id=task.id, status=status))
    return Step(changes=tuple(changes), wake_at=wake)
