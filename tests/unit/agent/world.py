"""A world for whole agents: virtual time, a disk, a manager; nothing waits in real time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import msgspec

from swarmd.errors import NotPermittedError, UnavailableError
from swarmd.model.assignment import (
    Assignments,
    Heartbeat,
    LogBatch,
    LogSubscription,
    ManagerAddress,
    SessionMessage,
    SessionRequest,
    StatusReport,
)
from swarmd.model.ids import TaskID
from swarmd.model.node import Availability, NodeDescription, Role
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task, TaskStatus
from swarmd.ports import DiskFile
from tests.unit.agent.scene import CLUSTER, WEB, change, complete

T = TypeVar("T")


class Middle:
    """Chance that always takes the middle."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2

    def below(self, count: int) -> int:
        return count // 2

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return list(items)

    def token(self, size_bytes: int) -> bytes:
        return b"x" * size_bytes

    def rarely(self, name: str) -> bool:
        assert name
        return False


class MemoryDisk:
    """Files in memory, and a disk that may be full."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.is_full = False
        self.writes = 0

    def list(self, prefix: str = "") -> Sequence[str]:
        return sorted(name for name in self.files if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.writes += 1
        self.files[name] = data

    def rename(self, old: str, new: str) -> None:
        self.files[new] = self.files.pop(old)

    def delete(self, name: str) -> None:
        self.files.pop(name, None)

    def open(self, name: str) -> DiskFile:
        raise NotImplementedError(name)

    async def run(self, call: Callable[[], T]) -> T:
        await asyncio.sleep(0.002)
        return call()


class Manager:
    """A leader that wants tasks, and hears of them."""

    def __init__(self, spec: ServiceSpec = WEB) -> None:
        self.is_here = True
        self.term = 1
        self.spec = spec
        self.auth = ""
        self.tasks: dict[TaskID, Task] = {}
        self.statuses: dict[TaskID, TaskStatus] = {}
        self.history: list[str] = []
        self.reports: list[StatusReport] = []
        self.beats: list[Heartbeat] = []
        self.goodbyes = 0
        self.descriptions: list[NodeDescription] = []
        self.batches: list[LogBatch] = []
        self.is_read = True
        self.sessions = 0
        self.complete_sets = 0
        self.subscriptions: asyncio.Queue[LogSubscription] = asyncio.Queue()
        #: messages for the current stream of assignments; None ends the session
        self._news: asyncio.Queue[Assignments | None] = asyncio.Queue()
        self._sequence = 0
        self._end = asyncio.Event()

    def want(self, *tasks: Task) -> None:
        """New or changed tasks."""
        self.tasks.update((task.id, task) for task in tasks)
        specs = complete(*tasks, spec=self.spec).specs
        message = change(self._next(), *tasks, term=self.term)
        self.send(msgspec.structs.replace(message, specs=specs))

    def drop(self, *task_ids: str) -> None:
        for task_id in task_ids:
            del self.tasks[TaskID(task_id)]
        self.send(change(self._next(), removed=task_ids, term=self.term))

    def send(self, message: Assignments) -> None:
        self._news.put_nowait(message)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def die(self) -> None:
        """All sessions break, new ones are refused."""
        self.is_here = False
        self._end.set()

    def live(self, term: int) -> None:
        self.is_here, self.term = True, term

    def state_of(self, number: int) -> str:
        status = self.statuses.get(TaskID(f"t{number}"))
        return status.state.value if status else ""

    async def connect(self) -> "Client":
        await asyncio.sleep(0.001)
        if not self.is_here:
            raise ConnectionError("no manager answers")
        return Client(self)

    def begin(self) -> SessionMessage:
        self.sessions += 1
        self._end = asyncio.Event()
        return SessionMessage(
            session_id=f"session{self.sessions}",
            term=self.term,
            cluster_id=CLUSTER,
            managers=(ManagerAddress(node_id=next(iter(self.tasks.values())).node_id, address="m"),)
            if self.tasks
            else (),
            heartbeat_period_s=5.0,
            role=Role.WORKER,
            availability=Availability.ACTIVE,
            trusted="",
        )

    async def ended(self) -> None:
        await self._end.wait()

    async def messages(self) -> AsyncIterator[Assignments]:
        self._news = asyncio.Queue()
        self._sequence = 1
        self.complete_sets += 1
        yield complete(*self.tasks.values(), term=self.term, spec=self.spec, auth=self.auth)
        while (message := await self._news.get()) is not None:
            yield message


class Client:
    """`DispatcherClient` on a Manager."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._session_id = ""

    def _check(self) -> None:
        if not self._manager.is_here:
            raise ConnectionError("connection lost")

    async def open(self, request: SessionRequest) -> AsyncIterator[SessionMessage]:
        self._check()
        self._manager.descriptions.append(request.description)
        message = self._manager.begin()
        self._session_id = message.session_id
        yield message
        await self._manager.ended()
        raise ConnectionError("connection lost")

    async def heartbeat(self, beat: Heartbeat) -> None:
        self._check()
        if beat.session_id != self._session_id:
            raise NotPermittedError("session invalid")
        self._manager.beats.append(beat)

    async def goodbye(self, beat: Heartbeat) -> None:
        self._check()
        assert beat.session_id == self._session_id
        self._manager.goodbyes += 1

    async def assignments(self, session_id: str) -> AsyncIterator[Assignments]:
        assert session_id == self._session_id
        async for message in self._manager.messages():
            yield message

    async def report(self, report: StatusReport) -> None:
        await asyncio.sleep(0.005)
        self._check()
        if not report.updates:
            raise UnavailableError("an empty report")
        self._manager.reports.append(report)
        for update in report.updates:
            self._manager.statuses[update.task_id] = update.status
            self._manager.history.append(f"{update.task_id} {update.status.state.value}")

    async def describe(self, description: NodeDescription) -> None:
        self._check()
        self._manager.descriptions.append(description)

    async def log_subscriptions(self, session_id: str) -> AsyncIterator[LogSubscription]:
        assert session_id == self._session_id
        while True:
            yield await self._manager.subscriptions.get()

    async def publish_logs(self, batch: LogBatch) -> bool:
        self._check()
        self._manager.batches.append(batch)
        return self._manager.is_read

    async def close(self) -> None:
        await asyncio.sleep(0)
