"""A swarm in memory behind the API's nouns: writes are decided and applied, no Raft, no sockets."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TypedDict, Unpack
from urllib.parse import urlencode

import msgspec

from swarmd.api import routes
from swarmd.api.cluster import SelectTasks
from swarmd.api.front import Front
from swarmd.api.message import Request, Response
from swarmd.api.nouns import Nouns
from swarmd.dispatcher.control.agenda import Agenda
from swarmd.dispatcher.control.control import control
from swarmd.engine.version import NEWEST_API, ApiVersion
from swarmd.errors import NoLeaderError, NotManagerError, OutcomeUnknownError
from swarmd.model.assignment import LogBatch, LogOptions
from swarmd.model.cluster import Cluster as ClusterRecord
from swarmd.model.cluster import ClusterSpec, JoinSecrets
from swarmd.model.ids import ClusterID, NetworkID, NodeID, RequestID, TaskID, Version
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.model.node import (
    Availability,
    EngineDescription,
    Member,
    Node,
    NodeDescription,
    NodeSpec,
    NodeState,
    NodeStatus,
    Resources,
    Role,
)
from swarmd.model.spec import SECOND, Platform
from swarmd.model.task import ContainerStatus, TaskState, TaskStatus
from swarmd.ports import CertificateFacts, Timestamp
from swarmd.store.apply import apply
from swarmd.store.entry import (
    Change,
    PatchTask,
    PutCluster,
    PutNetwork,
    PutNode,
    decode,
    encode,
    joined,
)
from swarmd.store.sequencer import Write, sequence
from swarmd.store.view import Tables, View
from swarmd.wire.errors import NOT_IN_SWARM
from swarmd.wire.node import ManagerStatus
from swarmd.wire.swarm import InitRequest, JoinRequest, Standing

START = 1_795_240_183 * SECOND


class FakeCluster:
    """`Cluster` and `Leadership` of a manager that leads alone, unless a test says otherwise."""

    def __init__(self, first_token: int = 0) -> None:
        self.tables = Tables()
        self.agenda = Agenda()
        self.now: Timestamp = START
        self.said = Standing()
        self.leads = True
        #: raised by the next calls of `ask_leader` or `write`, in this order
        self.failures: list[Exception] = []
        #: who answers forwarded requests
        self.leader: Nouns | None = None
        #: so many answers of the leader do not arrive
        self.lost_answers = 0
        self.waited: list[Version] = []
        self.managers: dict[NodeID, ManagerStatus] = {}
        self.requests: list[object] = []
        #: what a reader of logs gets
        self.batches: list[LogBatch] = []
        self.log_options: list[LogOptions] = []
        self._tokens = first_token

    # ---- Cluster

    def standing(self) -> Standing:
        return self.said

    def require_manager(self) -> None:
        if not self.said.is_manager:
            raise NotManagerError(NOT_IN_SWARM)

    def view(self) -> View:
        return self.tables.view()

    def root_facts(self) -> CertificateFacts:
        return CertificateFacts(
            node_id="",
            organizational_unit="",
            cluster_id="cluster",
            serial="1",
            not_before=0,
            not_after=0,
            issuer_subject=b"subject",
            issuer_public_key=b"key",
        )

    async def write(self, write: Write) -> Version:
        if self.failures:
            raise self.failures.pop(0)
        self.now += 1
        (decided,) = sequence(self.tables, [write], proposer="n1", now=self.now)
        if decided.refused is not None:
            raise decided.refused
        if decided.done is not None:
            return decided.done
        assert decided.entry is not None
        # As the other managers see it: whatever was accepted has to travel.
        assert decode(joined([encode(decided.entry)])) == (decided.entry,)
        index = Version(self.tables.index + 1)
        self.agenda.touched(self.tables, apply(self.tables, index, decided.entry))
        return index

    def manager_statuses(self) -> Mapping[NodeID, ManagerStatus]:
        return self.managers

    def token(self, size_bytes: int) -> bytes:
        self._tokens += 1
        return self._tokens.to_bytes(size_bytes, "big")

    async def init(self, request: InitRequest) -> NodeID:
        self.requests.append(request)
        return NodeID("n1")

    async def join(self, request: JoinRequest) -> None:
        self.requests.append(request)

    async def leave(self) -> None:
        self.requests.append("leave")

    async def read_logs(
        self, select: SelectTasks, options: LogOptions
    ) -> AsyncGenerator[LogBatch, None]:
        self.log_options.append(options)
        self.selected = [task.id for task in select(self.view())]
        for batch in self.batches:
            yield batch
        if not options.follow:
            return
        raise NoLeaderError

    # ---- Leadership

    def is_leader(self) -> bool:
        return self.leads

    async def ask_leader(self, payload: bytes) -> AsyncGenerator[bytes, None]:
        if self.failures:
            raise self.failures.pop(0)
        if self.leader is None:
            raise NoLeaderError
        async with contextlib.aclosing(self.leader.forwarder.serve(payload)) as items:
            async for item in items:
                if self.lost_answers:
                    self.lost_answers -= 1
                    raise OutcomeUnknownError("the connection broke")
                yield item

    async def wait_applied(self, index: Version) -> None:
        self.waited.append(index)

    # ---- what happens in a swarm

    async def commit(self, *changes: Change) -> None:
        """Whatever the test needs, as one entry."""
        write = Write(
            request_id=RequestID(""), principal="test", decide=lambda _view, _now: changes
        )
        await self.write(write)

    async def found(self) -> None:
        """`swarm init` was done: one manager, the ingress network."""
        self.said = Standing(state="active", is_manager=True, node_id="n1", node_address="10.1.0.1")
        self.managers = {NodeID("n1"): ManagerStatus(is_leader=True, is_reachable=True)}
        await self.commit(
            PutCluster(
                record=ClusterRecord(
                    id=ClusterID("cluster"),
                    spec=ClusterSpec(name="default", labels={}),
                    root_certificate="ROOT",
                    root_key="",
                    join_secrets=JoinSecrets(worker="w" * 25, manager="m" * 25),
                )
            ),
            PutNetwork(
                record=Network(
                    id=NetworkID("ingressid"),
                    spec=NetworkSpec(
                        name="ingress",
                        labels={},
                        ingress=True,
                        ipam_configs=(IPAMConfig(subnet="10.0.0.0/24"),),
                    ),
                )
            ),
            PutNode(record=manager("n1")),
        )

    async def settle(self) -> None:
        """The leader thinks and the agents do, until nothing moves."""
        for _ in range(50):
            docket = self.agenda.take(self.tables, self.now)
            plan = control(self.tables.view(), docket, self.now)
            self.agenda.planned(plan)
            moved: list[Change] = [*plan.changes]
            if not moved:
                moved = [
                    PatchTask(id=task.id, status=_done(task.id, task.desired_state))
                    for task in self.tables.tasks()
                    if task.node_id and _lags(task.state, task.desired_state)
                ]
            if not moved:
                return
            await self.commit(*moved)
        raise AssertionError("never settles")


def _lags(state: TaskState, desired: TaskState) -> bool:
    wanted = TaskState.RUNNING if desired is TaskState.RUNNING else TaskState.SHUTDOWN
    return state.rank < wanted.rank


def _done(task_id: TaskID, desired: TaskState) -> TaskStatus:
    runs = desired is TaskState.RUNNING
    return TaskStatus(
        state=TaskState.RUNNING if runs else TaskState.SHUTDOWN,
        timestamp=START,
        message="started" if runs else "shutdown",
        container=ContainerStatus(container_id=f"c-{task_id}", pid=7 if runs else 0),
    )


def manager(name: str, *, role: Role = Role.MANAGER) -> Node:
    """A node that is ready; a manager with its member."""
    member = Member(raft_id=f"r-{name}", address="10.1.0.1:2377")
    return Node(
        id=NodeID(name),
        spec=NodeSpec(labels={}, role=role, availability=Availability.ACTIVE),
        description=NodeDescription(
            hostname=f"host-{name}",
            platform=Platform(os="linux", architecture="x86_64"),
            resources=Resources(nano_cpus=4 * 10**9, memory_bytes=8 << 30),
            engine=EngineDescription(engine_version="28.5.1", labels={"rack": "a"}),
        ),
        status=NodeStatus(state=NodeState.READY, addr="10.1.0.1"),
        role=role,
        member=member if role is Role.MANAGER else None,
        certificate_expires_at=START + 90 * 86_400 * SECOND,
    )


def worker(name: str) -> Node:
    """A worker that is ready."""
    return manager(name, role=Role.WORKER)


class Parts(TypedDict, total=False):
    """What `request` takes."""

    id: str
    body: object
    query: Mapping[str, object]
    headers: Mapping[str, str]
    version: ApiVersion


class Api:
    """The API of one manager, below HTTP."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.nouns = Nouns(cluster, cluster)
        handlers = self.nouns.handlers()

        async def merged(request: Request) -> Response:
            raise AssertionError(request)

        self.front = Front(handlers, dict.fromkeys(routes.names(routes.Kind.MERGED), merged))

    async def ask(self, name: str, **parts: Unpack[Parts]) -> Response:
        """The answer of the handler called `name`, refusals in Docker's form."""
        return await self.front.answer(name, request(**parts))

    async def get(self, name: str, identity: str = "", **query: object) -> object:
        """The JSON of an answer that is 200."""
        answer = await self.ask(name, id=identity, query=query)
        assert answer.status == 200, answer
        assert isinstance(answer.body, bytes)
        return msgspec.json.decode(answer.body)

    async def refused(self, name: str, **parts: Unpack[Parts]) -> tuple[int, str]:
        """Status and message of an answer that is none."""
        answer = await self.ask(name, **parts)
        assert answer.status >= 400, answer
        assert isinstance(answer.body, bytes)
        return answer.status, msgspec.json.decode(answer.body)["message"]

    async def create(
        self,
        spec: Mapping[str, object],
        headers: Mapping[str, str] = {},
        version: ApiVersion = NEWEST_API,
    ) -> str:
        """A service's id."""
        answer = await self.ask("service_create", body=spec, headers=headers, version=version)
        assert answer.status == 201, answer
        assert isinstance(answer.body, bytes)
        identity: str = msgspec.json.decode(answer.body)["ID"]
        return identity


def request(
    *,
    id: str = "",  # noqa: A002
    body: object = None,
    query: Mapping[str, object] = {},
    headers: Mapping[str, str] = {},
    version: ApiVersion = NEWEST_API,
) -> Request:
    """A request as the server makes them; filters may be given as they are."""
    texts = {key: _text(value) for key, value in query.items()}
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    return Request(
        method="POST" if data else "GET",
        target=f"/x?{urlencode(texts)}",
        params={"id": id},
        version=version,
        query=texts,
        headers={"content-type": "application/json", **headers},
        body=data,
        principal="uid=0",
        origin="unix",
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def service(name: str = "web", replicas: int | None = 2, **parts: object) -> dict[str, object]:
    """A spec as the docker CLI sends it; `replicas=None` makes it global."""
    mode: dict[str, object] = {"Global": {}}
    if replicas is not None:
        mode = {"Replicated": {"Replicas": replicas}}
    template = {
        "ContainerSpec": {
            "Image": "busybox:latest",
            "Args": ["sleep", "3600"],
            "Init": False,
            "DNSConfig": {},
        },
        "Resources": {"Limits": {}, "Reservations": {}},
        "Placement": {},
        "ForceUpdate": 0,
    }
    return {
        "Name": name,
        "Labels": {"a": "b"},
        "TaskTemplate": template,
        "Mode": mode,
        "EndpointSpec": {"Mode": "vip"},
        **parts,
    }


async def body_of(answer: Response) -> bytes:
    """The whole body of a stream."""
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body])


def frames(data: bytes) -> Sequence[tuple[int, bytes]]:
    """A multiplexed stream taken apart."""
    found = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        found.append((data[0], data[8 : 8 + size]))
        data = data[8 + size :]
    return found
