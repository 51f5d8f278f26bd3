"""The agent's eyes: whether the engine answers, and which containers have to be looked at.

Level-triggered.  Everything is looked at when the engine is found, when its stream of events broke
and every 30 s; the events in between only hurry that, because the engine drops them silently for a
slow reader.  A second look follows the first at once: what happened between it and the moment at
which the engine really began to send events would be seen by neither.
"""

import asyncio
import logging
from collections.abc import Callable

from swarmd.agent.waiting import closing, first_end
from swarmd.agent.worker import Worker
from swarmd.config import AgentConfig
from swarmd.errors import EngineError
from swarmd.lib.backoff import Backoff
from swarmd.lib.bell import Bell
from swarmd.model.ids import ClusterID, TaskID
from swarmd.ports import Engine, EngineEvent, EngineInfo, Random
from swarmd.wire.container import CLUSTER_LABEL, TASK_ID_LABEL

log = logging.getLogger(__name__)

#: Pause between the first look and the second.
_SETTLE_S = 1.0

#: An engine on the same machine: asking whether it is back costs nothing.
_RETRY_MOST_S = 1.0

#: What may change a task's status; health is "health_status: healthy" and the like.
_TELLING = ("start", "die", "destroy", "oom", "pause", "unpause", "health_status", "rename")


class EngineWatch:
    """Tells the worker when to look, and everybody whether the engine answers."""

    def __init__(
        self,
        engine: Engine,
        config: AgentConfig,
        random: Random,
        cluster_id: ClusterID,
    ) -> None:
        self._engine, self._config, self._random = engine, config, random
        self._cluster_id = cluster_id
        #: as last told; None until the engine answered once
        self.info: EngineInfo | None = None
        self.is_reachable = False
        #: times that the engine was found: at first, and after each time it was away or seemed so
        self.finds = 0
        #: set once the engine answered, or did not
        self.was_asked = asyncio.Event()
        self._suspicion = Bell()

    def suspect(self) -> None:
        """A call got no answer: find out whether the engine still gives any."""
        self._suspicion.ring()

    async def run(self, worker: Worker, changed: Callable[[], None]) -> None:
        """Until cancelled.  `changed` is called when the worker was told something."""
        backoff = Backoff(
            self._random.uniform, first_s=self._config.retry_first_s, most_s=_RETRY_MOST_S
        )
        loop = asyncio.get_running_loop()
        while True:
            if await self._ask():
                self.finds += 1
                worker.engine_found()
                changed()
                began = loop.time()
                failure = await first_end(
                    self._follow_events(worker, changed),
                    self._look_again(worker, changed),
                    self._check_health(),
                    expected=(EngineError, TimeoutError),
                )
                log.info("engine watched anew", extra={"reason": str(failure or "no answer")})
                if loop.time() - began > self._config.look_s:
                    backoff.reset()
            else:
                worker.engine_lost()
                changed()
            await asyncio.sleep(backoff.next_s())

    async def _ask(self) -> bool:
        """Whether the engine answers; remembers what it said."""
        was_reachable = self.is_reachable
        try:
            async with asyncio.timeout(self._config.health_s):
                self.info = await self._engine.info()
            self.is_reachable = True
        except (EngineError, TimeoutError) as error:
            self.is_reachable = False
            if was_reachable:
                log.warning("engine lost", extra={"reason": str(error) or "no answer"})
        if self.is_reachable and not was_reachable:
            log.info("engine found", extra={"version": self.info and self.info.engine_version})
        self.was_asked.set()
        return self.is_reachable

    async def _check_health(self) -> None:
        """Returns when the engine does not answer."""
        while True:
            await self._suspicion.wait(self._config.describe_s)
            if not await self._ask():
                return

    async def _follow_events(self, worker: Worker, changed: Callable[[], None]) -> None:
        """Ends when the stream breaks."""
        async with closing(self._engine.events()) as events:
            async for event in events:
                if self._is_telling(event):
                    tell = worker.started if event.action == "start" else worker.look
                    tell(TaskID(event.labels[TASK_ID_LABEL]))
                    changed()

    def _is_telling(self, event: EngineEvent) -> bool:
        return (
            event.type == "container"
            and event.action.partition(":")[0] in _TELLING
            and event.labels.get(CLUSTER_LABEL) == self._cluster_id
            and TASK_ID_LABEL in event.labels
        )

    async def _look_again(self, worker: Worker, changed: Callable[[], None]) -> None:
        await self._find_strays(worker, changed)
        await asyncio.sleep(_SETTLE_S)
        while True:
            worker.look_again()
            changed()
            await self._find_strays(worker, changed)
            await asyncio.sleep(self._config.look_s)

    async def _find_strays(self, worker: Worker, changed: Callable[[], None]) -> None:
        """Look at containers of this cluster that no task is known to have."""
        async with asyncio.timeout(self._config.call_s):
            listed = await self._engine.list_containers(f"{CLUSTER_LABEL}={self._cluster_id}")
        for container_id in worker.unknown(listed):
            async with asyncio.timeout(self._config.quick_call_s):
                container = await self._engine.inspect_container(container_id)
            if container is not None:
                worker.sighted(container)
                changed()
