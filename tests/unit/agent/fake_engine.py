"""An engine in memory: the Engine port with containers that obey, and faults to order.

`Machine` is what stays when swarmd dies: images, containers, who was started how often.  It has no
event loop, so that the worker's properties can be checked against it; `FakeEngine` puts time, an
absence and hanging calls around it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from swarmd.errors import EngineError
from swarmd.ports import Container, EngineEvent, EngineInfo, EngineNetwork, LogChunk
from swarmd.wire.container import TASK_ID_LABEL


class _Body(msgspec.Struct, rename="pascal"):
    image: str
    labels: dict[str, str]
    stop_signal: str = ""


class Machine:
    """Images and containers of one host."""

    def __init__(self, *images: str) -> None:
        self.images = set(images)
        #: what a registry has
        self.registry: set[str] = set()
        self.containers: dict[str, Container] = {}
        #: task id → how often a container of it was started
        self.starts: Counter[str] = Counter()
        self.removed: list[str] = []
        self.signals: list[tuple[str, str]] = []
        #: processes that do not end when they are asked to
        self.is_stubborn = False
        #: what a container shows as health when it was started
        self.health = ""
        self.on_event: Callable[[EngineEvent], None] = lambda _: None

    def create(self, name: str, body: bytes) -> str:
        read = msgspec.json.decode(body, type=_Body)
        if read.image not in self.images:
            raise EngineError(404, f"No such image: {read.image}")
        if any(c.name == name for c in self.containers.values()):
            raise EngineError(409, f'Conflict. The container name "/{name}" is already in use')
        _, slot, _ = name.split(".")
        container_id = f"c{slot}"
        assert container_id not in self.containers, "one task at a time in each slot"
        self.containers[container_id] = Container(
            id=container_id,
            name=name,
            labels=read.labels,
            status="created",
            image=read.image,
            stop_signal=read.stop_signal,
        )
        return container_id

    def start(self, container_id: str) -> None:
        container = self._get(container_id)
        if container.status == "running":
            return
        self.starts[container.labels.get(TASK_ID_LABEL, "")] += 1
        self.change(container_id, "start", status="running", pid=1000, health=self.health)

    def kill(self, container_id: str, signal: str) -> None:
        self.signals.append((container_id, signal))
        container = self.containers.get(container_id)
        if container is None or container.status != "running":
            return
        if signal == "SIGKILL":
            self.die(container_id, 137)
        elif not self.is_stubborn:
            self.die(container_id, 143)

    def die(self, container_id: str, exit_code: int = 0) -> None:
        self.change(container_id, "die", status="exited", pid=0, exit_code=exit_code)

    def remove(self, container_id: str) -> None:
        container = self.containers.pop(container_id, None)
        if container is not None:
            self.removed.append(container_id)
            self._tell(container, "destroy")

    def change(self, container_id: str, event: str, **parts: object) -> None:
        changed = msgspec.structs.replace(self._get(container_id), **parts)
        self.containers[container_id] = changed
        self._tell(changed, event)

    def find(self, reference: str) -> Container | None:
        found = self.containers.get(reference)
        return found or next((c for c in self.containers.values() if c.name == reference), None)

    def of_task(self, task_id: str) -> Container | None:
        return next(
            (c for c in self.containers.values() if c.labels.get(TASK_ID_LABEL) == task_id), None
        )

    def _get(self, container_id: str) -> Container:
        container = self.containers.get(container_id)
        if container is None:
            raise EngineError(404, f"No such container: {container_id}")
        return container

    def _tell(self, container: Container, action: str) -> None:
        self.on_event(
            EngineEvent(
                type="container", action=action, id=container.id, labels=container.labels, at=0
            )
        )


class FakeEngine:
    """`ports.Engine` on a Machine."""

    def __init__(self, machine: Machine, *, latency_s: float = 0.01) -> None:
        self.machine = machine
        machine.on_event = self._send
        self._latency_s = latency_s
        self.is_away = False
        #: names of methods whose calls never return
        self.hanging: set[str] = set()
        #: method → errors to raise, one per call
        self.faults: dict[str, list[EngineError]] = {}
        self.calls: Counter[str] = Counter()
        self.under_way: Counter[str] = Counter()
        self.most_under_way: Counter[str] = Counter()
        self.api_version = "1.51"
        self.pulls: list[tuple[str, str]] = []
        self.connects: list[str] = []
        self.lines: dict[str, list[LogChunk]] = {}
        #: events are dropped, as for a slow reader
        self.is_mute = False
        self._streams: list[asyncio.Queue[EngineEvent | None]] = []

    def leave(self) -> None:
        """The engine stops answering, its streams break; its containers live on."""
        self.is_away = True
        for stream in self._streams:
            stream.put_nowait(None)

    def back(self) -> None:
        self.is_away = False

    def _send(self, event: EngineEvent) -> None:
        if not self.is_mute:
            for stream in self._streams:
                stream.put_nowait(event)

    async def _enter(self, method: str) -> None:
        """What every call meets before anything happens."""
        self.calls[method] += 1
        self.under_way[method] += 1
        self.most_under_way[method] = max(self.most_under_way[method], self.under_way[method])
        try:
            # A little longer each time: answers come in the order of the calls.
            await asyncio.sleep(self._latency_s + self.calls.total() * 1e-6)
            while method in self.hanging:  # noqa: ASYNC110 - time is virtual
                await asyncio.sleep(1)
        finally:
            self.under_way[method] -= 1
        if self.is_away:
            raise EngineError(0, "connection refused")
        if self.faults.get(method):
            raise self.faults[method].pop(0)

    async def info(self) -> EngineInfo:
        await self._enter("info")
        return EngineInfo(
            id="engine",
            hostname="alpha",
            os="linux",
            architecture="x86_64",
            nano_cpus=2_000_000_000,
            memory_bytes=1 << 30,
            engine_version="28.5",
            api_version=self.api_version,
            min_api_version="1.24",
            plugins=(("Volume", "local"), ("Network", "bridge")),
        )

    async def list_containers(self, label: str) -> Sequence[str]:
        await self._enter("list_containers")
        key, _, value = label.partition("=")
        return [c.id for c in self.machine.containers.values() if c.labels.get(key) == value]

    async def inspect_container(self, reference: str) -> Container | None:
        await self._enter("inspect_container")
        return self.machine.find(reference)

    async def create_container(self, name: str, body: bytes) -> str:
        await self._enter("create_container")
        return self.machine.create(name, body)

    async def start_container(self, container_id: str) -> None:
        await self._enter("start_container")
        self.machine.start(container_id)

    async def kill_container(self, container_id: str, signal: str) -> None:
        await self._enter("kill_container")
        self.machine.kill(container_id, signal)

    async def remove_container(self, container_id: str) -> None:
        await self._enter("remove_container")
        self.machine.remove(container_id)

    async def pull_image(self, reference: str, registry_auth: str) -> None:
        self.pulls.append((reference, registry_auth))
        await self._enter("pull_image")
        if reference not in self.machine.registry:
            raise EngineError(500, f"pull access denied for {reference}")
        self.machine.images.add(reference)

    async def events(self) -> AsyncIterator[EngineEvent]:
        if self.is_away:
            raise EngineError(0, "connection refused")
        stream: asyncio.Queue[EngineEvent | None] = asyncio.Queue()
        self._streams.append(stream)
        try:
            while (event := await stream.get()) is not None:
                yield event
            raise EngineError(0, "the engine ended its event stream")
        finally:
            self._streams.remove(stream)

    async def logs(
        self, container_id: str, *, follow: bool, tail: str, since: str, streams: tuple[bool, bool]
    ) -> AsyncIterator[LogChunk]:
        await self._enter("logs")
        assert (tail, since, streams) == ("all", "", (True, True))
        sent = 0
        container = self.machine.containers.get(container_id)
        if container is not None and container.status == "created":
            return  # it has no log yet, and nobody waits for one
        while True:
            lines = self.lines.get(container_id, [])
            for line in lines[sent:]:
                yield line
            sent = len(lines)
            if not follow:
                return
            await asyncio.sleep(0.1)

    async def list_networks(self, label: str) -> Sequence[EngineNetwork]:
        raise NotImplementedError(label)

    async def has_network(self, network_id: str) -> bool:
        raise NotImplementedError(network_id)

    async def create_network(self, body: bytes) -> str:
        raise NotImplementedError

    async def remove_network(self, network_id: str) -> None:
        raise NotImplementedError(network_id)

    async def connect_network(self, network_id: str, body: bytes) -> None:
        await self._enter("connect_network")
        self.connects.append(network_id)
        assert body

    async def create_volume(self, body: bytes) -> None:
        raise NotImplementedError
