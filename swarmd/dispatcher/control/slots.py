"""Slots: the tasks of a service, grouped by the place they take.

A replicated service's slots are numbered; a global service has one per node ("there, a node is a
slot", swarmkit orchestrator/slot.go).  A slot has a history; normally one of its tasks is wanted,
two while a start-first update or a move is under way.
"""

from collections.abc import Mapping

import msgspec

from swarmd.dispatcher.scheduler.constraints import matches
from swarmd.model.ids import NO_NODE, NodeID, TaskID, Version, task_id
from swarmd.model.service import Service
from swarmd.model.spec import Driver, Placement, ServiceSpec, TaskSpec
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
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


def slots_of(view: View, service: Service) -> Mapping[str, Slot]:
    """Slots in the order of their numbers (of nodes' ids); tasks asked to REMOVE do not count."""
    return view.derived(service.id, lambda: _slots(view, service))


def _slots(view: View, service: Service) -> dict[str, Slot]:
    grouped: dict[str, list[Task]] = {}
    for task in view.tasks_of(service.id).values():
        if task.desired_state is not TaskState.REMOVE:
            grouped.setdefault(task.slot_key, []).append(task)
    slots = [_slot(key, tasks) for key, tasks in grouped.items()]
    return {slot.key: slot for slot in sorted(slots, key=lambda slot: (slot.number, slot.key))}


def _slot(key: str, tasks: list[Task]) -> Slot:
    if len(tasks) > 1:
        tasks.sort(key=_age)
    wanted = tuple([task for task in tasks if task.is_wanted])
    return Slot(key=key, number=tasks[0].slot, tasks=tuple(tasks), wanted=wanted)


def _age(task: Task) -> tuple[Timestamp, TaskID]:
    return (-task.created_at, task.id)


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
