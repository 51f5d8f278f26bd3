"""What passes between the leader's dispatcher and a node's agent.

The agent opens a *session*; its first answer and every later change of what concerns the node
itself are `SessionMessage`s.  Within the session it follows its *assignments*: a complete set
first, then differences, each with the leader's term (an agent ignores a lower one) and a sequence
number (a gap makes it ask for a complete set).  Payloads that must not touch a disk (registry
credentials) are apart from what the agent stores.
"""

from collections.abc import Mapping

from swarmd.model.base import Record
from swarmd.model.ids import ClusterID, NodeID, ServiceID, TaskID
from swarmd.model.node import Availability, NodeDescription, Role
from swarmd.model.service import StoredSpec
from swarmd.model.task import Task, TaskStatus


class ManagerAddress(Record, frozen=True, kw_only=True):
    """A manager that an agent may turn to; the leader last known comes first."""

    node_id: NodeID
    raft_id: str = ""
    #: "ip:port"
    address: str


class SessionRequest(Record, frozen=True, kw_only=True):
    """Opens a session; an older one of the same node ends."""

    description: NodeDescription
    engine_reachable: bool = True


class SessionMessage(Record, frozen=True, kw_only=True):
    """First message and every change of what concerns the node itself."""

    session_id: str
    term: int
    cluster_id: ClusterID
    managers: tuple[ManagerAddress, ...]
    heartbeat_period_s: float
    #: the granted role: another one than the certificate's makes the node renew it
    role: Role
    availability: Availability
    #: PEM of all roots to trust
    trusted: str
    #: newest first
    gossip_keys: tuple[bytes, ...] = ()


class Heartbeat(Record, frozen=True, kw_only=True):
    """Sent every period; also says whether the engine answers."""

    session_id: str
    engine_reachable: bool


class Assignments(Record, frozen=True, kw_only=True):
    """A complete set, or the difference to the one before."""

    term: int
    #: 1 for a complete set, then 2, 3, …
    sequence: int
    is_complete: bool
    #: added or changed, with every spec that one of them is the first to need
    tasks: tuple[Task, ...] = ()
    specs: tuple[StoredSpec, ...] = ()
    #: tasks that are no more: their containers are to be removed
    removed: tuple[TaskID, ...] = ()
    #: service → value of X-Registry-Auth; in memory only
    registry_auth: Mapping[ServiceID, str] = {}


class StatusUpdate(Record, frozen=True, kw_only=True):
    """The newest status of one task."""

    task_id: TaskID
    status: TaskStatus


class StatusReport(Record, frozen=True, kw_only=True):
    """A batch of statuses; each task at most once."""

    session_id: str
    updates: tuple[StatusUpdate, ...]


class LogOptions(Record, frozen=True, kw_only=True):
    """What a client of the logs asked for."""

    follow: bool = False
    stdout: bool = True
    stderr: bool = True
    tail: str = "all"
    since: str = ""


class LogSubscription(Record, frozen=True, kw_only=True):
    """The manager's wish to see the logs of tasks that this node runs; `close` ends it."""

    id: str
    task_ids: tuple[TaskID, ...] = ()
    options: LogOptions = LogOptions()
    close: bool = False


class LogMessage(Record, frozen=True, kw_only=True):
    """One line of one task."""

    task_id: TaskID
    #: 1 stdout, 2 stderr
    stream: int
    timestamp: int
    data: bytes


class LogBatch(Record, frozen=True, kw_only=True):
    """Lines on their way to a subscriber.  `ended` names tasks of which there will be no more."""

    subscription_id: str
    messages: tuple[LogMessage, ...] = ()
    ended: tuple[TaskID, ...] = ()
    #: why the logs of a task could not be read
    errors: Mapping[TaskID, str] = {}
