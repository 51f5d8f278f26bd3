"""Reap: what nobody needs any more leaves the store, and so the nodes.

A task that is deleted from the store drops out of its node's assignments, and the agent removes its
container; so a task is deleted only once it has ended or never reached a node.

Source: swarmkit orchestrator/taskreaper/task_reaper.go.
"""

from collections.abc import Container, Iterable

from swarmd.dispatcher.control.slots import slots_of
from swarmd.dispatcher.control.step import Step
from swarmd.model.ids import ServiceID
from swarmd.model.service import Service
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, Delete, Kind, PatchTask
from swarmd.store.view import View


def reap(view: View, service: Service, _now: Timestamp) -> Step:
    """Tasks asked to go, history beyond the limit, specs without a user."""
    doomed = {t.id: t for t in view.tasks_of(service.id).values() if _may_go(t)}
    doomed |= {task.id: task for task in _beyond_history(view, service)}
    kept = [t for t in view.tasks_of(service.id).values() if t.id not in doomed]
    used = {service.spec_version, service.previous_spec_version, *(t.spec_version for t in kept)}
    return Step(changes=(*_deletions(doomed), *_unused_specs(view, service.id, used)))


def reap_gone(view: View, service_id: ServiceID) -> Step:
    """What is left of a service that was removed."""
    tasks = view.tasks_of(service_id).values()
    doomed = [t.id for t in tasks if _may_go(t) or t.state is TaskState.ORPHANED]
    told: list[Change] = [
        PatchTask(id=task.id, desired_state=TaskState.REMOVE)
        for task in tasks
        if task.id not in doomed and task.desired_state is not TaskState.REMOVE
    ]
    used = {task.spec_version for task in tasks if task.id not in doomed}
    return Step(
        changes=(*told, *_deletions(doomed), *_unused_specs(view, service_id, used)),
    )


def _may_go(task: Task) -> bool:
    return task.desired_state is TaskState.REMOVE and _has_no_container(task)


def _has_no_container(task: Task) -> bool:
    """Never reached its agent, or ended there."""
    return task.is_terminal or task.state.rank < TaskState.ASSIGNED.rank


def _beyond_history(view: View, service: Service) -> Iterable[Task]:
    """Ended tasks of a slot beyond the retention limit, which counts the live one too."""
    limit = view.cluster.spec.orchestration.task_history_retention_limit if view.cluster else 5
    if limit < 0:
        return
    for slot in slots_of(view, service).values():
        excess = len(slot.tasks) - max(1, limit)
        for task in reversed(slot.tasks[1:]):  # oldest first; the newest tells the slot's story
            if excess <= 0:
                break
            if not task.is_wanted and _has_no_container(task):
                excess -= 1
                yield task


def _deletions(task_ids: Iterable[str]) -> list[Change]:
    return [Delete(kind=Kind.TASK, id=task_id) for task_id in task_ids]


def _unused_specs(view: View, service_id: ServiceID, used: Container[int | None]) -> list[Change]:
    versions = view.specs_of(service_id)
    return [
        Delete(kind=Kind.SPEC, id=f"{service_id}/{version}")
        for version in versions
        if version not in used
    ]
