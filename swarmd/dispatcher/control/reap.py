"""Reap: what nobody needs any more leaves the store, and so the nodes.

A task that is deleted from the store drops out of its node's assignments, and the agent removes its
container; so a task is deleted only once it has ended or never reached a node.

Source: swarmkit orchestrator/taskreaper/task_reaper.go.
"""

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator

from swarmd.dispatcher.control.slots import Roster, Slot, alone, key_of, roster
from swarmd.dispatcher.control.step import Portion, Step
from swarmd.model.ids import ServiceID
from swarmd.model.service import Service
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, Delete, Kind, PatchTask
from swarmd.store.view import View


def reap(view: View, service: Service, _now: Timestamp) -> Step:
    """Tasks asked to go, history beyond the limit, specs without a user."""
    asked = [t for t in view.tasks_of(service.id).values() if t.desired_state is TaskState.REMOVE]
    gone = _deleted(itertools.chain(filter(_may_go, asked), _beyond_history(view, service)))
    if gone.is_unfinished:
        return gone
    in_force = (service.spec_version, service.previous_spec_version)
    return Step(changes=(*gone.changes, *_unused_specs(view, service.id, gone, in_force)))


def reap_gone(view: View, service_id: ServiceID) -> Step:
    """What is left of a service that was removed."""
    tasks = view.tasks_of(service_id).values()
    told = Portion()
    for task in tasks:
        if (
            task.desired_state is not TaskState.REMOVE
            and task.state is not TaskState.ORPHANED
            and not told.takes([PatchTask(id=task.id, desired_state=TaskState.REMOVE)])
        ):
            return told.step()
    gone = _deleted(t for t in tasks if _may_go(t) or t.state is TaskState.ORPHANED)
    specs = () if gone.is_unfinished else _unused_specs(view, service_id, gone)
    return Step(
        changes=(*told.step().changes, *gone.changes, *specs), is_unfinished=gone.is_unfinished
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
    listed = roster(view, service)
    for slot in _slots_longer_than(max(1, limit), listed):
        excess = len(slot.tasks) - max(1, limit)
        for task in reversed(slot.tasks[1:]):  # oldest first; the newest tells the slot's story
            if excess <= 0:
                break
            if not task.is_wanted and _has_no_container(task):
                excess -= 1
                yield task


def _slots_longer_than(count: int, listed: Roster) -> Iterator[Slot]:
    """In no order that matters: each is cut by itself."""
    yield from (slot for slot in listed.slots.values() if len(slot.tasks) > count)
    lengths = Counter(map(key_of, listed.history))
    if lengths and max(lengths.values()) >= count:
        quiet = [alone(t) for t in listed.quiet_tasks() if lengths[key_of(t)] >= count]
        yield from listed.whole(quiet)


def _deleted(tasks: Iterable[Task]) -> Step:
    portion = Portion()
    for task in tasks:
        if not portion.takes([Delete(kind=Kind.TASK, id=task.id)]):
            break
    return portion.step()


def _unused_specs(
    view: View, service_id: ServiceID, gone: Step, in_force: Container[int | None] = ()
) -> list[Change]:
    """Versions that neither the service nor a task refers to once the tasks of `gone` are gone."""
    old = [version for version in view.specs_of(service_id) if version not in in_force]
    if not old:
        return []
    ids = {change.id for change in gone.changes if isinstance(change, Delete)}
    used = {t.spec_version for t in view.tasks_of(service_id).values() if t.id not in ids}
    return [
        Delete(kind=Kind.SPEC, id=f"{service_id}/{version}")
        for version in old
        if version not in used
    ]
