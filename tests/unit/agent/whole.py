"""A whole agent's world: an engine, a disk and a manager in memory, in virtual time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from swarmd.agent.description import NodeFacts
from swarmd.agent.executor import NodeNetworks
from swarmd.agent.loop import Agent, AgentHooks, AgentPorts
from swarmd.agent.presence import LocalContainer
from swarmd.config import AgentConfig
from swarmd.model.assignment import SessionMessage
from swarmd.model.task import Task
from swarmd.wire.container import TaskNetworks
from tests.beside import beside
from tests.unit.agent.fake_engine import FakeEngine, Machine
from tests.unit.agent.scene import CLUSTER, IMAGE, NODE, T0
from tests.unit.agent.world import Manager, MemoryDisk, Middle
from tests.virtual import LoopClock, until


class World:
    """One node, and a manager."""

    def __init__(self, manager: Manager | None = None) -> None:
        self.machine = Machine(IMAGE)
        self.engine = FakeEngine(self.machine)
        self.disk = MemoryDisk()
        self.clock = LoopClock(T0)
        self.manager = manager or Manager()
        self.config = AgentConfig()
        self.sessions: list[SessionMessage] = []
        self.local: tuple[LocalContainer, ...] = ()
        self.told: list[tuple[LocalContainer, ...]] = []
        self.networks = TaskNetworks()
        self.network_error: Exception | None = None
        self.waiting_for_networks = 0
        self.networks_hang = False
        #: other nodes still lead traffic here until it is set
        self.traffic_ends = asyncio.Event()
        self.traffic_ends.set()
        #: times that the engine was found
        self.finds = 0
        self.agent = self._new_agent()

    def _new_agent(self) -> Agent:
        return Agent(
            AgentPorts(engine=self.engine, clock=self.clock, random=Middle(), disk=self.disk),
            AgentHooks(
                connect=self.manager.connect,
                facts=lambda: NodeFacts(hostname="fallback"),
                networks=NodeNetworks(ready=self._networks_ready, led_away=self._led_away),
                on_session=self.sessions.append,
                on_local=self._on_local,
                on_engine=self._on_engine,
            ),
            self.config,
            node_id=NODE,
            cluster_id=CLUSTER,
        )

    def _on_local(self, containers: tuple[LocalContainer, ...]) -> None:
        self.local = containers
        self.told.append(containers)

    async def _networks_ready(self, task: Task) -> TaskNetworks:
        assert task.id
        self.waiting_for_networks += 1
        if self.networks_hang:
            await asyncio.Event().wait()
        if self.network_error is not None:
            raise self.network_error
        return self.networks

    def _on_engine(self) -> None:
        self.finds += 1

    async def _led_away(self, task: Task) -> None:
        assert task.attachments
        await self.traffic_ends.wait()

    @contextlib.asynccontextmanager
    async def running(self, *tasks: Task) -> AsyncIterator[None]:
        """An agent runs, and these tasks on it; afterwards it is killed without a word."""
        self.agent = self._new_agent()
        async with beside(self.agent.run()):
            if tasks:
                await until(lambda: self.sessions)
                self.manager.want(*tasks)
                await until(lambda: all(self.runs(task) for task in tasks))
            yield

    async def lived(self, *tasks: Task) -> None:
        """An agent ran these tasks, and was killed."""
        async with self.running(*tasks):
            pass

    def runs(self, task: Task) -> bool:
        """As the manager was told."""
        return self.shows(task.slot, "running")

    def shows(self, number: int, state: str) -> bool:
        return self.manager.state_of(number) == state
