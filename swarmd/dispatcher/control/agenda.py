"""The agenda: which services are to be looked at, and when.

The core between the store's changes and the passes.  A change marks services dirty; a plan leaves
wake-ups behind; a service whose tasks found no place is looked at again when a node changes or a
task ends anywhere.  Taking office, everything is dirty, and is taken in slices.
"""

import heapq
from collections.abc import Collection, Sequence

from swarmd.dispatcher.control.control import Docket, Plan
from swarmd.model.ids import ServiceID
from swarmd.model.task import TaskState
from swarmd.ports import Timestamp
from swarmd.store.apply import Touched
from swarmd.store.entry import Kind
from swarmd.store.view import View

#: Tasks looked at in one round, so that it stays below the longest callback allowed.
ROUND_TASKS = 400

#: Observed states between which no pass tells a difference: reports of them make nothing dirty.
_UNREAD = (TaskState.ACCEPTED, TaskState.PREPARING, TaskState.READY, TaskState.STARTING)


class Agenda:
    """What the leader has to look at."""

    def __init__(self) -> None:
        #: in the order in which they became dirty
        self._dirty: dict[ServiceID, None] = {}
        #: (when, service); entries that `_wakes` no longer has are void
        self._queue: list[tuple[Timestamp, ServiceID]] = []
        self._wakes: dict[ServiceID, Timestamp] = {}
        self._waiting: set[ServiceID] = set()
        #: nodes or networks changed: a round is due even if no service is dirty
        self._is_due = False

    def everything(self, view: View) -> None:
        """Taking office, or a snapshot was installed: trust nothing that was known."""
        ids = dict.fromkeys((*view.services(), *view.services_with_tasks()))
        self._dirty.update(ids)
        self._is_due = True

    def touched(self, view: View, touched: Sequence[Touched]) -> None:
        """Mark what a batch of entries makes worth a look."""
        self._shared(view, {one.kind for one in touched})
        for one in touched:
            match one.kind:
                case Kind.SERVICE | Kind.SPEC:
                    self._dirty[one.service_id] = None
                case Kind.TASK:
                    self._task(view, one)
                case Kind.NODE:
                    for task in view.tasks_on(one.id).values():
                        self._dirty[task.service_id] = None

    def _shared(self, view: View, kinds: Collection[Kind]) -> None:
        """What concerns more than one service; once for a batch, which may touch every node."""
        if Kind.CLUSTER in kinds:
            self.everything(view)
        if Kind.NODE in kinds:
            for service in view.services().values():
                if not view.spec(service).is_replicated:
                    self._dirty[service.id] = None
        if Kind.NODE in kinds or Kind.NETWORK in kinds or Kind.CLUSTER in kinds:
            self._is_due = True
            self._release_waiting()

    def _task(self, view: View, one: Touched) -> None:
        task = view.task(one.id)
        if one.is_status and task is not None and task.state in _UNREAD:
            return
        self._dirty[one.service_id] = None
        if task is None or task.is_terminal:
            self._release_waiting()

    def _release_waiting(self) -> None:
        self._dirty.update(dict.fromkeys(sorted(self._waiting)))
        self._waiting.clear()

    # ---- rounds

    def is_due(self, now: Timestamp) -> bool:
        """Whether a round has anything to look at."""
        self._wake(now)
        return bool(self._dirty) or self._is_due

    def take(self, view: View, now: Timestamp) -> Docket:
        """What the next round looks at: oldest first, as much as one round may."""
        self._wake(now)
        has_nodes, self._is_due = self._is_due, False
        taken: list[ServiceID] = []
        size = 0
        for service_id in self._dirty:
            size += _size(view, service_id)
            if taken and size > ROUND_TASKS:
                break
            taken.append(service_id)
        for service_id in taken:
            del self._dirty[service_id]
            self._wakes.pop(service_id, None)
            self._waiting.discard(service_id)
        return Docket(services=tuple(taken), has_nodes=has_nodes)

    def planned(self, plan: Plan) -> None:
        """Keep what a committed plan left to do."""
        self._dirty.update(dict.fromkeys(sorted(plan.unfinished)))
        self._waiting |= plan.waiting
        for service_id, at in plan.wakes.items():
            self._wakes[service_id] = at
            heapq.heappush(self._queue, (at, service_id))

    def failed(self, docket: Docket) -> None:
        """The round's commit did not happen: look again."""
        self._dirty.update(dict.fromkeys(docket.services))
        self._is_due = self._is_due or docket.has_nodes

    def next_wake(self) -> Timestamp | None:
        """When the next round is due if nothing changes."""
        while self._queue and self._wakes.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def _wake(self, now: Timestamp) -> None:
        while (at := self.next_wake()) is not None and at <= now:
            _, service_id = heapq.heappop(self._queue)
            del self._wakes[service_id]
            self._dirty[service_id] = None


def _size(view: View, service_id: ServiceID) -> int:
    """Tasks that a look at the service has to do with, those not yet made included."""
    service = view.service(service_id)
    have = len(view.tasks_of(service_id))
    if service is None:
        return 1 + have
    spec = view.spec(service)
    return 1 + max(have, spec.replicas if spec.is_replicated else len(view.nodes()))
