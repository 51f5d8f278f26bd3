"""Rolling update: slot by slot, tasks that are not as the spec says are replaced.

Everything an update needs to go on is in the store: which tasks it made (they name no restart and
were created since it began), when each first ran, which of them failed.  So it proceeds alike under
another leader.  A slot's place among the `parallelism` is taken from its new task's creation until
`delay` after that ran (or ended).

Source: swarmkit orchestrator/update/updater.go.
"""

from collections.abc import Sequence

import msgspec

from swarmd.dispatcher.control.restart import is_given_up, may_run
from swarmd.dispatcher.control.slots import Cleanliness, Slot, new_task, slots_of
from swarmd.dispatcher.control.step import (
    UPDATE_MONITOR,
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

_FAILED = (TaskState.FAILED, TaskState.REJECTED, TaskState.COMPLETE)


def update(view: View, service: Service, now: Timestamp) -> Step:
    """Begin, carry on, pause or complete the update of a service."""
    status = service.update_status
    if status is not None and status.state.is_paused:
        return Step()
    slots = _updatable(view, service, now)
    clean = Cleanliness(view, service)
    dirty = [slot for slot in slots if _is_dirty(slot, clean)]
    if not dirty and (status is None or not status.state.is_under_way):
        return Step()
    if status is None or not status.state.is_under_way:
        status = UpdateStatus(
            state=UpdateState.UPDATING,
            started_at=now,
            message="update in progress",
            slots=len(dirty),
        )
    return _Update(view, service, status, clean).step(slots, dirty, now)


class _Update:
    """One look at one update that is under way; lives for one call."""

    def __init__(
        self, view: View, service: Service, status: UpdateStatus, clean: Cleanliness
    ) -> None:
        self._view, self._service, self._status, self._clean = view, service, status, clean
        self._config: UpdateConfig = update_config(view.spec(service))
        monitor = self._config.monitor
        self._monitor = UPDATE_MONITOR if monitor is None else monitor

    def step(self, slots: Sequence[Slot], dirty: Sequence[Slot], now: Timestamp) -> Step:
        """What to do at `now`."""
        made = self._made()
        status = self._with_failures(made)
        if self._has_failed(status):
            task = status.failed_tasks[-1]
            message = f"update paused due to failure or early termination of task {task}"
            paused = msgspec.structs.replace(status, state=UpdateState.PAUSED, message=message)
            return Step(changes=self._put(paused))
        changes, wake = self._replace(slots, dirty, made, now)
        if not dirty:
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
        return Step(changes=(*self._put(status), *changes), wake_at=wake)

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
        new = [task.id for task in made if self._counts_as_failed(task) and task.id not in known]
        if not new:
            return self._status
        failed: tuple[TaskID, ...] = (*known, *sorted(new))
        return msgspec.structs.replace(self._status, failed_tasks=failed)

    def _counts_as_failed(self, task: Task) -> bool:
        """Ended before it ran, or less than `monitor` after it began to."""
        if task.state not in _FAILED:
            return False
        return not task.running_at or task.observed_at - task.running_at < self._monitor

    def _has_failed(self, status: UpdateStatus) -> bool:
        if self._config.failure_action is FailureAction.CONTINUE or not status.failed_tasks:
            return False
        return len(status.failed_tasks) / max(1, status.slots) > self._config.max_failure_ratio

    # ---- progress

    def _replace(
        self, slots: Sequence[Slot], dirty: Sequence[Slot], made: Sequence[Task], now: Timestamp
    ) -> tuple[list[Change], Wake]:
        changes: list[Change] = []
        wake: Wake = None
        busy = {task.slot_key for task in made if not _has_run(task)}
        for task in made:
            free_at = task.running_at or task.observed_at
            if _has_run(task) and free_at + self._config.delay > now:
                busy.add(task.slot_key)
                wake = earliest(wake, free_at + self._config.delay)
        room = (self._config.parallelism or len(slots)) - len(busy)
        for slot in dirty:
            finish = self._finish(slot)
            if finish is not None:
                changes.extend(finish)
            elif slot.key not in busy and room > 0 and self._may_touch(slot):
                changes.extend(self._begin(slot, now))
                room -= 1
        return changes, wake

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


def _updatable(view: View, service: Service, now: Timestamp) -> list[Slot]:
    slots = slots_of(view, service).values()
    return [s for s in slots if s.wanted or is_given_up(view, service, s, now)]


def _is_dirty(slot: Slot, clean: Cleanliness) -> bool:
    if len(slot.wanted) > 1:
        return True
    return not clean.is_clean(slot.wanted[0] if slot.wanted else slot.newest)


def _has_run(task: Task) -> bool:
    return bool(task.running_at) or task.is_terminal
