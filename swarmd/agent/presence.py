"""Which tasks have a container on this node: what the overlay, the mesh and the resolver go by.

A container whose state is not known at the moment stays as it was last known: looking at it again
must not take it out of a table.
"""

import msgspec

from swarmd.agent.task import Local
from swarmd.model.ids import TaskID
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task, TaskState

_HERE = ("created", "running", "paused", "restarting")


class LocalContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A task's container on this node, made or running."""

    task: Task
    spec: ServiceSpec
    container_id: str
    #: 0 until it runs
    pid: int
    #: as observed; `task.status` is as the manager last knew it
    state: TaskState
    #: RUNNING, and not being stopped: traffic may go there
    is_serving: bool


class Presence:
    """The containers, and whether they changed since they were last taken."""

    def __init__(self) -> None:
        self._containers: dict[TaskID, LocalContainer] = {}
        self._is_changed = True

    def show(self, local: Local) -> None:
        """What became of a task."""
        if local.sighting is None:
            before = self._containers.get(local.task.id)
            if before is not None and before.is_serving and not _is_serving(local):
                self._put(msgspec.structs.replace(before, is_serving=False, state=local.state))
            return
        container = local.sighting.container
        if container is None or container.status not in _HERE:
            self.hide(local.task.id)
            return
        shown = LocalContainer(
            task=local.task,
            spec=local.spec,
            container_id=container.id,
            pid=container.pid,
            state=local.state,
            is_serving=_is_serving(local),
        )
        self._put(shown)

    def _put(self, shown: LocalContainer) -> None:
        if self._containers.get(shown.task.id) != shown:
            self._containers[shown.task.id] = shown
            self._is_changed = True

    def hide(self, task_id: TaskID) -> None:
        """It has none any more."""
        if self._containers.pop(task_id, None) is not None:
            self._is_changed = True

    def taken(self) -> tuple[LocalContainer, ...] | None:
        """All of them, or None if nothing changed since the last call."""
        if not self._is_changed:
            return None
        self._is_changed = False
        return tuple(self._containers.values())


def _is_serving(local: Local) -> bool:
    is_running = local.state is TaskState.RUNNING
    return is_running and local.is_wanted and local.memory.stopping is None
