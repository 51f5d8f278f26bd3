"""Tasks: one attempt to run one container, once, on one node.

A task's observed state only rises; its desired state only rises; its node, once set, never changes
(swarmkit design/task_model.md).  Whoever may make a transition is named in `docs/words.md`.
"""

from enum import StrEnum

import msgspec

from swarmd.model.base import Record
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID, Version
from swarmd.model.meta import Meta
from swarmd.model.spec import Driver, GenericResource
from swarmd.ports import Timestamp


class TaskState(StrEnum):
    """States in Docker's words.  Ordered by `rank`; only ever moves up."""

    NEW = "new"
    PENDING = "pending"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    PREPARING = "preparing"
    READY = "ready"
    STARTING = "starting"
    RUNNING = "running"
    COMPLETE = "complete"
    SHUTDOWN = "shutdown"
    FAILED = "failed"
    REJECTED = "rejected"
    REMOVE = "remove"
    ORPHANED = "orphaned"

    @property
    def rank(self) -> int:
        """Swarmkit's number of the state (api/types.proto)."""
        return _RANK[self]

    @property
    def is_terminal(self) -> bool:
        """Nothing runs any more, and nothing will."""
        return _RANK[self] > _RUNNING


_RANK = dict(
    zip(
        TaskState,
        (0, 64, 192, 256, 320, 384, 448, 512, 576, 640, 704, 768, 800, 832),
        strict=True,
    )
)
_RUNNING = _RANK[TaskState.RUNNING]

TERMINAL_STATES = frozenset(state for state in TaskState if _RANK[state] > _RUNNING)
#: Desired states of a task that is to run, now or later.
_WANTED = frozenset(state for state in TaskState if _RANK[state] <= _RANK[TaskState.COMPLETE])


class ContainerStatus(Record, frozen=True, kw_only=True, gc=False):
    """The container of a task; `pid` only while it runs."""

    container_id: str
    pid: int = 0
    exit_code: int = 0


class HostPort(Record, frozen=True, kw_only=True, gc=False):
    """A port that the engine bound on the node (mode=host)."""

    protocol: str
    target_port: int
    published_port: int


class TaskStatus(Record, frozen=True, kw_only=True, gc=False):
    """What is known of a task: by its agent once it has a node, by the manager before."""

    state: TaskState
    #: the observer's wall clock: for display only
    timestamp: Timestamp = 0
    message: str = ""
    err: str = ""
    container: ContainerStatus | None = None
    host_ports: tuple[HostPort, ...] = ()


class Attachment(Record, frozen=True, kw_only=True, gc=False):
    """The addresses of one task in one network, without prefix lengths, one per family."""

    network_id: NetworkID
    addresses: tuple[str, ...]


class Task(Record, frozen=True, kw_only=True, gc=False):
    """One task.  Its spec is the service's at `spec_version`, stored once for all tasks."""

    id: TaskID
    service_id: ServiceID
    spec_version: Version
    #: 1… of a replicated service; 0 of a global one, whose slot is its node
    slot: int = 0
    node_id: NodeID = NodeID("")
    meta: Meta = Meta()
    desired_state: TaskState = TaskState.RUNNING
    status: TaskStatus = TaskStatus(state=TaskState.NEW)
    #: cluster time at which the leader learned of `status.state`; deadlines count from here
    observed_at: Timestamp = 0
    #: cluster time at which it was first observed RUNNING; 0 = never
    running_at: Timestamp = 0
    #: cluster time at which the leader decided this task
    created_at: Timestamp = 0
    attachments: tuple[Attachment, ...] = ()
    generic_resources: tuple[GenericResource, ...] = ()
    #: the task of the same slot that this one takes over from, if that may still run
    replaces: TaskID | None = None
    #: cluster time before which a READY task is not asked to run (restart delay)
    not_before: Timestamp = 0
    #: when tasks of this slot were replaced because they ended, under this spec version, oldest first
    restarts: tuple[Timestamp, ...] = ()
    #: the cluster's default when the task was made, for a spec that names none
    log_driver: Driver | None = None

    @property
    def slot_key(self) -> str:
        """What tasks of one slot share: its number, or the node of a global service."""
        return str(self.slot) if self.slot else self.node_id

    @property
    def state(self) -> TaskState:
        """Observed state."""
        return self.status.state

    @property
    def is_terminal(self) -> bool:
        """Observed to have ended, or given up."""
        return self.status.state in TERMINAL_STATES

    @property
    def is_wanted(self) -> bool:
        """Desired to run, now or later."""
        return self.desired_state in _WANTED

    @property
    def is_active(self) -> bool:
        """Takes part in the node's load: wanted and not ended (swarmkit's scheduler counts so)."""
        return self.desired_state in _WANTED and self.status.state not in TERMINAL_STATES

    @property
    def holds_resources(self) -> bool:
        """Its container may exist, or will: addresses are taken until it ended."""
        return self.status.state not in TERMINAL_STATES

    @property
    def takes_room(self) -> bool:
        """Takes its reservations and ports from its node, until it ended.

        A global task that waits for room on its node takes none: counted, it would drive out the
        tasks that it waits for.
        """
        return self.holds_resources and self.status.state.rank >= TaskState.ASSIGNED.rank

    @property
    def is_running(self) -> bool:
        """Observed running."""
        return self.status.state is TaskState.RUNNING

    def asked_to(self, desired: TaskState) -> "Task":
        """With a higher desired state."""
        assert desired.rank >= self.desired_state.rank, (self.id, self.desired_state, desired)
        return msgspec.structs.replace(self, desired_state=desired)

    def observed(self, status: TaskStatus, now: Timestamp) -> "Task":
        """With what was observed at cluster time `now`; the state never goes back."""
        assert status.state.rank >= self.state.rank, (self.id, self.state, status.state)
        at = self.observed_at if status.state is self.state else now
        running_at = self.running_at
        if status.state is TaskState.RUNNING and not running_at:
            running_at = now
        return msgspec.structs.replace(self, status=status, observed_at=at, running_at=running_at)

    def assigned_to(self, node_id: NodeID, message: str, now: Timestamp) -> "Task":
        """Placed; a task's node never changes."""
        assert self.node_id in ("", node_id), (self.id, self.node_id, node_id)
        assert self.state.rank < TaskState.ASSIGNED.rank, (self.id, self.state)
        status = TaskStatus(state=TaskState.ASSIGNED, timestamp=now, message=message)
        return msgspec.structs.replace(self, node_id=node_id, status=status, observed_at=now)
