"""Slots: the tasks of a service, grouped by the place they take.

A replicated service's slots are numbered; a global service has one per node ("there, a node is a
slot", swarmkit orchestrator/slot.go).  A slot has a history; normally one of its tasks is wanted,
two while a start-first update or a move is under way.

Most slots of most services are quiet: one task is wanted, and it is placed and has not ended.  Passes
ask a service's `Roster`, which keeps those apart, so that a look at a service of 10,000 tasks costs what is to be
decided there, and a walk over the tasks that is as short as Python has it.
"""

import itertools
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from swarmd.dispatcher.scheduler.constraints import matches
from swarmd.model.ids import NO_NODE, NodeID, TaskID, Version, task_id
from swarmd.model.service import Service
from swarmd.model.spec import Driver, Placement, ServiceSpec, TaskSpec
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask
from swarmd.store.view import View


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One slot that has tasks which are not all on their way out of the store."""

    key: str
    number: int
    #: newest first
    tasks: tuple[Task, ...]
    #: those of them that are to run, now or later
    wanted: tuple[Task, ...]

    @property
    def newest(self) -> Task:
        """The latest task of the slot."""
        return self.tasks[0]

    @property
    def is_running(self) -> bool:
        """A wanted task of it is observed running."""
        return any(task.is_running for task in self.wanted)


#: What the tasks of a slot share: its number, or the node of a global service.
SlotKey: TypeAlias = int | NodeID


def key_of(task: Task) -> SlotKey:
    """The slot that the task belongs to."""
    return task.slot or task.node_id


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """A service's tasks but those asked to REMOVE."""

    #: node → its tasks that are the only ones wanted in their slots, placed and not ended
    quiet: Mapping[NodeID, Sequence[Task]]
    #: the slots of the other wanted tasks and those without one, in order
    slots: Mapping[SlotKey, Slot]
    #: tasks that are not wanted any more: the history of all slots, quiet or not
    history: Sequence[Task]

    def quiet_tasks(self) -> Iterator[Task]:
        """All of them, node by node."""
        return itertools.chain.from_iterable(self.quiet.values())

    @property
    def quiet_count(self) -> int:
        """How many slots are quiet."""
        return sum(map(len, self.quiet.values()))

    def whole(self, slots: Collection[Slot]) -> list[Slot]:
        """The same slots, each with its history, which `alone` leaves out."""
        history = _by_slot(self.history, {key_of(slot.newest) for slot in slots})
        return [_slot(slot.wanted, history.get(key_of(slot.newest), ())) for slot in slots]


def alone(task: Task) -> Slot:
    """The slot of a quiet task, without its history."""
    return Slot(key=task.slot_key, number=task.slot, tasks=(task,), wanted=(task,))


#: Observed states of a task that a node has and that has not ended.
PLACED = frozenset(
    state for state in TaskState if TaskState.ASSIGNED.rank <= state.rank <= TaskState.RUNNING.rank
)
_RUNNABLE = frozenset((TaskState.RUNNING, TaskState.READY))


def roster(view: View, service: Service) -> Roster:
    """Made once until a task of the service is written."""
    return view.derived(service.id, lambda: _roster(view, service))


def _roster(view: View, service: Service) -> Roster:
    wanted: dict[SlotKey, Task] = {}
    more: dict[SlotKey, list[Task]] = {}
    history: list[Task] = []
    for task in view.tasks_of(service.id).values():
        if task.desired_state not in _RUNNABLE and not task.is_wanted:
            history.append(task)
            continue
        key = task.slot or task.node_id
        if key not in wanted:
            wanted[key] = task
        else:
            more.setdefault(key, []).append(task)
    history = [task for task in history if task.desired_state is not TaskState.REMOVE]
    quiet: dict[NodeID, list[Task]] = {}
    open_: dict[SlotKey, tuple[Task, ...]] = {
        key: () for task in history if (key := task.slot or task.node_id) not in wanted
    }
    for key, task in wanted.items():
        is_placed = task.status.state in PLACED and task.desired_state in _RUNNABLE
        if not is_placed or key in more:
            open_[key] = (task, *more.get(key, ()))
        elif task.node_id in quiet:
            quiet[task.node_id].append(task)
        else:
            quiet[task.node_id] = [task]
    old = _by_slot(history, open_) if open_ else {}
    slots = sorted((_slot(tasks, old.get(key, ())) for key, tasks in open_.items()), key=in_order)
    return Roster(quiet=quiet, slots={key_of(s.newest): s for s in slots}, history=history)


def _by_slot(tasks: Iterable[Task], keys: Container[SlotKey]) -> dict[SlotKey, list[Task]]:
    found: dict[SlotKey, list[Task]] = {}
    for task in tasks:
        if (key := key_of(task)) in keys:
            found.setdefault(key, []).append(task)
    return found


def _slot(wanted: Sequence[Task], history: Sequence[Task]) -> Slot:
    tasks = (*wanted, *history)
    if len(tasks) > 1:
        tasks = tuple(sorted(tasks, key=_age))
        wanted = [task for task in tasks if task.is_wanted]
    newest = tasks[0]
    return Slot(key=newest.slot_key, number=newest.slot, tasks=tasks, wanted=tuple(wanted))


def _age(task: Task) -> tuple[Timestamp, TaskID]:
    return (-task.created_at, task.id)


def in_order(slot: Slot) -> tuple[int, str]:
    """The order of slots: by number, or by the node's id."""
    return (slot.number, slot.key)


def slots_of(view: View, service: Service) -> dict[SlotKey, Slot]:
    """All slots, in order."""
    listed = roster(view, service)
    quiet = listed.whole([alone(task) for task in listed.quiet_tasks()])
    slots = sorted((*quiet, *listed.slots.values()), key=in_order)
    return {key_of(slot.newest): slot for slot in slots}


def removal(slot: Slot) -> Iterator[Change]:
    """The slot with all of its history goes; the reaper deletes what has ended."""
    for task in slot.tasks:
        yield PatchTask(id=task.id, desired_state=TaskState.REMOVE)


def new_task(
    view: View,
    service: Service,
    now: Timestamp,
    *,
    slot: int = 0,
    node_id: NodeID = NO_NODE,
    desired: TaskState = TaskState.RUNNING,
) -> Task:
    """A fresh task of the service's present spec; its id follows from the view and the slot."""
    key, count = str(slot) if slot else node_id, 0
    while view.task(identity := task_id(view.index, service.id, key, count)) is not None:
        count += 1
    return Task(
        id=identity,
        service_id=service.id,
        spec_version=service.spec_version,
        slot=slot,
        node_id=node_id,
        desired_state=desired,
        created_at=now,
        log_driver=_default_log_driver(view, service),
    )


def _default_log_driver(view: View, service: Service) -> Driver | None:
    """The cluster's, for a service that names none (swarmkit orchestrator/task.go)."""
    if view.cluster is None or view.spec(service).task_template.log_driver is not None:
        return None
    return view.cluster.spec.task_defaults.log_driver


class Cleanliness:
    """Which tasks of a service are as its spec says; the others an update replaces (§ dirty test).

    A pure function of view and service, with the comparisons of specs made once each.
    """

    def __init__(self, view: View, service: Service) -> None:
        self._view, self._service = view, service
        self._spec = view.spec(service)
        #: spec version → (equal, equal but for placement)
        self._compared: dict[Version, tuple[bool, bool]] = {}

    def is_clean(self, task: Task) -> bool:
        """Clean if made from this spec, or from one that differs only in what does not matter."""
        if task.spec_version == self._service.spec_version:
            return True
        if task.spec_version not in self._compared:
            self._compared[task.spec_version] = _compare(self._view.spec_of(task), self._spec)
        equal, equal_but_placement = self._compared[task.spec_version]
        if equal or not equal_but_placement:
            return equal
        node = self._view.node(task.node_id)
        placement = self._spec.task_template.placement or Placement()
        return node is not None and matches(placement.constraints, node)


def _compare(old: ServiceSpec, new: ServiceSpec) -> tuple[bool, bool]:
    """(equal, equal but for placement) of what a task is made from."""
    if old.endpoint_spec != new.endpoint_spec:
        return False, False
    unplaced = [_without_placement(spec.task_template) for spec in (old, new)]
    return old.task_template == new.task_template, unplaced[0] == unplaced[1]


def _without_placement(template: TaskSpec) -> TaskSpec:
    # The restart policy is read from the service's present spec, so a change of it needs no task.
    return msgspec.structs.replace(template, placement=None)
