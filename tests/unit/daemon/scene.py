"""One host of the simulator, whose daemon is begun by the test."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from swarmd.daemon.daemon import Daemon
from swarmd.model.cluster import ClusterSpec
from swarmd.sim.host import Process
from swarmd.sim.loop import SimLoop
from swarmd.sim.world import Machine, World
from swarmd.wire.swarm import InitRequest

T = TypeVar("T")
INIT = InitRequest(spec=ClusterSpec(name="default", labels={}))


class Scene:
    """One host; its daemon is begun by the test."""

    def __init__(self) -> None:
        self.loop = SimLoop(1)
        self.world = World(self.loop, 1, 1)
        self.machine: Machine = self.world.machines[0]
        self._earlier: list[Process | None] = []

    def run(self, work: Coroutine[object, object, T]) -> T:
        """To its end."""
        return self.loop.run_until_complete(work)

    def end(self) -> None:
        """Nothing runs any more."""
        for process in (*self._earlier, self.machine.host.process):
            if process is not None:
                process.kill()
        self.run(asyncio.sleep(5))  # what was cancelled unwinds
        self.loop.close()

    def files(self) -> dict[str, bytes]:
        """All of the host's disk."""
        return {name: bytes(c.seen) for name, c in self.machine.host.disk.files.items()}

    def daemon(self) -> Daemon:
        """A new life, that the test itself runs; an earlier one goes on beside it."""
        self._earlier.append(self.machine.host.process)
        return self.world.begin(self.machine)

    async def up(self) -> Daemon:
        """A life that runs."""
        self.world.start(self.machine)
        assert await self.world.until(lambda: self.machine.is_up, 5)
        assert self.machine.daemon is not None
        return self.machine.daemon

    async def founded(self) -> dict[str, bytes]:
        """A swarm of one was founded and its daemon killed; the files."""
        await (await self.up()).init(INIT)
        self.world.kill(self.machine)
        await asyncio.sleep(1)
        return self.files()
