"""Statuses on their way to a manager: the newest of each task, the urgent ones at once.

RUNNING, READY and ends are waited for by somebody (an update, a client); the others are for display
and go along with the next report, a second later at most.  A status leaves when a manager has
acknowledged exactly it.
"""

from collections.abc import Iterable

from swarmd.model.assignment import StatusUpdate
from swarmd.model.ids import TaskID
from swarmd.model.task import TaskState, TaskStatus
from swarmd.ports import Timestamp


class Outbox:
    """What is not reported yet."""

    def __init__(self, patience: Timestamp) -> None:
        #: nanoseconds that a status which nobody waits for may wait
        self._patience = patience
        self._statuses: dict[TaskID, TaskStatus] = {}
        #: when the first of them is to go; None = nothing is waiting
        self.due_at: Timestamp | None = None

    def put(self, task_id: TaskID, status: TaskStatus, now: Timestamp) -> None:
        """The newest status of a task takes the place of an older one."""
        self._statuses[task_id] = status
        due_at = now if is_urgent(status.state) else now + self._patience
        self.due_at = due_at if self.due_at is None else min(self.due_at, due_at)

    def take(self, count: int) -> tuple[StatusUpdate, ...]:
        """At most `count`, longest waiting first.  They stay until acknowledged."""
        chosen = list(self._statuses.items())[:count]
        return tuple(StatusUpdate(task_id=task_id, status=status) for task_id, status in chosen)

    def acknowledge(self, updates: Iterable[StatusUpdate]) -> None:
        """A manager has them; what changed meanwhile stays."""
        for update in updates:
            if self._statuses.get(update.task_id) == update.status:
                del self._statuses[update.task_id]
        if not self._statuses:
            self.due_at = None

    def forget(self, task_id: TaskID) -> None:
        """Nobody wants to know any more."""
        self._statuses.pop(task_id, None)
        if not self._statuses:
            self.due_at = None


def is_urgent(state: TaskState) -> bool:
    """Whether somebody waits for it."""
    return state in (TaskState.READY, TaskState.RUNNING) or state.is_terminal
