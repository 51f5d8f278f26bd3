"""What the managers assigned to this node: the core that takes sets and differences.

Fencing: a message of a lower term than any seen comes from a leader that was deposed and is ignored,
also after a restart, since the term is on disk.  A difference is taken only on top of the one before
it in the same term; otherwise a complete set has to be asked for.  Specs are shared by the tasks
that refer to them and live as long as one of them is assigned.
"""

from enum import Enum

import msgspec

from swarmd.model.assignment import Assignments
from swarmd.model.ids import ServiceID, TaskID, Version
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task

SpecKey = tuple[ServiceID, Version]


class Taken(Enum):
    """What became of a message."""

    APPLIED = "applied"
    #: from a leader that was deposed: leave it
    STALE = "stale"
    #: something between is missing: ask for a complete set
    GAP = "gap"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks a message touched."""

    taken: Taken
    #: new, changed, or (complete set) said again
    tasks: tuple[TaskID, ...] = ()
    removed: tuple[TaskID, ...] = ()


class AssignedSet:
    """The set, and where it stands."""

    def __init__(self) -> None:
        #: highest term seen; 0 = none
        self.term = 0
        #: number of the last message taken in `term`; 0 = none in this process
        self._sequence = 0
        #: a complete set was taken, in this process or before it was restarted
        self.is_complete = False
        self.tasks: dict[TaskID, Task] = {}
        #: exactly those that `tasks` refer to
        self.specs: dict[SpecKey, ServiceSpec] = {}

    def apply(self, message: Assignments) -> Difference:
        """Take a message, or say why not; a message that is not taken changes nothing."""
        if message.term < self.term:
            return Difference(taken=Taken.STALE)
        is_next = message.term == self.term and message.sequence == self._sequence + 1
        if not message.is_complete and not (self._sequence and is_next):
            return Difference(taken=Taken.GAP)
        specs = {**self.specs, **{(s.service_id, s.version): s.spec for s in message.specs}}
        if any((t.service_id, t.spec_version) not in specs for t in message.tasks):
            return Difference(taken=Taken.GAP)
        tasks = {} if message.is_complete else dict(self.tasks)
        for gone in message.removed:
            tasks.pop(gone, None)
        tasks.update(
            (task.id, _not_lowered(self.tasks.get(task.id), task)) for task in message.tasks
        )
        removed = tuple(task_id for task_id in self.tasks if task_id not in tasks)
        self.term, self._sequence = message.term, message.sequence
        self.is_complete = self.is_complete or message.is_complete
        self._keep(tasks, specs)
        return Difference(
            taken=Taken.APPLIED, tasks=tuple(task.id for task in message.tasks), removed=removed
        )

    def restore(
        self, term: int, tasks: tuple[Task, ...], specs: dict[SpecKey, ServiceSpec]
    ) -> None:
        """As it was when the last process wrote it; a complete set has to follow."""
        self.term = term
        self.is_complete = True
        self._keep({task.id: task for task in tasks}, specs)

    def spec_of(self, task: Task) -> ServiceSpec:
        """The spec of an assigned task."""
        return self.specs[task.service_id, task.spec_version]

    def _keep(self, tasks: dict[TaskID, Task], specs: dict[SpecKey, ServiceSpec]) -> None:
        used = dict.fromkeys((t.service_id, t.spec_version) for t in tasks.values())
        self.tasks, self.specs = tasks, {key: specs[key] for key in used}


def _not_lowered(before: Task | None, task: Task) -> Task:
    """A desired state only rises; what says otherwise is older than what we know."""
    if before is not None and task.desired_state.rank < before.desired_state.rank:
        return msgspec.structs.replace(task, desired_state=before.desired_state)
    return task
