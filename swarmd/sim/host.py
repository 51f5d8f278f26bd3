"""A simulated host, and the lives of the daemon on it.

A process that is killed is cancelled, and from that moment none of its ports does anything: what
its `finally` blocks try is lost, as it is when a real process is killed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from swarmd.sim.chance import SimClock
from swarmd.sim.disk import DiskState
from swarmd.sim.kernel import KernelState


class Host:
    """One machine."""

    def __init__(self, name: str, address: str, clock: SimClock) -> None:
        self.name, self.address, self.clock = name, address, clock
        self.disk = DiskState()
        self.kernel = KernelState(address)
        self.has_power = True
        self.process: Process | None = None
        #: finds another host by its address
        self.world_host: Callable[[str], Host] = lambda _: self


class Process:
    """One life of a daemon."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.is_alive = True
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any] | Any) -> asyncio.Task[Any]:
        """Run as a part of this process."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or not self.is_alive:
            return
        error = task.exception()
        if error is not None and not isinstance(error, ConnectionError):
            context = {"exception": error, "message": "task of a process failed"}
            asyncio.get_running_loop().call_exception_handler(context)

    def kill(self) -> None:
        """No port of it does anything from now on."""
        self.is_alive = False
        for task in list(self._tasks):
            task.cancel()
