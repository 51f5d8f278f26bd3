"""Who serves, as one node knows it: a core that takes away from the leader's plane what is gone.

Three may take away: gossip, which calls a node dead; a node, which withdraws tasks of its own; and
this node's agent, which sees its containers end.  Nobody adds: that is the leader's.  So a word that
is late or lost leaves at worst what the leader's next plane says.
"""

from collections.abc import Collection

from swarmd.model.dataplane import Backend, DataPlane, without
from swarmd.model.ids import NodeID, TaskID


class Serving:
    """The newest plane of one node, and what is gone of it."""

    def __init__(self, node_id: NodeID) -> None:
        self._node_id = node_id
        #: as the leader sent it; None before the first
        self.told: DataPlane | None = None
        self._dead: set[NodeID] = set()
        #: tasks of this node that traffic may go to; None until the agent has looked
        self._here: frozenset[TaskID] | None = None
        #: (node, task of it that serves no more), by the node's own word
        self._withdrawn: set[tuple[NodeID, TaskID]] = set()

    def take(self, plane: DataPlane) -> None:
        """The leader's newest."""
        self.told = plane
        if self._withdrawn:
            # Once it has no endpoint any more, no plane will name it again.
            known = {(e.node_id, e.task_id) for n in plane.networks for e in n.endpoints}
            self._withdrawn &= known

    def serve(self, task_ids: Collection[TaskID]) -> tuple[TaskID, ...]:
        """The tasks of this node that serve now; returns those that did and do no more."""
        before, self._here = self._here, frozenset(task_ids)
        return () if before is None else tuple(sorted(before - self._here))

    def withdraw(self, node_id: NodeID, task_ids: Collection[TaskID]) -> None:
        """A node says that these tasks of its own serve no more; it can say nothing of others'."""
        self._withdrawn.update((node_id, task_id) for task_id in task_ids)

    def live(self, node_id: NodeID, *, is_alive: bool) -> None:
        """Gossip saw a node come or go."""
        if is_alive:
            self._dead.discard(node_id)
        else:
            self._dead.add(node_id)

    def plane(self) -> DataPlane | None:
        """What is left; the leader's own object if nothing is gone of it, None before the first."""
        return None if self.told is None else without(self.told, self._is_gone)

    def _is_gone(self, backend: Backend) -> bool:
        if backend.node_id == self._node_id:
            return self._here is not None and backend.task_id not in self._here
        is_withdrawn = (backend.node_id, backend.task_id) in self._withdrawn
        return is_withdrawn or backend.node_id in self._dead
