"""Statuses: which of an agent's reports are news.

Ignored are tasks that are gone, states that go back (a report that was overtaken), and what is
known already; a report about another node's task is refused.
"""

from collections.abc import Iterable, Iterator

from swarmd.errors import NotPermittedError
from swarmd.model.assignment import StatusUpdate
from swarmd.model.ids import NodeID
from swarmd.store.entry import Change, PatchTask
from swarmd.store.view import View


def accepted(view: View, node_id: NodeID, updates: Iterable[StatusUpdate]) -> Iterator[Change]:
    """The changes that the reports of a node make.  Raises NotPermittedError."""
    for update in updates:
        task = view.task(update.task_id)
        if task is None:
            continue
        if task.node_id != node_id:
            raise NotPermittedError(f"task {task.id} is not assigned to node {node_id}")
        if update.status.state.rank >= task.state.rank and update.status != task.status:
            yield PatchTask(id=task.id, status=update.status)
