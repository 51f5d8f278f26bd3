"""The agent: the worker's side of a node, put together from ports.

One loop asks the worker (the core) what follows, hands its orders to the executor, its changes to
the disk and to whoever watches the node's containers.  Beside it run the eyes (`observe`), the
session with the leader and the writer of the state.  All share the worker, which is owned by this
one thread and is never touched across an await.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import msgspec

from swarmd.agent.actions import Lost
from swarmd.agent.description import NodeFacts, describe
from swarmd.agent.executor import Executor, NodeNetworks
from swarmd.agent.logs import LogServer
from swarmd.agent.observe import EngineWatch
from swarmd.agent.presence import LocalContainer
from swarmd.agent.session import Connect, NodeView, SessionLoop
from swarmd.agent.state import Writer, erase, load
from swarmd.agent.task import Rules
from swarmd.agent.waiting import SteadyClock
from swarmd.agent.worker import Order, Worker
from swarmd.config import AgentConfig
from swarmd.engine.version import parse_version
from swarmd.errors import EngineError
from swarmd.lib.bell import Bell
from swarmd.model.assignment import SessionMessage, StatusUpdate
from swarmd.model.ids import ClusterID, NodeID, TaskID
from swarmd.model.node import NodeDescription
from swarmd.model.task import TaskState
from swarmd.ports import Clock, Disk, Engine, Random
from swarmd.wire.container import CLUSTER_LABEL, Place

log = logging.getLogger(__name__)

_NANO = 1_000_000_000
#: Pause before the disk is tried again after it refused.
_DISK_AGAIN_S = 1.0


class AgentPorts(msgspec.Struct, frozen=True, kw_only=True):
    """The effects of an agent."""

    engine: Engine
    clock: Clock
    random: Random
    disk: Disk


class AgentHooks(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent needs of the daemon around it, and what it tells it.

    The callbacks are called on the loop and must not block; they may not call the agent back.
    """

    #: a client of whoever leads; raises SwarmError or ConnectionError if nobody is found
    connect: Connect
    #: what the daemon knows of the node; asked before each description
    facts: Callable[[], NodeFacts]
    networks: NodeNetworks
    #: every message of the session, the first one included
    on_session: Callable[[SessionMessage], None]
    #: all tasks that have a container here, whenever one of them changed; for the first time when
    #: everything that was running before this process was looked at
    on_local: Callable[[tuple[LocalContainer, ...]], None]
    #: the engine answers (again): what it keeps may be another than before
    on_engine: Callable[[], None]


class Agent:
    """The tasks of one node in one cluster."""

    def __init__(
        self,
        ports: AgentPorts,
        hooks: AgentHooks,
        config: AgentConfig,
        *,
        node_id: NodeID,
        cluster_id: ClusterID,
    ) -> None:
        self._ports, self._hooks, self._config = ports, hooks, config
        self._node_id, self._cluster_id = node_id, cluster_id
        self._watch = EngineWatch(ports.engine, config, ports.random, cluster_id)
        #: rung when the worker was told something
        self._bell = Bell()
        #: rung when the disk has something to do
        self._save_bell = Bell()
        #: set, and replaced, when containers may have come or begun, or tasks ended without one
        self._news = asyncio.Event()
        self._session: SessionLoop | None = None
        #: the engine's health as the session was last hurried with
        self._was_reachable = False
        #: how often the engine was found when it was last told
        self._finds = 0

    @property
    def is_engine_reachable(self) -> bool:
        """As of the last time it was asked."""
        return self._watch.is_reachable

    async def run(self) -> None:
        """Until cancelled; containers stay as they are.  Raises OSError if the state is unreadable."""
        ports, config = self._ports, self._config
        saved = await ports.disk.run(lambda: load(ports.disk, self._cluster_id))
        clock = SteadyClock(ports.clock)
        rules = Rules(cluster_id=self._cluster_id, withdraw=int(config.withdraw_s * _NANO))
        worker = Worker(rules, patience=int(config.report_s * _NANO), saved=saved)
        executor = Executor(ports.engine, config, self._hooks.networks, self._place)
        session = self._session = self._session_loop(worker)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch.run(worker, self._heard))
                group.create_task(self._keep_session(session, clock))
                group.create_task(self._save(worker, clock))
                await self._drive(worker, executor, clock, group)
        finally:
            self._session = None

    async def goodbye(self) -> None:
        """Before a graceful stop: the leader gives the node time to come back.  Best effort."""
        if self._session is not None:
            await self._session.goodbye()

    # -- loops

    async def _drive(
        self, worker: Worker, executor: Executor, clock: SteadyClock, group: asyncio.TaskGroup
    ) -> None:
        """Whenever something happened: what follows?"""
        while True:
            work = worker.tick(clock.now())
            for key in work.cancelled:
                executor.cut(key)
            for order in work.orders:
                log.debug(
                    "order given", extra={"key": order.key, "action": type(order.action).__name__}
                )
                group.create_task(self._carry_out(worker, executor, clock, order))
            for update in work.reached:
                _log_state(update)
            if work.reached:
                self._spread_news()
            self._tell(worker)
            await self._bell.wait(clock.until(work.wake_at))

    async def _keep_session(self, session: SessionLoop, clock: SteadyClock) -> None:
        # A node that says what it has from the start need not be described twice.
        await self._watch.was_asked.wait()
        await session.run(
            self._ports.random,
            clock,
            on_session=self._hooks.on_session,
            on_assigned=self._bell.ring,
        )

    async def _carry_out(
        self, worker: Worker, executor: Executor, clock: SteadyClock, order: Order
    ) -> None:
        outcome = await executor.carry_out(order)
        if isinstance(outcome, Lost):
            self._watch.suspect()
        worker.finished(order.key, outcome, clock.now())
        self._bell.ring()

    def _tell(self, worker: Worker) -> None:
        """Pass on what changed: containers, statuses, what belongs on disk."""
        containers = worker.containers()
        if containers is not None:
            self._hooks.on_local(containers)
            self._spread_news()
        if self._session is not None and worker.outbox.due_at is not None:
            self._session.reports.ring()
        if worker.is_dirty:
            self._save_bell.ring()

    def _spread_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _save(self, worker: Worker, clock: SteadyClock) -> None:
        """Keep the disk up to date: at once if an action waits for it, otherwise now and then."""
        writer = Writer(self._ports.disk)
        is_refused = False
        while True:
            await self._save_bell.wait()
            due_at = clock.now() + int(self._config.save_s * _NANO)
            while not worker.is_save_urgent and clock.now() < due_at:
                await self._save_bell.wait(clock.until(due_at))
            revision, saved = worker.snapshot()
            try:
                await self._ports.disk.run(partial(writer.write, saved))
            except OSError as error:
                # Running containers go on; what may not be repeated waits until there is room.
                if not is_refused:
                    extra = {"reason": str(error), "retry_s": _DISK_AGAIN_S}
                    log.error("state not written", extra=extra)  # noqa: TRY400
                is_refused = True
                await asyncio.sleep(_DISK_AGAIN_S)
                self._save_bell.ring()
                continue
            is_refused = False
            worker.saved(revision)
            self._bell.ring()

    # -- what the parts ask for

    def _session_loop(self, worker: Worker) -> SessionLoop:
        async def find_container(task_id: TaskID, is_patient: bool) -> str | None:
            while is_patient and not worker.has_begun(task_id):
                await self._news.wait()
            return worker.container_of(task_id)

        node = NodeView(
            describe=self._describe, is_engine_reachable=lambda: self._watch.is_reachable
        )
        logs = LogServer(self._ports.engine, self._ports.clock, self._config, find_container)
        return SessionLoop(worker, self._hooks.connect, node, logs, self._config)

    def _heard(self) -> None:
        """The watch told the worker something."""
        self._bell.ring()
        if self._watch.finds != self._finds:
            self._finds = self._watch.finds
            self._hooks.on_engine()
        if self._session is not None and self._was_reachable != self._watch.is_reachable:
            self._was_reachable = self._watch.is_reachable
            self._session.health.ring()
            self._session.facts.ring()

    def describe_anew(self) -> None:
        """What the daemon knows of the node has changed: the manager is told soon."""
        if self._session is not None:
            self._session.facts.ring()

    def _describe(self) -> NodeDescription:
        return describe(self._watch.info, self._hooks.facts())

    def _place(self) -> Place | None:
        info = self._watch.info
        version = parse_version(info.api_version) if info else None
        if version is None:
            return None
        return Place(
            cluster_id=self._cluster_id,
            node_id=self._node_id,
            description=self._describe(),
            api_version=version,
        )


def _log_state(update: StatusUpdate) -> None:
    """Starts and ends are for operators, what lies between for those who look closer."""
    status = update.status
    is_told = status.state is TaskState.RUNNING or status.state.is_terminal
    log.log(
        logging.INFO if is_told else logging.DEBUG,
        "task came to a state",
        extra={"task": update.task_id, "state": status.state.value, "err": status.err},
    )


async def leave(engine: Engine, disk: Disk, cluster_id: ClusterID) -> None:
    """The node has left the cluster: remove its containers and forget everything.

    Not while an agent runs.  Raises EngineError if the engine does not do it, OSError for the disk.
    """
    for container_id in await engine.list_containers(f"{CLUSTER_LABEL}={cluster_id}"):
        try:
            await engine.remove_container(container_id)
        except EngineError as error:
            if error.is_unreachable:
                raise
            log.warning(
                "container not removed", extra={"container": container_id, "reason": error.message}
            )
    await disk.run(lambda: erase(disk))
