"""Puts the VIP table into the network namespace of every container on this node.

A table is written when its text or its container changed; nobody else writes in there.  The
resolver holds the first answer to a task until its table is written (`written`): a name that
resolves has a working VIP behind it.

While tasks come one by one, each changes the tables of all.  A backend more can wait, so such
changes are gathered; a new container, a VIP that led nowhere and a backend that leaves cannot.
"""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from swarmd.ingress.lingering import forget_in_container, list_command
from swarmd.ingress.vip import ContainerRules, ContainerTable
from swarmd.lib.bell import Bell
from swarmd.lib.settled import Settled
from swarmd.model.dataplane import DataPlane, LocalTask
from swarmd.model.ids import TaskID
from swarmd.ports import Kernel, Seconds

log = logging.getLogger(__name__)

#: Pause after a table that could not be written; a container that ends at that moment is gone then.
AGAIN_S = 1.0
#: Longest pause after a round.
REST_S = 0.25
#: So long a table does without backends that have come.
GATHER_S = 1.0


class _Written(msgspec.Struct, frozen=True):
    """What is in a namespace."""

    container_id: str
    pid: int
    table: ContainerTable

    def can_wait_for(self, wanted: "_Written") -> bool:
        """Whether nobody suffers while this is still there."""
        is_same = (self.container_id, self.pid) == (wanted.container_id, wanted.pid)
        return is_same and wanted.table.only_adds_to(self.table)


class VipLoop:
    """The VIP tables of the containers on one node."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._plane: DataPlane | None = None
        self._tasks: dict[TaskID, LocalTask] = {}
        self._written: dict[TaskID, _Written] = {}
        self._bell = Bell()
        self._settled = Settled()
        #: on the loop's clock: when tables that can wait have waited; None = none waits
        self._gathered_at: Seconds | None = None
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
        """Returns when no container leads to what has left; as long as it takes."""
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
                is_whole = await self._round(self._plane, began)
                pause_s = self._pause_s(loop.time()) if is_whole else AGAIN_S
                await asyncio.sleep(min(loop.time() - began, REST_S))

    def _pause_s(self, now: Seconds) -> Seconds | None:
        return None if self._gathered_at is None else max(0.0, self._gathered_at - now)

    def _is_written(self, task_id: TaskID) -> bool:
        task, written = self._tasks.get(task_id), self._written.get(task_id)
        return (
            task is not None
            and written is not None
            and (written.container_id, written.pid) == (task.container_id, task.pid)
        )

    async def _round(self, plane: DataPlane, now: Seconds) -> bool:
        """Whether all tables are as they are to be, but for those that can wait."""
        number = self._settled.begin()
        tasks = self._tasks
        self._written = {i: written for i, written in self._written.items() if i in tasks}
        missing = self._due(ContainerRules(plane), now)
        async with asyncio.TaskGroup() as group:
            writes = [group.create_task(self._write(i, wanted)) for i, wanted in missing]
        if writes:
            self._news.set()
            self._news = asyncio.Event()
        results = [write.result() for write in writes]
        if False not in results:
            self._settled.end(number)
        return all(results)

    def _due(self, rules: ContainerRules, now: Seconds) -> list[tuple[TaskID, _Written]]:
        """Tables that are to be written now."""
        urgent: list[tuple[TaskID, _Written]] = []
        patient: list[tuple[TaskID, _Written]] = []
        for task in self._tasks.values():
            before = self._written.get(task.task_id)
            wanted = _Written(task.container_id, task.pid, rules.of(task))
            if before != wanted:
                can_wait = before is not None and before.can_wait_for(wanted)
                (patient if can_wait else urgent).append((task.task_id, wanted))
        if self._gathered_at is not None and now >= self._gathered_at:
            self._gathered_at = None
            return urgent + patient
        if patient and self._gathered_at is None:
            self._gathered_at = now + GATHER_S
        return urgent

    async def _write(self, task_id: TaskID, wanted: _Written) -> bool | None:
        """None if the container is gone: nobody asks from there, so nothing waits for its table."""
        try:
            await self._kernel.nft(wanted.table.text, pid=wanted.pid)
        except ProcessLookupError:
            return None  # The engine has not told of it yet, or cannot.
        except OSError as error:
            log.warning("VIPs not written", extra={"task": task_id, "reason": str(error)})
            return False
        before = self._written.get(task_id)
        self._written[task_id] = wanted
        if before is not None and before.pid == wanted.pid:
            gone = before.table.backends() - wanted.table.backends()
            await self._forget(task_id, wanted.pid, gone)
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
