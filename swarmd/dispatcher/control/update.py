"""Rolling update: slot by slot, tasks that are not as the spec says are replaced.

Everything an update needs to go on is in the store: which tasks it made (they name no restart and
were created since it began), when each first ran, which of them failed.  So it proceeds alike under
another leader.  A slot's place among the `parallelism` is taken from its new task's creation until
`delay` after that ran (or ended).

Source: swarmkit orchestrator/update/updater.go.
"""

import heapq
from collections.abc import Sequence

import msgspec

from swarmd.dispatcher.control.restart import is_given_up, may_run
from swarmd.dispatcher.control.slots import (
    Cleanliness,
    Slot,
    alone,
    in_order,
    new_task,
    roster,
)
from swarmd.dispatcher.control.step import (
    UPDATE_MONITOR,
    Portion,
    Step,
    Wake,
    earliest,
    update_config,
)
from swarmd.model.ids import NO_NODE, TaskID
from swarmd.model.node import Availability
from swarmd.model.service import Service, UpdateState, UpdateStatus
from swarmd.model.spec import SECOND, FailureAction, UpdateConfig, UpdateOrder
from swarmd.model.task import Task, TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask, PutService, PutTask
from swarmd.store.view import View

_FAILED = frozenset((TaskState.FAILED, TaskState.REJECTED, TaskState.COMPLETE))


def update(view: View, service: Service, now: Timestamp) -> Step:
    """Begin, carry on, pause or complete the update of a service."""
    status = service.update_status
    if status is not None and status.state.is_paused:
        return Step()
    clean = Cleanliness(view, service)
    work = _work(view, service, clean, now)
    if not work.dirty_count and (status is None or not status.state.is_under_way):
        return Step()
    if status is None or not status.state.is_under_way:
        status = UpdateStatus(
            state=UpdateState.UPDATING,
            started_at=now,
            message="update in progress",
            slots=work.dirty_count,
        )
    return _Update(view, service, status, clean).step(work, now)


class _Work(msgspec.Struct, frozen=True, kw_only=True):
    """What an update has to do with: slots that run, or whose policy gave them up."""

    count: int
    #: those of them that are not as the spec says, in order: quiet ones as their tasks
    quiet: Sequence[Task]
    slots: Sequence[Slot]

    @property
    def dirty_count(self) -> int:
        """How many are left to be replaced."""
        return len(self.quiet) + len(self.slots)


def _work(view: View, service: Service, clean: Cleanliness, now: Timestamp) -> _Work:
    listed = roster(view, service)
    slots = [s for s in listed.slots.values() if s.wanted or is_given_up(view, service, s, now)]
    version = service.spec_version
    quiet = [
        task
        for task in listed.quiet_tasks()
        if task.spec_version != version and not clean.is_clean(task)
    ]
    return _Work(
        count=listed.quiet_count + len(slots),
        quiet=sorted(quiet, key=lambda task: (task.slot, task.node_id)),
        slots=[slot for slot in slots if _is_dirty(slot, clean)],
    )


class _Update:
    """One look at one update that is under way; lives for one call."""

    def __init__(
        self, view: View, service: Service, status: UpdateStatus, clean: Cleanliness
    ) -> None:
        self._view, self._service, self._status, self._clean = view, service, status, clean
        self._config: UpdateConfig = update_config(view.spec(service))
        monitor = self._config.monitor
        self._monitor = UPDATE_MONITOR if monitor is None else monitor

    def step(self, work: _Work, now: Timestamp) -> Step:
        """What to do at `now`."""
        made = self._made()
        status = self._with_failures(made)
        if self._has_failed(status):
            task = status.failed_tasks[-1]
            message = f"update paused due to failure or early termination of task {task}"
            paused = msgspec.structs.replace(status, state=UpdateState.PAUSED, message=message)
            return Step(changes=self._put(paused))
        step = self._replace(work, made, now)
        wake = step.wake_at
        if not work.dirty_count:
            done_at = self._done_at(made)
            if done_at is not None and done_at <= now:
                status = msgspec.structs.replace(
                    status,
                    state=UpdateState.COMPLETED,
                    completed_at=now,
                    message="update completed",
                )
            else:
                wake = earliest(wake, done_at)
        changes = (*self._put(status), *step.changes)
        return Step(changes=changes, wake_at=wake, is_unfinished=step.is_unfinished)

    def _made(self) -> list[Task]:
        """Tasks that this update created; those that restarts created count for nothing."""
        return [
            task
            for task in self._view.tasks_of(self._service.id).values()
            if task.created_at >= self._status.started_at
            and task.spec_version == self._service.spec_version
            and not task.restarts
        ]

    def _put(self, status: UpdateStatus) -> tuple[Change, ...]:
        if status == self._service.update_status:
            return ()
        service = msgspec.structs.replace(self._service, update_status=status)
        return (PutService(record=service),)

    # ---- failures

    def _with_failures(self, made: Sequence[Task]) -> UpdateStatus:
        known = self._status.failed_tasks
        ended = [task for task in made if task.status.state in _FAILED]
        new = [task.id for task in ended if self._counts_as_failed(task) and task.id not in known]
        if not new:
            return self._status
        failed: tuple[TaskID, ...] = (*known, *sorted(new))
        return msgspec.structs.replace(self._status, failed_tasks=failed)

    def _counts_as_failed(self, task: Task) -> bool:
        """Ended before it ran, or less than `monitor` after it began to."""
        return not task.running_at or task.observed_at - task.running_at < self._monitor

    def _has_failed(self, status: UpdateStatus) -> bool:
        if self._config.failure_action is FailureAction.CONTINUE or not status.failed_tasks:
            return False
        return len(status.failed_tasks) / max(1, status.slots) > self._config.max_failure_ratio

    # ---- progress

    def _replace(self, work: _Work, made: Sequence[Task], now: Timestamp) -> Step:
        busy, wake = self._busy(made, now)
        portion = Portion()
        old: list[Slot] = []
        for slot in work.slots:
            finish = self._finish(slot)
            if finish is None:
                old.append(slot)
            elif finish and not portion.takes(finish):
                return portion.step(wake)
        room = (self._config.parallelism or work.count) - len(busy)
        for slot in heapq.merge(old, map(alone, work.quiet), key=in_order):
            if room <= 0:
                break
            if slot.key not in busy and self._may_touch(slot):
                if not portion.takes(self._begin(slot, now)):
                    break
                room -= 1
        return portion.step(wake)

    def _busy(self, made: Sequence[Task], now: Timestamp) -> tuple[dict[str, None], Wake]:
        """Slots that take a place among the `parallelism`; when the first of them is free again."""
        busy: dict[str, None] = {}
        wake: Wake = None
        delay = self._config.delay
        for task in made:
            if not task.running_at and not task.is_terminal:
                busy[task.slot_key] = None
            elif (free_at := (task.running_at or task.observed_at) + delay) > now:
                busy[task.slot_key] = None
                wake = earliest(wake, free_at)
        return busy, wake

    def _may_touch(self, slot: Slot) -> bool:
        """A global service's task on a paused node stays as it is."""
        node = None if slot.number else self._view.node(slot.key)
        return node is None or node.spec.availability is not Availability.PAUSE

    def _finish(self, slot: Slot) -> list[Change] | None:
        """A slot that has its clean task already: the others go, as soon as the order allows."""
        clean = next((task for task in slot.wanted if self._clean.is_clean(task)), None)
        if clean is None:
            return None
        start_first = self._config.order is UpdateOrder.START_FIRST
        if start_first and not clean.is_running:
            return []
        return [
            PatchTask(id=task.id, desired_state=TaskState.SHUTDOWN)
            for task in slot.wanted
            if task is not clean
        ]

    def _begin(self, slot: Slot, now: Timestamp) -> list[Change]:
        old = slot.wanted[0] if slot.wanted else slot.newest
        start_first = self._config.order is UpdateOrder.START_FIRST and bool(slot.wanted)
        waits = not start_first and may_run(self._view, old)
        task = new_task(
            self._view,
            self._service,
            now,
            slot=slot.number,
            node_id=NO_NODE if slot.number else old.node_id,
            desired=TaskState.READY if waits else TaskState.RUNNING,
        )
        task = msgspec.structs.replace(task, replaces=old.id if waits else None)
        changes: list[Change] = [PutTask(record=task)]
        if not start_first:
            changes.extend(
                PatchTask(id=t.id, desired_state=TaskState.SHUTDOWN) for t in slot.wanted
            )
        return changes

    def _done_at(self, made: Sequence[Task]) -> Wake:
        """When the last slot's monitor ends; None while one has not run yet."""
        if not all(_has_run(task) for task in made):
            return None
        extra = self._monitor
        if self._config.delay >= self._monitor:
            extra = self._config.delay + SECOND
        last = max((task.running_at or task.observed_at for task in made), default=0)
        return last + extra


def _is_dirty(slot: Slot, clean: Cleanliness) -> bool:
    if len(slot.wanted) > 1:
        return True
    return not clean.is_clean(slot.wanted[0] if slot.wanted else slot.newest)


def _has_run(task: Task) -> bool:
    return bool(task.running_at) or task.is_terminal
