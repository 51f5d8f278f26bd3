"""Puts the VIP table into the network namespace of every container on this node.

A table is written when its text or its container changed; nobody else writes in there.  The
resolver holds the first answer to a task until its table is written (`written`): a name that
resolves has a working VIP behind it.
"""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from swarmd.ingress.lingering import forget_in_container, list_command
from swarmd.ingress.vip import ContainerRules
from swarmd.lib.bell import Bell
from swarmd.lib.settled import Settled
from swarmd.model.dataplane import DataPlane, LocalTask
from swarmd.model.ids import TaskID
from swarmd.ports import Kernel

log = logging.getLogger(__name__)

#: Pause after a table that could not be written; a container that ends at that moment is gone then.
AGAIN_S = 1.0
#: Longest pause after a round; while containers come one by one, each changes the tables of all.
REST_S = 0.25


class _Written(msgspec.Struct, frozen=True):
    """What is in a namespace."""

    container_id: str
    pid: int
    text: str
    #: addresses that it leads to
    backends: frozenset[str]


class VipLoop:
    """The VIP tables of the containers on one node."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._plane: DataPlane | None = None
        self._tasks: dict[TaskID, LocalTask] = {}
        self._written: dict[TaskID, _Written] = {}
        self._bell = Bell()
        self._settled = Settled()
        #: set, and replaced, whenever tables were written
        self._news = asyncio.Event()

    def follow(self, plane: DataPlane) -> None:
        """The newest wanted state, without backends that are known to be dead."""
        if plane != self._plane:
            self._plane = plane
            self._settled.tell()
            self._bell.ring()

    def follow_tasks(self, tasks: Sequence[LocalTask]) -> None:
        """All tasks of this node whose containers run and have addresses in cluster networks."""
        self._tasks = {task.task_id: task for task in tasks}
        self._bell.ring()

    async def settled(self) -> None:
        """Returns when the newest wanted state is in every container; as long as it takes."""
        await self._settled.wait()

    async def written(self, task_id: TaskID) -> None:
        """Returns when the task's container runs and has a table; waits as long as it takes."""
        while not self._is_written(task_id):
            await self._news.wait()

    async def run(self) -> None:
        """Until cancelled; the tables end with their containers."""
        loop = asyncio.get_running_loop()
        pause_s = None if self._plane is None else 0.0
        while True:
            await self._bell.wait(pause_s)
            if self._plane is not None:
                began = loop.time()
                pause_s = None if await self._round(self._plane) else AGAIN_S
                await asyncio.sleep(min(loop.time() - began, REST_S))

    def _is_written(self, task_id: TaskID) -> bool:
        task, written = self._tasks.get(task_id), self._written.get(task_id)
        return (
            task is not None
            and written is not None
            and (written.container_id, written.pid) == (task.container_id, task.pid)
        )

    async def _round(self, plane: DataPlane) -> bool:
        """Whether all tables are as they are to be."""
        number = self._settled.begin()
        tasks = self._tasks
        self._written = {i: written for i, written in self._written.items() if i in tasks}
        missing = []
        texts = ContainerRules(plane)
        for task in tasks.values():
            wanted = _Written(task.container_id, task.pid, texts.of(task), texts.backends(task))
            if self._written.get(task.task_id) != wanted:
                missing.append((task.task_id, wanted))
        async with asyncio.TaskGroup() as group:
            writes = [group.create_task(self._write(i, wanted)) for i, wanted in missing]
        if writes:
            self._news.set()
            self._news = asyncio.Event()
        results = [write.result() for write in writes]
        if False not in results:
            self._settled.end(number)
        return all(results)

    async def _write(self, task_id: TaskID, wanted: _Written) -> bool | None:
        """None if the container is gone: nobody asks from there, so nothing waits for its table."""
        try:
            await self._kernel.nft(wanted.text, pid=wanted.pid)
        except ProcessLookupError:
            return None  # The engine has not told of it yet, or cannot.
        except OSError as error:
            log.warning("VIPs not written", extra={"task": task_id, "reason": str(error)})
            return False
        before = self._written.get(task_id)
        self._written[task_id] = wanted
        if before is not None and before.pid == wanted.pid:
            await self._forget(task_id, wanted.pid, before.backends - wanted.backends)
        return True

    async def _forget(self, task_id: TaskID, pid: int, gone: frozenset[str]) -> None:
        """Datagrams go nowhere any more that the table does not lead."""
        if not gone:
            return
        try:
            listed = await self._kernel.output(*list_command(pid))
            for command in forget_in_container(pid, listed, gone):
                await self._kernel.run(*command)
        except OSError as error:
            # It has ended, as a rule; otherwise the entries end by themselves once it is silent.
            log.debug("datagrams not led away", extra={"task": task_id, "reason": str(error)})
