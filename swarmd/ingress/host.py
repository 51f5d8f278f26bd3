"""The mesh in this host's kernel: routes and rules, written as a plane wants them.

After a round that came to its end, what is there is known, and the next change costs what it
changes: one transaction, and routes if tasks elsewhere came or went.  When somebody may have touched
it, `forget` makes the next round look and write everything, whether or not it is there: replacing
both tables in one transaction touches no open connection and repairs what somebody flushed.
"""

import logging

from swarmd.ingress import firewall
from swarmd.ingress.hairpin import BridgePorts, ports_command, read_ports
from swarmd.ingress.reserve import Reservations
from swarmd.ingress.routes import (
    ROUTES,
    RULES,
    Routes,
    RouteWork,
    nobody_lines,
    read_routes,
    route_work,
    wanted_routes,
)
from swarmd.ingress.rules import host_rules
from swarmd.model.dataplane import DataPlane, PlaneNetwork
from swarmd.ports import Kernel

log = logging.getLogger(__name__)


class HostMesh:
    """What the mesh is made of in one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._reservations = Reservations(kernel)
        #: as the last round left them; None = not known
        self._routes: Routes | None = None
        #: that they were made of
        self._ingress: PlaneNetwork | None = None
        self._rules = ""
        #: said once, not every half minute
        self._has_firewall = True

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know, in sentences."""
        return self._reservations.warnings

    def forget(self) -> None:
        """Something may be otherwise than it was written."""
        self._routes = None

    async def write(self, plane: DataPlane) -> bool:
        """False while the ingress network's bridge is not finished.  Raises OSError."""
        rules = host_rules(plane, await self._reservations.take(plane))
        known, self._routes = self._routes, None
        if known is None:
            return await self._write_all(plane, rules)
        # A plane shares with the one before it what did not change: most changes move no task.
        is_same = plane.ingress is self._ingress
        work = RouteWork((), ()) if is_same else route_work(plane, known)
        await self._kernel.ip(work.before)
        if rules != self._rules:
            await self._write_rules(rules)
        await self._kernel.ip(work.after)
        self._keep(plane, known if is_same else wanted_routes(plane))
        return True

    async def remove(self) -> None:
        """All of it.  Raises OSError."""
        self.forget()
        await self.write(DataPlane())
        if await self._kernel.run(*firewall.LIST) == 0:
            listed = await self._kernel.output(*firewall.LIST)
            for command in firewall.changes((), listed):
                await self._kernel.output(*command)

    async def open_firewall(self, plane: DataPlane) -> None:
        """The accepts in the engine's chain.  Raises OSError."""
        try:
            listed = await self._kernel.output(*firewall.LIST)
        except OSError as error:
            # No engine yet, or one that keeps its rules elsewhere (firewall-backend=nftables).
            if self._has_firewall:
                log.warning("no DOCKER-USER chain", extra={"reason": str(error)})
            self._has_firewall = False
            return
        self._has_firewall = True
        for command in firewall.changes(firewall.accepts(plane), listed):
            await self._kernel.output(*command)

    def release_ports(self) -> None:
        """The mesh ends, and holds no port any more; its rules stay."""
        self._reservations.release()

    async def _write_all(self, plane: DataPlane, rules: str) -> bool:
        observed = read_routes(
            await self._kernel.output(*ROUTES), await self._kernel.output(*RULES)
        )
        ports = await self._ingress_ports(plane)
        if not ports.has_tunnel:
            await self._write_rules(rules)
            return False
        work, nobody = route_work(plane, observed), nobody_lines(plane)
        await self._kernel.ip([*nobody.neighbours, *work.before])
        await self._kernel.bridge([*nobody.forwarding, *ports.lines])
        await self._write_rules(rules)
        await self._kernel.ip(work.after)
        self._keep(plane, wanted_routes(plane))
        return True

    def _keep(self, plane: DataPlane, routes: Routes) -> None:
        self._ingress, self._routes = plane.ingress, routes

    async def _write_rules(self, rules: str) -> None:
        await self._kernel.nft(rules)
        self._rules = rules

    async def _ingress_ports(self, plane: DataPlane) -> BridgePorts:
        """Without an ingress network there is nothing to wait for."""
        if plane.ingress is None:
            return BridgePorts(has_tunnel=True, lines=())
        try:
            listed = await self._kernel.output(*ports_command(plane.ingress))
        except OSError as error:
            log.debug("no ingress bridge yet", extra={"reason": str(error)})
            return BridgePorts(has_tunnel=False, lines=())
        return read_ports(plane.ingress, listed)
