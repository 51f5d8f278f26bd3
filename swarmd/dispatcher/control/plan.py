"""A plan under construction: a fork of the state on which each pass finds what those before it did.

What the passes changed is kept as a set of touched objects; `changes` then says for each how to get
from the state before to the state after, once: a task that is created, given addresses and placed
in one round is one record in the log.
"""

from collections.abc import Iterable, Iterator

from swarmd.model.ids import PROPOSED, NetworkID, NodeID, ServiceID, TaskID
from swarmd.model.task import TaskState, TaskStatus
from swarmd.ports import Timestamp
from swarmd.store.apply import change_one
from swarmd.store.entry import (
    Change,
    Delete,
    Kind,
    PatchTask,
    PutNetwork,
    PutNode,
    PutService,
    PutTask,
)
from swarmd.store.view import Tables, View


class Draft:
    """The state as a plan would leave it."""

    def __init__(self, state: View, now: Timestamp) -> None:
        self.after: Tables = state.fork()
        self._now = now
        self._networks: dict[NetworkID, None] = {}
        self._nodes: dict[NodeID, None] = {}
        self._services: dict[ServiceID, None] = {}
        #: tasks whose whole record goes into the log
        self._whole: dict[TaskID, None] = {}
        #: tasks of which a part changes
        self._desired: dict[TaskID, TaskState] = {}
        self._status: dict[TaskID, TaskStatus] = {}
        self._deletes: dict[Delete, None] = {}
        self._created: set[TaskID] = set()

    def add(self, changes: Iterable[Change]) -> int:
        """Make the changes of a pass on the fork; how many there were."""
        count = 0
        for change in changes:
            self._note(change)
            change_one(self.after, PROPOSED, self._now, change)
            count += 1
        return count

    def _note(self, change: Change) -> None:
        match change:
            case PutTask(record=task):
                if self.after.task(task.id) is None:
                    self._created.add(task.id)
                self._whole[task.id] = None
            case PatchTask(id=task_id, desired_state=desired, status=status):
                if desired is not None:
                    self._desired[task_id] = desired
                if status is not None:
                    self._status[task_id] = status
            case PutNetwork(record=network):
                self._networks[network.id] = None
            case PutNode(record=node):
                self._nodes[node.id] = None
            case PutService(record=service):
                self._services[service.id] = None
            case Delete():
                self._deletes[change] = None
            case _:
                raise AssertionError(f"no pass changes this: {change}")

    def changes(self) -> list[Change]:
        """From the state before to the state after; objects before those that refer to them."""
        after = self.after
        changes: list[Change] = []
        changes.extend(PutNetwork(record=w) for i in self._networks if (w := after.network(i)))
        changes.extend(PutNode(record=n) for i in self._nodes if (n := after.node(i)))
        changes.extend(PutService(record=s) for i in self._services if (s := after.service(i)))
        changes.extend(PutTask(record=t) for i in self._whole if (t := after.task(i)))
        changes.extend(self._patches())
        changes.extend(d for d in self._deletes if not self._never_was(d))
        return changes

    def _patches(self) -> Iterator[Change]:
        for task_id in dict.fromkeys((*self._desired, *self._status)):
            if task_id not in self._whole and self.after.task(task_id) is not None:
                yield PatchTask(
                    id=task_id,
                    desired_state=self._desired.get(task_id),
                    status=self._status.get(task_id),
                )

    def _never_was(self, delete: Delete) -> bool:
        return delete.kind is Kind.TASK and TaskID(delete.id) in self._created
