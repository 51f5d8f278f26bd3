"""The agent's mind: all tasks of this node, as a core without I/O.

It is told what happens — assignments, outcomes, containers seen, events, an engine lost and found —
and `tick` says what follows: actions for the engine, actions to cut short, when to be asked again.
Each task has at most one action in flight; what happens meanwhile makes the agent look again after.

Invariants.  A container is removed only if it carries this cluster's label and a complete set, in
this session or on disk, did not name its task.  A container is made or started only when the disk
knows of the task, and of the decision to start it: whatever set is found on disk is never older
than the containers it is compared with.  A task's status never goes back.
"""

import heapq
from collections.abc import Iterable

import msgspec

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Inspect,
    LeadAway,
    Outcome,
    Pull,
    Remove,
    Start,
)
from swarmd.agent.assigned import AssignedSet, Taken
from swarmd.agent.outbox import Outbox
from swarmd.agent.outcome import after
from swarmd.agent.presence import LocalContainer, Presence
from swarmd.agent.records import FORMAT, Saved, SavedAssignments, SavedMemories
from swarmd.agent.task import Local, Memory, Rules, Sighting, is_alive, next_step
from swarmd.model.assignment import Assignments, StatusUpdate
from swarmd.model.ids import ServiceID, TaskID
from swarmd.model.service import StoredSpec
from swarmd.model.task import Task, TaskState
from swarmd.ports import Container, Timestamp
from swarmd.wire.container import CLUSTER_LABEL, TASK_ID_LABEL


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An action to carry out; its outcome is given to `finished` under the same key."""

    #: the task's id, or the container's of a container that has no task
    key: str
    action: Action


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a tick."""

    orders: tuple[Order, ...] = ()
    #: keys of actions in flight that are to be cut short
    cancelled: tuple[str, ...] = ()
    #: when to tick again if nothing happens before
    wake_at: Timestamp | None = None
    #: states that tasks came to since the last tick, for the log
    reached: tuple[StatusUpdate, ...] = ()


class Worker:
    """The tasks of one node."""

    def __init__(self, rules: Rules, *, patience: Timestamp, saved: Saved | None = None) -> None:
        self._rules = rules
        #: what the managers want
        self._assigned = AssignedSet()
        self._tasks: dict[TaskID, Local] = {}
        self._credentials: dict[ServiceID, str] = {}
        #: services that need credentials, whether or not they are here
        self._with_credentials: dict[ServiceID, None] = {}
        #: key → action that was ordered and has no outcome yet
        self._in_flight: dict[str, Action] = {}
        #: tasks of which something was heard while their action was in flight
        self._look_after: dict[TaskID, None] = {}
        #: tasks that were told to have started while they were looked at
        self._look_unless_alive: dict[TaskID, None] = {}
        #: tasks to be looked at in the next tick, in this order
        self._due: dict[TaskID, None] = {}
        #: (when, task), earliest first; an entry too many costs one look
        self._wakes: list[tuple[Timestamp, TaskID]] = []
        #: containers of this cluster that no task has
        self._strays: dict[str, None] = {}
        self._is_engine_here = False
        #: counts changes of what belongs on disk, and up to where the disk has them
        self._revision = 0
        self._saved_revision = 0
        #: task → revision of its last change
        self._touched: dict[TaskID, int] = {}
        #: tasks whose next action waits for the disk
        self._unsaved: dict[TaskID, None] = {}
        self.outbox = Outbox(patience)
        self._presence = Presence()
        #: tasks whose containers nobody has looked at since this process began
        self._unseen: dict[TaskID, None] = {}
        self._reached: list[StatusUpdate] = []
        if saved is not None:
            self._restore(saved)

    # -- what is wanted

    def assign(self, message: Assignments, now: Timestamp) -> Taken:
        """Take assignments; anything but APPLIED changed nothing and says what to do next."""
        difference = self._assigned.apply(message)
        if difference.taken is not Taken.APPLIED:
            return difference.taken
        if message.is_complete:
            self._credentials, self._with_credentials = {}, {}
        self._credentials.update(message.registry_auth)
        self._with_credentials.update(dict.fromkeys(message.registry_auth))
        for task_id in difference.tasks:
            self._want(self._assigned.tasks[task_id])
            if message.is_complete:
                self._report_again(task_id, now)
        for task_id in difference.removed:
            self._condemn(task_id)
        for task_id in self._assigned.tasks:
            self._give_credentials(task_id)
        self._revision += 1
        return Taken.APPLIED

    def _want(self, task: Task) -> None:
        spec = self._assigned.spec_of(task)
        local = self._tasks.get(task.id)
        if local is None:
            # Never heard of, and never worked on: there is nothing to look at before the create,
            # whose name says if there is.
            is_fresh = task.state.rank <= TaskState.ASSIGNED.rank
            local = Local(
                task=task,
                spec=spec,
                memory=Memory(task_id=task.id, status=task.status),
                sighting=Sighting(container=None) if is_fresh else None,
            )
            self._watch_for(local)
        memory = _not_behind(local.memory, task)
        self._tasks[task.id] = msgspec.structs.replace(
            local, task=task, spec=spec, memory=memory, is_condemned=False
        )
        self._touch(task.id)

    def _report_again(self, task_id: TaskID, now: Timestamp) -> None:
        """A manager that sends everything may have missed what was reported to another."""
        local = self._tasks[task_id]
        if local.memory.status != local.task.status:
            self.outbox.put(task_id, local.memory.status, now)

    def _watch_for(self, local: Local) -> None:
        """A task from before this process may have a container."""
        if local.sighting is None:
            self._unseen[local.task.id] = None

    def _condemn(self, task_id: TaskID) -> None:
        self._tasks[task_id] = msgspec.structs.replace(
            self._tasks[task_id], is_condemned=True, retry_at=0
        )
        self.outbox.forget(task_id)
        self._touch(task_id)

    def _give_credentials(self, task_id: TaskID) -> None:
        """A service's credentials may come, or change, without its tasks."""
        local = self._tasks[task_id]
        auth = self._auth_of(local.task.service_id)
        if local.registry_auth != auth:
            self._tasks[task_id] = msgspec.structs.replace(local, registry_auth=auth)
            self._due[task_id] = None

    def _auth_of(self, service_id: ServiceID) -> str | None:
        if service_id in self._with_credentials:
            return self._credentials.get(service_id)
        return ""

    # -- what is seen

    def engine_found(self) -> None:
        """The engine answers (again): nothing that was known of it holds."""
        self._is_engine_here = True
        for task_id, local in self._tasks.items():
            self._tasks[task_id] = msgspec.structs.replace(local, networks=None)
        self.look_again()

    def engine_lost(self) -> None:
        """The engine does not answer; no action is ordered until it does."""
        self._is_engine_here = False

    def look_again(self) -> None:
        """Something may have been missed: look at every container."""
        for task_id in self._tasks:
            self.look(task_id)

    def look(self, task_id: TaskID) -> None:
        """Something happened to a task's container; a task that is not here is no matter."""
        local = self._tasks.get(task_id)
        if local is None:
            return
        if task_id in self._in_flight:
            self._look_after[task_id] = None
            return
        self._tasks[task_id] = msgspec.structs.replace(local, sighting=None)
        self._due[task_id] = None

    def started(self, task_id: TaskID) -> None:
        """A task's container began to run.

        Told of every start, those of our own too; which were looked at, or will be, by then.
        """
        local, action = self._tasks.get(task_id), self._in_flight.get(task_id)
        if isinstance(action, Inspect):
            self._look_unless_alive[task_id] = None
        elif local is not None and not is_alive(local.container):
            self.look(task_id)

    def unknown(self, container_ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the listed containers that are worth a look: no task is known to have them."""
        known = {local.memory.container_id for local in self._tasks.values()}
        return tuple(c for c in container_ids if c not in known and c not in self._in_flight)

    def sighted(self, container: Container) -> None:
        """A container with this cluster's label that no task was known to have."""
        task_id = TaskID(container.labels.get(TASK_ID_LABEL, ""))
        if container.labels.get(CLUSTER_LABEL) != self._rules.cluster_id or not task_id:
            return
        local = self._tasks.get(task_id)
        if local is None:
            if self._assigned.is_complete:
                self._strays[container.id] = None
        elif not local.memory.container_id:
            self.look(task_id)
        elif local.memory.container_id != container.id:
            # A second container of one task: somebody copied its labels, or renamed and remade it.
            self._strays[container.id] = None

    def finished(self, key: str, outcome: Outcome, now: Timestamp) -> None:
        """The outcome of an order."""
        action = self._in_flight.pop(key)
        task_id = TaskID(key)
        local = self._tasks.get(task_id)
        if local is None:
            return  # a stray: if it is still there, the next list says so
        changed = after(local, action, outcome, now=now, rules=self._rules)
        is_doubtful = task_id in self._look_unless_alive and not is_alive(changed.container)
        self._look_unless_alive.pop(task_id, None)
        if task_id in self._look_after or is_doubtful:
            self._look_after.pop(task_id, None)
            changed = msgspec.structs.replace(changed, sighting=None)
        self._replace(local, changed, now)
        self._due[task_id] = None

    # -- what follows

    def tick(self, now: Timestamp) -> Work:
        """Everything that follows by now.  What it returns is ordered exactly once."""
        while self._wakes and self._wakes[0][0] <= now:
            self._due[heapq.heappop(self._wakes)[1]] = None
        due, self._due = self._due, {}
        orders, cancelled = self._orders_of_strays(), []
        for task_id in due:
            local = self._tasks.get(task_id)
            action = self._in_flight.get(task_id)
            if local is None:
                continue
            if action is None:
                orders += self._advance(local, now)
            elif _is_in_vain(local, action):
                cancelled.append(task_id)
        self._in_flight.update((order.key, order.action) for order in orders)
        wake_at = self._wakes[0][0] if self._wakes else None
        reached, self._reached = tuple(self._reached), []
        return Work(
            orders=tuple(orders), cancelled=tuple(cancelled), wake_at=wake_at, reached=reached
        )

    def _advance(self, local: Local, now: Timestamp) -> list[Order]:
        """Take a task as far as it goes without waiting."""
        task_id = local.task.id
        step = next_step(local, now, self._rules)
        if step.is_forgotten:
            self._forget(task_id)
            return []
        local = self._replace(local, msgspec.structs.replace(local, memory=step.memory), now)
        if step.wake_at is not None:
            heapq.heappush(self._wakes, (step.wake_at, task_id))
        if step.action is None or not self._is_engine_here:
            return []
        if local.retry_at > now:
            heapq.heappush(self._wakes, (local.retry_at, task_id))
            return []
        if self._must_be_on_disk(step.action) and self._touched[task_id] > self._saved_revision:
            self._unsaved[task_id] = None
            return []
        return [Order(key=task_id, action=step.action)]

    @staticmethod
    def _must_be_on_disk(action: Action) -> bool:
        """Actions that a restart must not repeat, nor take for strays."""
        return isinstance(action, Create | Start)

    def _orders_of_strays(self) -> list[Order]:
        if not self._is_engine_here:
            return []
        strays, self._strays = self._strays, {}
        return [
            Order(key=container_id, action=Remove(container_id=container_id))
            for container_id in strays
            if container_id not in self._in_flight
        ]

    def _replace(self, before: Local, local: Local, now: Timestamp) -> Local:
        """Keep a task's new version; note what of it is to be reported, shown and saved."""
        task_id = local.task.id
        status = local.memory.status
        if status != before.memory.status:
            status = msgspec.structs.replace(status, timestamp=now)
            memory = msgspec.structs.replace(local.memory, status=status)
            local = msgspec.structs.replace(local, memory=memory)
            if not local.is_condemned:
                self.outbox.put(task_id, status, now)
                self._reached.append(StatusUpdate(task_id=task_id, status=status))
        self._tasks[task_id] = local
        self._presence.show(local)
        if local.sighting is not None:
            self._unseen.pop(task_id, None)
        if local.memory != before.memory:
            self._touch(task_id)
        return local

    def _touch(self, task_id: TaskID) -> None:
        self._revision += 1
        self._touched[task_id] = self._revision
        self._due[task_id] = None

    def _forget(self, task_id: TaskID) -> None:
        del self._tasks[task_id], self._touched[task_id]
        self._presence.hide(task_id)
        self._unseen.pop(task_id, None)
        self._revision += 1

    # -- what is kept

    @property
    def is_save_urgent(self) -> bool:
        """An action waits for the disk."""
        return bool(self._unsaved)

    @property
    def is_dirty(self) -> bool:
        """The disk does not have everything."""
        return self._revision > self._saved_revision

    def snapshot(self) -> tuple[int, Saved]:
        """What belongs on disk now, and its revision for `saved`."""
        assigned = self._assigned
        assignments = SavedAssignments(
            format=FORMAT,
            cluster_id=self._rules.cluster_id,
            term=assigned.term,
            tasks=tuple(assigned.tasks.values()),
            specs=tuple(
                StoredSpec(service_id=service_id, version=version, spec=spec)
                for (service_id, version), spec in assigned.specs.items()
            ),
            with_credentials=tuple(self._with_credentials),
        )
        memories = SavedMemories(
            format=FORMAT,
            cluster_id=self._rules.cluster_id,
            memories=tuple(local.memory for local in self._tasks.values()),
        )
        # Before the first complete set there is nothing that would be safe to act on.
        return self._revision, Saved(
            assignments=assignments if assigned.is_complete else None, memories=memories
        )

    def saved(self, revision: int) -> None:
        """Everything up to `revision` is on disk: what waited for it may go on."""
        self._saved_revision = max(self._saved_revision, revision)
        self._due.update(self._unsaved)
        self._unsaved = {}

    def _restore(self, saved: Saved) -> None:
        assignments = saved.assignments
        if assignments is None:
            return
        self._with_credentials = dict.fromkeys(assignments.with_credentials)
        specs = {(s.service_id, s.version): s.spec for s in assignments.specs}
        self._assigned.restore(assignments.term, assignments.tasks, specs)
        remembered = saved.memories.memories if saved.memories else ()
        memories = {memory.task_id: memory for memory in remembered}
        for task in assignments.tasks:
            self._tasks[task.id] = Local(
                task=task,
                spec=self._assigned.spec_of(task),
                memory=_not_behind(memories.get(task.id), task),
                registry_auth=self._auth_of(task.service_id),
            )
            self._watch_for(self._tasks[task.id])
            self._touched[task.id] = 0
            self._due[task.id] = None

    # -- what is shown

    def containers(self) -> tuple[LocalContainer, ...] | None:
        """All containers of tasks, if they changed since the last call.

        None also until this process knows what is assigned and has looked at all of it: after a
        restart, tables that stand for running containers must not be emptied first.
        """
        if not self._assigned.is_complete or self._unseen:
            return None
        return self._presence.taken()

    def container_of(self, task_id: TaskID) -> str | None:
        """The container of a task on this node, if it was made."""
        local = self._tasks.get(task_id)
        return (local.memory.container_id or None) if local else None

    def has_begun(self, task_id: TaskID) -> bool:
        """Whether a task's container was started, or will never be.

        Of one that waits for its start the engine has no log: asked to follow it, it ends at once.
        """
        local = self._tasks.get(task_id)
        if local is None:
            return False
        seen = local.sighting.container if local.sighting else None
        is_seen = seen is not None and seen.status != "created"
        return is_seen or local.state.rank >= TaskState.RUNNING.rank


def _is_in_vain(local: Local, action: Action) -> bool:
    """Whether an action in flight is to be cut short: its task is not wanted any more."""
    if isinstance(action, Pull | AwaitNetworks):
        return not local.is_wanted
    # A forced removal does not wait for traffic.
    return isinstance(action, LeadAway) and local.is_condemned


def _not_behind(memory: Memory | None, task: Task) -> Memory:
    """What is remembered, but not less than what the manager knows."""
    if memory is None:
        return Memory(task_id=task.id, status=task.status)
    if task.state.rank > memory.status.state.rank:
        return msgspec.structs.replace(memory, status=task.status)
    return memory
