"""Assignments: what a node must have, and the difference to what it was told.

A task belongs to its node's set from ASSIGNED until it is deleted from the store; only then is its
container removed.  What an agent itself reported is not echoed back to it.
"""

from collections.abc import Iterable

import msgspec

from swarmd.model.assignment import Assignments
from swarmd.model.ids import NodeID, ServiceID, TaskID, Version
from swarmd.model.service import StoredSpec
from swarmd.model.task import Task, TaskState
from swarmd.store.view import View


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What of a task concerns its agent."""

    desired_state: TaskState
    spec_version: Version


class AssignmentFeed:
    """One session's assignments: a core that turns views into messages."""

    def __init__(self, node_id: NodeID, term: int) -> None:
        self._node_id = node_id
        self._term = term
        self._sequence = 0
        #: what the agent has
        self._told: dict[TaskID, _Told] = {}
        self._specs: set[tuple[ServiceID, Version]] = set()
        self._auth: dict[ServiceID, str] = {}

    def next(self, view: View) -> Assignments | None:
        """The complete set first, then differences; None if there is none."""
        tasks = {t.id: t for t in view.tasks_on(self._node_id).values() if is_assigned(t)}
        changed = [task for task in tasks.values() if self._told.get(task.id) != _told(task)]
        removed = tuple(task_id for task_id in self._told if task_id not in tasks)
        auth = self._new_auth(view, tasks.values())
        is_complete = self._sequence == 0
        if not (is_complete or changed or removed or auth):
            return None
        self._sequence += 1
        self._told = {task_id: _told(task) for task_id, task in tasks.items()}
        specs = self._new_specs(view, changed)
        self._specs &= {(task.service_id, task.spec_version) for task in tasks.values()}
        return Assignments(
            term=self._term,
            sequence=self._sequence,
            is_complete=is_complete,
            tasks=tuple(changed),
            specs=tuple(specs),
            removed=removed,
            registry_auth=auth,
        )

    def _new_specs(self, view: View, tasks: Iterable[Task]) -> list[StoredSpec]:
        new = []
        for task in tasks:
            key = (task.service_id, task.spec_version)
            if key not in self._specs and (stored := view.stored_spec(*key)) is not None:
                self._specs.add(key)
                new.append(stored)
        return new

    def _new_auth(self, view: View, tasks: Iterable[Task]) -> dict[ServiceID, str]:
        services = {task.service_id: view.service(task.service_id) for task in tasks}
        wanted = {i: service.registry_auth for i, service in services.items() if service}
        new = {i: auth for i, auth in wanted.items() if auth and self._auth.get(i) != auth}
        self._auth = wanted
        return new


def is_assigned(task: Task) -> bool:
    """Whether the task is its agent's business."""
    return task.state.rank >= TaskState.ASSIGNED.rank


def _told(task: Task) -> _Told:
    return _Told(task.desired_state, task.spec_version)
