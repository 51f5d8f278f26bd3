"""Place: pending tasks get their nodes.

Tasks of one service and spec version form a group and are placed together: filters say where they
may go, preferences divide them, and at a leaf the better node comes first: not one where this
service keeps failing, then the one with fewest tasks of the service, then with fewest in all.
A task that knows its node already (global services) is checked against it.  A task that finds no
place keeps PENDING and is told why.

Source: swarmkit manager/scheduler/scheduler.go.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from swarmd.dispatcher.scheduler.filters import (
    Candidate,
    Filter,
    Needs,
    candidate,
    explanation,
    first_no,
    own_counts,
    pipeline,
)
from swarmd.dispatcher.scheduler.resources import claim
from swarmd.dispatcher.scheduler.spread import spread
from swarmd.model.ids import NodeID
from swarmd.model.service import Service
from swarmd.model.spec import SECOND, ServiceSpec
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask, PutTask
from swarmd.store.view import View

#: A node on which a service failed so often in so long comes last.  swarmkit counts to five in the
#: leader's memory; here what the history still shows is counted, which by default is four of a slot.
FAULTS_MANY = 4
FAULTS_WINDOW = 300 * SECOND

_FAULTS = frozenset((TaskState.FAILED, TaskState.REJECTED))
_PLACED = "scheduler assigned task to node"
_CONFIRMED = "scheduler confirmed task can run on preassigned node"


def place(view: View, service: Service, now: Timestamp, *, most: int) -> Iterator[Change]:
    """Nodes for the service's pending tasks, or the reason why there is none.

    Group by group: `view` must show what came of one group before the next is asked for, else two
    of them are given the same room.  At most `most` changes; with so many there may be more to do.
    """
    pending = TaskState.PENDING
    tasks = view.tasks_of(service.id).values()
    waiting = [task for task in tasks if task.status.state is pending and task.is_wanted]
    groups: dict[int, list[Task]] = {}
    left = most
    for task in sorted(waiting, key=lambda task: (task.slot, task.id)):
        if not task.node_id:
            groups.setdefault(task.spec_version, []).append(task)
        elif left:
            news = _news(view, [_confirm(view, task, now)], 1)
            left -= len(news)
            yield from news
    for group in groups.values():
        if left:
            news = _news(view, _Group(view, service, group, now).placed(left), left)
            left -= len(news)
            yield from news


class _Group:
    """The placing of one group; lives for one call."""

    def __init__(self, view: View, service: Service, tasks: Sequence[Task], now: Timestamp) -> None:
        self._view, self._now = view, now
        self._tasks = list(tasks)
        self._spec: ServiceSpec = view.spec_of(tasks[0])
        self._filters: list[Filter] = pipeline(self._spec)
        self._needs = Needs.of(self._spec)
        self._refusals: Counter[int] = Counter()
        self._faults = _faults(view, service, tasks[0], now)
        self._own = own_counts(view, service.id)
        self._changes: list[Change] = []
        self._next = 0

    def placed(self, most: int) -> list[Change]:
        """Nodes for `most` tasks; for the others, if some found none, the reason."""
        count = min(most, len(self._tasks))
        fit = []
        for node in self._view.nodes().values():
            own = self._own.get(node.id, 0)
            one = candidate(self._view, node, self._needs, own=own)
            refusal = first_no(self._filters, one)
            if refusal is None:
                fit.append(one)
            else:
                self._refusals[refusal] += 1
        placement = self._spec.task_template.placement
        preferences = placement.preferences if placement else ()
        descriptors = [p.spread.spread_descriptor for p in preferences if p.spread]
        spread(fit, descriptors, count, self._fill)
        # Those that were not tried yet have nothing to complain of.
        left = self._tasks[self._next :] if self._next < count else []
        return [*self._changes, *_unplaced(left, self._why(), self._now)]

    def _fill(self, candidates: Sequence[Candidate], count: int) -> int:
        """Best node first, one task at a time; a node that became unfit drops out."""
        heap = [(self._rank(c), position, c) for position, c in enumerate(candidates)]
        heap = [row for row in heap if first_no(self._filters, row[2]) is None]
        heapq.heapify(heap)
        done = 0
        while heap and done < count:
            _, position, best = heap[0]
            self._assign(best)
            done += 1
            refusal = first_no(self._filters, best)
            if refusal is None:
                heapq.heapreplace(heap, (self._rank(best), position, best))
            else:
                heapq.heappop(heap)
                self._refusals[refusal] += 1
        return done

    def _rank(self, one: Candidate) -> tuple[int, int, int]:
        faults = self._faults.get(one.node.id, 0)
        return (faults if faults >= FAULTS_MANY else 0, one.own, one.usage.active)

    def _assign(self, to: Candidate) -> None:
        task = self._tasks[self._next].assigned_to(to.node.id, _PLACED, self._now)
        self._next += 1
        wanted = self._needs.reserved
        if wanted.generic_resources:
            claims = claim(wanted.generic_resources, to.free_generic)
            task = msgspec.structs.replace(task, generic_resources=claims)
        to.usage = to.usage.plus(task, wanted, 1)
        to.own += 1
        to.host_ports |= self._needs.host_ports
        self._changes.append(PutTask(record=task))

    def _why(self) -> str:
        reasons = explanation(self._filters, self._refusals)
        return f"no suitable node ({reasons})" if reasons else "no suitable node"


def _confirm(view: View, task: Task, now: Timestamp) -> Change:
    spec = view.spec_of(task)
    node = view.node(task.node_id)
    if node is None:
        return _unplaced([task], "no suitable node", now)[0]
    others = view.tasks_on(node.id).values()
    own = sum(t.service_id == task.service_id and t.is_active and t.id != task.id for t in others)
    needs = Needs.of(spec)
    one = candidate(view, node, needs, own=own, but=task)
    filters = pipeline(spec)
    refusal = first_no(filters, one)
    if refusal is not None:
        return _unplaced([task], filters[refusal].explain(1), now)[0]
    wanted = needs.reserved.generic_resources
    claims = claim(wanted, one.free_generic) if wanted else ()
    task = task.assigned_to(node.id, _CONFIRMED, now)
    return PutTask(record=msgspec.structs.replace(task, generic_resources=claims))


def _unplaced(tasks: Iterable[Task], why: str, now: Timestamp) -> list[Change]:
    return [
        PatchTask(
            id=task.id,
            status=msgspec.structs.replace(task.status, err=why, timestamp=now),
        )
        for task in tasks
    ]


def _news(view: View, changes: Iterable[Change], most: int) -> list[Change]:
    news = (change for change in changes if not _says_nothing_new(view, change))
    return list(itertools.islice(news, most))


def _says_nothing_new(view: View, change: Change) -> bool:
    """A reason that stands already is not written again at every look."""
    if not isinstance(change, PatchTask) or change.status is None:
        return False
    task = view.task(change.id)
    return task is not None and task.status.err == change.status.err


def _faults(view: View, service: Service, like: Task, now: Timestamp) -> Counter[NodeID]:
    """Recent failures of this spec version by node."""
    return Counter(
        task.node_id
        for task in view.tasks_of(service.id).values()
        if task.status.state in _FAULTS
        and task.spec_version == like.spec_version
        and task.node_id
        and now - task.observed_at < FAULTS_WINDOW
    )
