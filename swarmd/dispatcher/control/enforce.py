"""Enforce: tasks that may not stay where they are.

An operator changes a label, or a node shrinks: the task is asked to stop, is told why, and another
follows it elsewhere.  A node was deleted or stays away for a day: its tasks are ORPHANED.  Paused
nodes are left alone.

Source: swarmkit orchestrator/constraintenforcer; dispatcher.go moveTasksToOrphaned.  There the
manager writes REJECTED over what the agent observed, and gives the task's address to another while
its container still runs; here only the agent says that a container has ended.
"""

from collections.abc import Collection, Iterator

import msgspec

from swarmd.dispatcher.control.restart import follow
from swarmd.dispatcher.control.slots import key_of, roster
from swarmd.dispatcher.control.step import NOTHING, Portion, Step, Wake, earliest
from swarmd.dispatcher.scheduler.constraints import matches
from swarmd.dispatcher.scheduler.resources import unfounded
from swarmd.model.ids import NodeID, TaskID
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
    has_reserved = reserved.nano_cpus or reserved.memory_bytes or reserved.generic_resources
    if not (placement.constraints or has_reserved):
        return NOTHING
    tasks = view.tasks_of(service.id).values()
    suspects = {
        node.id: node
        for node_id in dict.fromkeys(task.node_id for task in tasks)
        if (node := view.node(node_id)) is not None
        and node.spec.availability is Availability.ACTIVE
        and (
            not matches(placement.constraints, node)
            or _is_overcommitted(node, view.usage(node.id), reserved)
            or _unfounded(view, node, reserved)
        )
    }
    if not suspects:
        return NOTHING
    portion = Portion()
    freed: dict[NodeID, NodeUsage] = {}
    for task in [task for task in tasks if task.node_id in suspects]:
        node = suspects[task.node_id]
        usage = freed.get(node.id) or view.usage(node.id)
        if not _is_subject(task):
            continue
        if not matches(placement.constraints, node):
            err = "assigned node no longer meets constraints"
        elif _is_overcommitted(node, usage, reserved) or (
            task.id in _unfounded(view, node, reserved)
        ):
            err = "insufficient resources on assigned node"
        else:
            continue
        freed[node.id] = usage.plus(task, reserved, -1)
        if not portion.takes(_rejection(view, service, task, err, now)):
            break
    return portion.step()


def _rejection(
    view: View, service: Service, task: Task, err: str, now: Timestamp
) -> Iterator[Change]:
    status = msgspec.structs.replace(
        task.status, timestamp=now, message="task rejected by constraint enforcer", err=err
    )
    yield PatchTask(id=task.id, desired_state=TaskState.SHUTDOWN, status=status)
    if not _has_another(view, service, task):
        yield from follow(view, service, task, now)


def _unfounded(view: View, node: Node, reserved: Reservations) -> Collection[TaskID]:
    """Tasks on the node that claim units which it does not have."""
    if not reserved.generic_resources or node.description is None:
        return ()
    return unfounded(node, view.tasks_on(node.id).values())


def _has_another(view: View, service: Service, task: Task) -> bool:
    """A newer task of the slot is wanted already."""
    slot = roster(view, service).slots.get(key_of(task))
    return slot is not None and any(other.created_at > task.created_at for other in slot.wanted)


def _is_subject(task: Task) -> bool:
    return task.is_active and task.state.rank >= TaskState.ASSIGNED.rank


def _is_overcommitted(node: Node, usage: NodeUsage, reserved: Reservations) -> bool:
    """Whether this task helps to take more than the node has."""
    if node.description is None:
        return False
    has = node.description.resources
    return (reserved.nano_cpus > 0 and usage.nano_cpus > has.nano_cpus) or (
        reserved.memory_bytes > 0 and usage.memory_bytes > has.memory_bytes
    )


def orphan(view: View, tasks: Collection[Task], now: Timestamp) -> Step:
    """Give up tasks whose node was deleted, or has been down for a day: their resources are free."""
    portion = Portion()
    wake: Wake = None
    node_ids = dict.fromkeys(task.node_id for task in tasks)
    away = {node_id: view.node(node_id) for node_id in node_ids if _is_away(view, node_id)}
    for task in [task for task in tasks if task.node_id in away]:
        if task.is_terminal:
            continue
        node = away[task.node_id]
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
        if not portion.takes([PatchTask(id=task.id, status=status)]):
            break
    return portion.step(wake)


def _is_away(view: View, node_id: NodeID) -> bool:
    if not node_id:
        return False
    node = view.node(node_id)
    return node is None or node.status.state is NodeState.DOWN
