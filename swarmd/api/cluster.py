"""What handlers need of the daemon, and what one request is to them.

The daemon implements `Cluster`.  Everything but `standing`, `init`, `join` and `leave` is used on
the leader only: `leader.Forwarder` sees to that.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from swarmd.api.message import Request, Response
from swarmd.model.assignment import LogBatch, LogOptions
from swarmd.model.ids import NodeID, RequestID, Version
from swarmd.model.task import Task
from swarmd.ports import CertificateFacts, Timestamp
from swarmd.store.entry import Change
from swarmd.store.sequencer import Write
from swarmd.store.view import View
from swarmd.wire.node import ManagerStatus
from swarmd.wire.swarm import InitRequest, JoinRequest, Standing

#: What a request makes of the cluster's state at a cluster time; raises SwarmError to refuse.
Decide: TypeAlias = Callable[[View, Timestamp], Sequence[Change]]
#: Which tasks a reader of logs wants to see, as of a view.
SelectTasks: TypeAlias = Callable[[View], Iterable[Task]]


class Cluster(Protocol):
    """The swarm as this node knows it."""

    def standing(self) -> Standing:
        """This node's part in a swarm, from memory."""
        ...

    def require_manager(self) -> None:
        """Raise NotManagerError, in the words of `wire.errors`, unless this node is a usable manager."""
        ...

    def view(self) -> View:
        """Committed state.  Only of a manager."""
        ...

    def root_facts(self) -> CertificateFacts:
        """The cluster's root certificate, read.  Only of a manager."""
        ...

    async def write(self, write: Write) -> Version:
        """`Store.write`: on the leader; raises NoLeaderError elsewhere."""
        ...

    def manager_statuses(self) -> Mapping[NodeID, ManagerStatus]:
        """Managers as this node sees them; only the leader sees them all."""
        ...

    def token(self, size_bytes: int) -> bytes:
        """Unguessable bytes (`Random.token`)."""
        ...

    async def init(self, request: InitRequest) -> NodeID:
        """Found a swarm; returns when this node leads it.  Addresses are still the user's words."""
        ...

    async def join(self, request: JoinRequest) -> None:
        """Join one; returns when this node has its certificate and takes part."""
        ...

    async def leave(self) -> None:
        """Leave: stop tasks, forget identity and state.  What speaks against it was asked before."""
        ...

    def read_logs(self, select: SelectTasks, options: LogOptions) -> AsyncGenerator[LogBatch, None]:
        """Batches as the agents send them, until closed (`LogBroker.read`).  Only of the leader.

        At least one a second, if need be an empty one, so that the reader can look around.  Raises
        NoLeaderError when this manager leads no longer.
        """
        ...


class Call:
    """One request on the leader: what was asked, by whom, and what it wrote."""

    def __init__(self, cluster: Cluster, request: Request, request_id: RequestID) -> None:
        self.cluster = cluster
        self.request = request
        #: the same when the request is repeated after an unknown outcome
        self.request_id = request_id
        #: index of the state that shows what was written; 0 = nothing
        self.index = Version(0)

    @property
    def view(self) -> View:
        """Committed state, as of now."""
        return self.cluster.view()

    async def write(self, decide: Decide) -> None:
        """Commit what `decide` says; at most once per call, since it is known by its request id."""
        assert not self.index, "a request is one write"
        write = Write(request_id=self.request_id, principal=_principal(self.request), decide=decide)
        self.index = await self.cluster.write(write)


def _principal(request: Request) -> str:
    """Who asked and from where, for the log: "uid=0@unix"."""
    return f"{request.principal}@{request.origin}"


#: Answers a call on the leader; raises SwarmError for every refusal.
CallHandler: TypeAlias = Callable[[Call], Awaitable[Response]]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and the index of the state that shows what it says."""

    response: Response
    index: Version
