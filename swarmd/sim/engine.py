"""A simulated Docker Engine: containers that run until they are told to stop, or die.

It is apart from the daemon: its containers outlive swarmd, it can be away, hang, refuse, and lose
what it ran.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random

import msgspec

from swarmd.errors import EngineError
from swarmd.ports import (
    Container,
    EngineEvent,
    EngineInfo,
    EngineNetwork,
    LogChunk,
)
from swarmd.sim.chance import SimClock
from swarmd.sim.kernel import KernelState
from swarmd.wire.bridge import BRIDGE_OPTION


class _Address(msgspec.Struct, frozen=True):
    """What a container asks for in a network."""

    ipv4: str = msgspec.field(name="IPv4Address", default="")


class _Endpoint(msgspec.Struct, frozen=True):
    """Its place in a network."""

    ipam: _Address | None = msgspec.field(name="IPAMConfig", default=None)


class _Endpoints(msgspec.Struct, rename="pascal", frozen=True):
    """The networks that a container is created in."""

    endpoints_config: dict[str, _Endpoint] | None = None


class _Binding(msgspec.Struct, rename="pascal", frozen=True):
    """A port of the host."""

    host_port: str = ""


class _HostConfig(msgspec.Struct, rename="pascal", frozen=True):
    """Ports by `90/tcp`."""

    port_bindings: dict[str, tuple[_Binding, ...]] | None = None


class _Body(msgspec.Struct, rename="pascal"):
    """What the simulator reads of a create."""

    image: str = ""
    labels: dict[str, str] = {}
    networking_config: _Endpoints = _Endpoints()
    host_config: _HostConfig = _HostConfig()


class _NetworkBody(msgspec.Struct, rename="pascal"):
    """What the simulator reads of a network's create."""

    name: str
    driver: str = "bridge"
    labels: dict[str, str] = {}
    options: dict[str, str] = {}


class EngineState:
    """An engine and its containers; belongs to the host."""

    def __init__(self, name: str, clock: SimClock, chance: Random, kernel: KernelState) -> None:
        self.name, self.clock, self.chance, self.kernel = name, clock, chance, kernel
        self.is_up = True
        #: calls get no answer while it is set
        self.is_hanging = False
        #: "active" if the engine has a swarm of its own
        self.swarm_state = "inactive"
        self.containers: dict[str, Container] = {}
        self.networks: dict[str, EngineNetwork] = {}
        self.volumes: set[str] = set()
        #: pulled so far; the registry has every one
        self.images: set[str] = set()
        #: calls that fail from now on
        self.failures = 0
        #: starts of a container, by task id: more than one is a restart
        self.starts: dict[str, int] = {}
        #: told of every create, start and removal: ("start", container)
        self.on_act: Callable[[str, Container], None] = lambda _what, _container: None
        self._queues: list[asyncio.Queue[EngineEvent | None]] = []
        self._count = 0
        #: pid of the newest container
        self._processes = 1000

    def new_id(self) -> str:
        """64 hex digits."""
        self._count += 1
        return f"{self.name}-{self._count}".encode().hex().ljust(64, "0")

    def put(self, container: Container, action: str) -> None:
        """A container changed."""
        self.containers[container.id] = container
        self.tell(container, action)

    def tell(self, container: Container, action: str) -> None:
        """Send an event to whoever listens."""
        event = EngineEvent(
            type="container",
            action=action,
            id=container.id,
            labels=container.labels,
            at=self.clock.wall(),
        )
        for queue in self._queues:
            queue.put_nowait(event)

    def exited(self, container_id: str, code: int) -> None:
        """The container's process ended."""
        container = self.containers.get(container_id)
        if container is not None and container.status == "running":
            self._left(container)
            ended = msgspec.structs.replace(
                container,
                status="exited",
                exit_code=code,
                pid=0,
                finished_at=self.clock.wall(),
            )
            self.put(ended, "die")

    def lose(self, container_id: str) -> None:
        """The container is gone, whoever removed it."""
        container = self.containers.pop(container_id)
        self._left(container)
        self.tell(container, "destroy")

    def _left(self, container: Container) -> None:
        """Its network namespace is gone with its last process."""
        if container.pid:
            self.kernel.tables.pop(container.pid, None)

    def started(self, container: Container) -> Container:
        """The container runs now, in a network namespace of its own.

        Raises EngineError, as the engine does, for what it needs and another container has.
        """
        others = [c for c in self.containers.values() if c.status == "running"]
        for name, address in container.addresses.items():
            if not any(network.name == name for network in self.networks.values()):
                raise EngineError(404, f"network {name} not found")
            if any(c.addresses.get(name) == address for c in others):
                raise EngineError(403, "Address already in use")
        bound = {published for c in others for _, _, published in c.ports}
        if bound & {published for _, _, published in container.ports}:
            raise EngineError(500, "Bind for 0.0.0.0 failed: port is already allocated")
        self._processes += 1
        self.kernel.tables[self._processes] = ""
        running = msgspec.structs.replace(
            container, status="running", pid=self._processes, started_at=self.clock.wall()
        )
        self.put(running, "start")
        return running

    def stop(self, *, containers_die: bool) -> None:
        """The engine goes away."""
        self.is_up = False
        for queue in self._queues:
            queue.put_nowait(None)
        if containers_die:
            for container_id in list(self.containers):
                self.exited(container_id, 137)

    def start(self) -> None:
        """The engine is back."""
        self.is_up = True
        for network in self.networks.values():
            bridge = network.options.get(BRIDGE_OPTION, "")
            if bridge and bridge not in self.kernel.links:
                self.kernel.add_bridge(bridge)

    def listen(self) -> "asyncio.Queue[EngineEvent | None]":
        """A stream of events; None ends it."""
        queue: asyncio.Queue[EngineEvent | None] = asyncio.Queue()
        self._queues.append(queue)
        return queue

    def unlisten(self, queue: "asyncio.Queue[EngineEvent | None]") -> None:
        """Nobody reads it any more."""
        self._queues.remove(queue)


class SimEngine:
    """The Engine port of one process."""

    def __init__(self, state: EngineState, is_alive: Callable[[], bool]) -> None:
        self._state, self._is_alive = state, is_alive

    async def _call(self, low: float = 0.001, high: float = 0.01) -> EngineState:
        await asyncio.sleep(self._state.chance.uniform(low, high))
        while self._state.is_hanging:  # noqa: ASYNC110  what hangs looks at nothing
            await asyncio.sleep(0.1)
        if not self._is_alive():
            raise asyncio.CancelledError
        if not self._state.is_up:
            raise EngineError(0, "Cannot connect to the Docker daemon. Is it running?")
        if self._state.failures > 0:
            self._state.failures -= 1
            raise EngineError(500, "simulated failure")
        return self._state

    def _find(self, reference: str) -> Container | None:
        found = self._state.containers.get(reference)
        if found is not None:
            return found
        return next((c for c in self._state.containers.values() if c.name == reference), None)

    async def info(self) -> EngineInfo:
        """As `Engine.info`."""
        state = await self._call()
        return EngineInfo(
            id=state.name,
            hostname=state.name,
            os="linux",
            architecture="x86_64",
            nano_cpus=4 * 10**9,
            memory_bytes=8 << 30,
            engine_version="28.5.2",
            api_version="1.51",
            min_api_version="1.24",
            swarm_state=state.swarm_state,
        )

    async def list_containers(self, label: str) -> Sequence[str]:
        """As `Engine.list_containers`."""
        state = await self._call()
        key, _, value = label.partition("=")
        return [
            c.id
            for c in state.containers.values()
            if key in c.labels and value in ("", c.labels[key])
        ]

    async def inspect_container(self, reference: str) -> Container | None:
        """As `Engine.inspect_container`."""
        await self._call()
        return self._find(reference)

    async def create_container(self, name: str, body: bytes) -> str:
        """As `Engine.create_container`."""
        state = await self._call(0.005, 0.05)
        if self._find(name) is not None:
            raise EngineError(409, f"Conflict. The container name {name} is already in use")
        parsed = msgspec.json.decode(body, type=_Body)
        if parsed.image not in state.images:
            raise EngineError(404, f"No such image: {parsed.image}")
        networks = parsed.networking_config.endpoints_config or {}
        container = Container(
            id=state.new_id(),
            name=name,
            labels=parsed.labels,
            status="created",
            image=parsed.image,
            addresses={name: one.ipam.ipv4 if one.ipam else "" for name, one in networks.items()},
            ports=tuple(
                (protocol, int(target), int(binding.host_port))
                for port, bindings in (parsed.host_config.port_bindings or {}).items()
                for target, _, protocol in (port.partition("/"),)
                for binding in bindings
            ),
        )
        state.put(container, "create")
        state.on_act("create", container)
        return container.id

    async def start_container(self, container_id: str) -> None:
        """As `Engine.start_container`."""
        state = await self._call(0.02, 0.3)
        container = self._find(container_id)
        if container is None:
            raise EngineError(404, f"No such container: {container_id}")
        if container.status == "running":
            return
        task = container.labels.get("com.docker.swarm.task.id", "")
        running = state.started(container)
        state.starts[task] = state.starts.get(task, 0) + 1
        state.on_act("start", running)

    async def kill_container(self, container_id: str, signal: str) -> None:
        """As `Engine.kill_container`; the process obeys after a moment."""
        state = await self._call()
        container = self._find(container_id)
        if container is not None and container.status == "running":
            code = 137 if signal in ("SIGKILL", "KILL", "9") else 143
            delay = 0.001 if code == 137 else state.chance.uniform(0.01, 1.5)
            asyncio.get_running_loop().call_later(delay, state.exited, container.id, code)

    async def remove_container(self, container_id: str) -> None:
        """As `Engine.remove_container`."""
        state = await self._call(0.005, 0.05)
        container = self._find(container_id)
        if container is not None:
            state.lose(container.id)
            state.on_act("remove", container)

    async def pull_image(self, reference: str, registry_auth: str) -> None:
        """As `Engine.pull_image`."""
        state = await self._call(0.1, 0.5)
        if not reference:
            raise EngineError(404, f"no such image ({registry_auth})")
        state.images.add(reference)

    async def events(self) -> AsyncIterator[EngineEvent]:
        """As `Engine.events`."""
        state = await self._call()
        queue = state.listen()
        try:
            while (event := await queue.get()) is not None:
                if state.chance.random() > 0.05:  # a slow reader misses some, silently
                    yield event
            raise EngineError(0, "the stream of events broke")
        finally:
            state.unlisten(queue)

    async def logs(
        self, container_id: str, *, follow: bool, tail: str, since: str, streams: tuple[bool, bool]
    ) -> AsyncIterator[LogChunk]:
        """As `Engine.logs`: one line."""
        state = await self._call()
        if self._find(container_id) is None:
            raise EngineError(404, f"No such container: {container_id}")
        text = f"{follow} {tail} {since}"
        yield LogChunk(stream=1 if streams[0] else 2, at=state.clock.wall(), data=text.encode())

    async def list_networks(self, label: str) -> Sequence[EngineNetwork]:
        """As `Engine.list_networks`."""
        state = await self._call()
        key, _, value = label.partition("=")
        return [
            n for n in state.networks.values() if key in n.labels and value in ("", n.labels[key])
        ]

    async def has_network(self, network_id: str) -> bool:
        """As `Engine.has_network`."""
        return network_id in (await self._call()).networks

    async def create_network(self, body: bytes) -> str:
        """As `Engine.create_network`."""
        state = await self._call()
        parsed = msgspec.json.decode(body, type=_NetworkBody)
        network = EngineNetwork(
            id=state.new_id(),
            name=parsed.name,
            driver=parsed.driver,
            labels=parsed.labels,
            options=parsed.options,
        )
        bridge = network.options.get(BRIDGE_OPTION, "")
        if bridge in state.kernel.links:
            raise EngineError(403, f"networks have same bridge name {bridge}")
        if bridge:
            state.kernel.add_bridge(bridge)
        state.networks[network.id] = network
        return network.id

    async def remove_network(self, network_id: str) -> None:
        """As `Engine.remove_network`."""
        state = await self._call()
        network = state.networks.get(network_id)
        if network is None:
            return
        if any(network.name in c.addresses for c in state.containers.values() if c.pid):
            raise EngineError(403, f"network {network.name} has active endpoints")
        del state.networks[network_id]
        bridge = network.options.get(BRIDGE_OPTION, "")
        if bridge in state.kernel.links:
            state.kernel.delete_link(bridge)

    async def connect_network(self, network_id: str, body: bytes) -> None:
        """As `Engine.connect_network`."""
        state = await self._call()
        if network_id not in state.networks or not body:
            raise EngineError(404, f"network {network_id} not found")

    async def create_volume(self, body: bytes) -> None:
        """As `Engine.create_volume`."""
        state = await self._call()
        state.volumes.add(body.decode())
