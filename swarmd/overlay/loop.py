"""Keeps this node's part of every overlay as the newest data plane wants it.

A round looks, plans and carries out; it runs when the plane changed, when somebody waits for a
network, after the engine came back and every half minute.  Before the first plane nothing is
touched: a restarted daemon that hears no manager leaves the traffic alone.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from swarmd.errors import EngineError
from swarmd.lib.bell import Bell
from swarmd.model.dataplane import DataPlane, LocalTask
from swarmd.model.ids import NetworkID, TaskID
from swarmd.overlay.attach import task_endpoint, task_networks
from swarmd.overlay.carry import carry_out, look_at_links, observe
from swarmd.overlay.clash import host_subnets
from swarmd.overlay.observe import Link
from swarmd.overlay.plan import plan
from swarmd.ports import Engine, Kernel, Seconds
from swarmd.wire.container import TaskNetworks

log = logging.getLogger(__name__)

#: Everything is looked at again this often.
PERIOD_S = 30.0
#: Pause after a round that failed, or left what is still in use.
AGAIN_S = 2.0


class OverlayLoop:
    """The overlays of one node."""

    def __init__(
        self,
        engine: Engine,
        kernel: Kernel,
        *,
        on_made: Callable[[], None],
        on_host: Callable[[], None] = lambda: None,
        period_s: Seconds = PERIOD_S,
    ) -> None:
        self._engine, self._kernel, self._period_s = engine, kernel, period_s
        #: called after a round that made or mended bridges: what stands on them can be mended too
        self._on_made = on_made
        #: called when `host_subnets` are others than before
        self._on_host = on_host
        #: of the host's own links, as of the last look
        self.host_subnets: tuple[str, ...] = ()
        self._plane: DataPlane | None = None
        #: tasks whose containers run here
        self._tasks: Sequence[LocalTask] = ()
        self._bell = Bell()
        #: networks that stood at the end of the last whole look
        self._standing: frozenset[NetworkID] = frozenset()
        #: why others did not
        self._refused: dict[NetworkID, EngineError] = {}
        #: False: something that should be gone was still there
        self._is_tidy = True
        #: set, and replaced, at the end of each round
        self._news = asyncio.Event()

    def follow(self, plane: DataPlane) -> None:
        """The newest wanted state."""
        before, self._plane = self._plane, plane
        if before is None or _concern(plane) != _concern(before):
            self._bell.ring()

    def look(self) -> None:
        """Something may have changed on the node: the engine came back, a network was removed."""
        self._bell.ring()

    def follow_tasks(self, tasks: Sequence[LocalTask]) -> None:
        """All tasks of this node whose containers run and have addresses in cluster networks.

        Where one has ended, a network that could not be removed may be removed now.
        """
        before, self._tasks = self._tasks, tasks
        if not self._is_tidy and len(tasks) < len(before):
            self._bell.ring()

    async def attach(
        self, task_id: TaskID, network_ids: Collection[NetworkID], upstreams: tuple[str, ...]
    ) -> TaskNetworks:
        """The task's endpoints, once all its networks stand here with its addresses in them.

        Waits as long as it takes for a plane that knows the task.  Raises EngineError when the
        engine refuses one of the networks.
        """
        if not self._is_attachable(task_id, network_ids):
            self._bell.ring()
        while not self._is_attachable(task_id, network_ids):
            await self._news.wait()
            for network_id in network_ids:
                if network_id in self._refused:
                    raise self._refused[network_id]
        assert self._plane is not None
        return task_networks(self._plane, task_id, upstreams)

    async def run(self) -> None:
        """Until cancelled; everything stays as it is then."""
        pause_s = None if self._plane is None else 0.0
        await self._look_at_host()
        while True:
            await self._bell.wait(pause_s)
            if self._plane is not None:
                pause_s = await self._round(self._plane)

    async def _look_at_host(self) -> None:
        """Before there is a plane: networks that are given subnets are to leave the host its own."""
        try:
            self._see(await look_at_links(self._kernel))
        except OSError as error:
            log.warning("host not looked at", extra={"reason": str(error)})

    def _see(self, links: Mapping[str, Link]) -> None:
        before, self.host_subnets = self.host_subnets, host_subnets(links.values())
        if self.host_subnets != before:
            self._on_host()

    def _is_attachable(self, task_id: TaskID, network_ids: Collection[NetworkID]) -> bool:
        plane = self._plane
        if plane is None:
            return False
        networks = {network.id: network for network in plane.networks}
        return all(
            network_id in self._standing
            and network_id in networks
            and task_endpoint(plane, networks[network_id], task_id) is not None
            for network_id in network_ids
        )

    async def _round(self, plane: DataPlane) -> Seconds:
        """One look and what follows from it; the pause before the next."""
        pause_s = AGAIN_S
        try:
            observed = await observe(self._engine, self._kernel)
            self._see(observed.links)
            work = plan(plane, observed, self._tasks)
            outcome = await carry_out(self._engine, self._kernel, work)
        except (EngineError, OSError) as error:
            log.warning("overlay not reconciled", extra={"reason": str(error)})
        else:
            self._say(outcome.refused)
            self._refused, self._standing = outcome.refused, outcome.standing
            self._is_tidy = outcome.is_tidy
            # A refusal stands until somebody asks for the network again, or the period is over.
            pause_s = self._period_s if outcome.is_tidy else AGAIN_S
            if any(network.links or network.cut_off for network in work.networks):
                self._on_made()
        self._news.set()
        self._news = asyncio.Event()
        return pause_s

    def _say(self, refused: Mapping[NetworkID, EngineError]) -> None:
        """Each refusal once, however often it is tried again."""
        for network_id, error in refused.items():
            before = self._refused.get(network_id)
            if before is None or str(before) != str(error):
                extra = {"network": network_id, "reason": str(error)}
                log.warning("network refused", extra=extra)


def _concern(plane: DataPlane) -> tuple[object, ...]:
    """What of a plane overlays are made of: tasks that begin or cease to serve change none of it."""
    return plane.node_id, plane.nodes, plane.networks, plane.vxlan_port
