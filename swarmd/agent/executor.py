"""The agent's hands: actions become calls of the engine, answers become outcomes.

Lanes bound what the engine has to do at once: creates and starts share one, since more of them do
not make it quicker; looks, signals, kills and removals have their own, so that a stop never queues
behind a deployment; pulls have a third.  Every call has a deadline, after which it is lost, and that
is an outcome like any other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

import msgspec

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Created,
    Done,
    Inspect,
    Inspected,
    Kill,
    LeadAway,
    Lost,
    NetworksReady,
    Outcome,
    Pull,
    Pulled,
    Refused,
    Remove,
    Signal,
    Start,
)
from swarmd.agent.worker import Order
from swarmd.config import AgentConfig
from swarmd.errors import EngineError, SwarmError
from swarmd.model.task import Task
from swarmd.ports import Engine, Seconds
from swarmd.wire.container import Place, TaskNetworks, container_request

log = logging.getLogger(__name__)

#: Swarm's words for a node whose part of a task's networks does not come to stand.
NO_NETWORKS = "node is missing network attachments, ip addresses may be exhausted"


class NodeNetworks(msgspec.Struct, frozen=True, kw_only=True):
    """What the node's data plane does for a task."""

    #: before a create: returns when the node's part of the task's networks stands, with the task's
    #: endpoints.  EngineError with status 0: try again; other SwarmErrors reject the task
    ready: Callable[[Task], Awaitable[TaskNetworks]]
    #: before a stop: returns when no node sends new connections to the task any more
    led_away: Callable[[Task], Awaitable[None]]


class Executor:
    """Carries out orders, each in a task of its own."""

    def __init__(
        self,
        engine: Engine,
        config: AgentConfig,
        networks: NodeNetworks,
        place: Callable[[], Place | None],
    ) -> None:
        self._engine, self._config = engine, config
        self._networks = networks
        #: None while the engine has not said who it is
        self._place = place
        self._engine_lane = asyncio.Semaphore(config.engine_calls)
        self._quick_lane = asyncio.Semaphore(config.quick_calls)
        self._pull_lane = asyncio.Semaphore(config.pulls)
        #: deadlines of orders under way, which `cut` brings forward
        self._deadlines: dict[str, asyncio.Timeout] = {}
        #: orders that were cut short
        self._cut: set[str] = set()

    def cut(self, key: str) -> None:
        """End an order now; its outcome will be Lost."""
        self._cut.add(key)
        deadline = self._deadlines.pop(key, None)
        if deadline is not None and not deadline.expired():
            deadline.reschedule(asyncio.get_running_loop().time())

    async def carry_out(self, order: Order) -> Outcome:
        """The outcome, always; only cancellation passes."""
        try:
            return await self._carried_out(order)
        except Exception as error:
            # The last frame above one task's action: its bug must not end the other tasks' agent.
            log.exception(
                "action failed", extra={"action": type(order.action).__name__, "key": order.key}
            )
            return Refused(status=500, message=f"internal error: {error!r}")

    async def _carried_out(self, order: Order) -> Outcome:
        lane, limit_s = self._lane(order.action)
        try:
            async with asyncio.timeout(None) as deadline:
                self._deadlines[order.key] = deadline
                if order.key in self._cut:
                    return Lost(message="no longer wanted")
                async with lane:
                    if order.key in self._deadlines:
                        deadline.reschedule(asyncio.get_running_loop().time() + limit_s)
                    return await self._call(order.action)
        except TimeoutError:
            return self._too_late(order, limit_s)
        except EngineError as error:
            if error.is_unreachable:
                return Lost(message=error.message)
            return Refused(status=error.status, message=error.message)
        except SwarmError as error:
            # A request that cannot be made, or the node's networks cannot: the task's fault.
            return Refused(status=400, message=str(error))
        finally:
            self._deadlines.pop(order.key, None)
            self._cut.discard(order.key)

    def _too_late(self, order: Order, limit_s: Seconds) -> Outcome:
        if order.key in self._cut:
            return Lost(message="no longer wanted")
        if isinstance(order.action, LeadAway):
            # A node that does not answer must not keep a task from being stopped.
            log.info("stopped before all traffic was led away", extra={"task": order.key})
            return Done()
        if isinstance(order.action, AwaitNetworks):
            return Refused(status=503, message=NO_NETWORKS)
        log.warning(
            "engine call timed out",
            extra={"action": type(order.action).__name__, "task": order.key, "limit_s": limit_s},
        )
        return Lost(message=f"no answer within {limit_s:g} s")

    def _lane(self, action: Action) -> tuple[asyncio.Semaphore, Seconds]:
        config = self._config
        match action:
            case Create() | Start():
                return self._engine_lane, config.call_s
            case Pull():
                return self._pull_lane, config.pull_s
            case AwaitNetworks():
                # The node's networks are made by others: no lane of ours to wait in.
                return asyncio.Semaphore(1), config.networks_s
            case LeadAway():
                return asyncio.Semaphore(1), config.lead_away_s
            case Remove():
                return self._quick_lane, config.call_s
            case Inspect() | Signal() | Kill():
                return self._quick_lane, config.quick_call_s
            case _:
                assert_never(action)

    async def _call(self, action: Action) -> Outcome:
        engine = self._engine
        match action:
            case Pull():
                return await self._pull(action)
            case AwaitNetworks() | LeadAway():
                return await self._await_node(action)
            case Create():
                return await self._create(action)
            case Inspect(reference=reference):
                return Inspected(container=await engine.inspect_container(reference))
            case Start(container_id=container_id):
                await engine.start_container(container_id)
            case Signal(container_id=container_id, signal=signal):
                await engine.kill_container(container_id, signal)
            case Kill(container_id=container_id):
                await engine.kill_container(container_id, "SIGKILL")
            case Remove(container_id=container_id):
                await engine.remove_container(container_id)
            case _:
                assert_never(action)
        return Done()

    async def _await_node(self, action: AwaitNetworks | LeadAway) -> Outcome:
        if isinstance(action, AwaitNetworks):
            return NetworksReady(networks=await self._networks.ready(action.task))
        await self._networks.led_away(action.task)
        return Done()

    async def _pull(self, action: Pull) -> Outcome:
        try:
            await self._engine.pull_image(action.image, action.registry_auth)
        except EngineError as error:
            if error.is_unreachable:
                raise
            log.warning("image not pulled", extra={"image": action.image, "reason": error.message})
            return Pulled(error=error.message)
        return Pulled()

    async def _create(self, action: Create) -> Outcome:
        place = self._place()
        if place is None:
            return Lost(message="the engine has not said who it is")
        request = container_request(action.task, action.spec, place, action.networks)
        container_id = await self._engine.create_container(request.name, request.body)
        try:
            for network, body in request.connects(container_id):
                await self._engine.connect_network(network, body)
        except EngineError as error:
            if not error.is_unreachable:
                # Half made is not made: the next try has to find the name free.
                await self._engine.remove_container(container_id)
            raise
        return Created(container_id=container_id)
