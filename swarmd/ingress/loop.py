"""Keeps the host's mesh as the newest data plane wants it: rules, routes, the engine's firewall.

A round writes the rules whether or not they are there: replacing both tables in one transaction
touches no open connection, costs as much as looking, and repairs what somebody else flushed.
"""

import logging

from swarmd.ingress import firewall
from swarmd.ingress.hairpin import BridgePorts, ports_command, read_ports
from swarmd.ingress.lingering import datagram_backends, forget_commands
from swarmd.ingress.routes import ROUTES, RULES, read_routes, route_work
from swarmd.ingress.rules import host_rules
from swarmd.lib.bell import Bell
from swarmd.lib.settled import Settled
from swarmd.model.dataplane import DataPlane, published
from swarmd.ports import Kernel, Seconds

log = logging.getLogger(__name__)

#: Everything is written again this often.
PERIOD_S = 30.0
#: Pause after a round that could not do all it should.
AGAIN_S = 2.0


class MeshLoop:
    """The routing mesh of one node."""

    def __init__(self, kernel: Kernel, *, period_s: Seconds = PERIOD_S) -> None:
        self._kernel, self._period_s = kernel, period_s
        self._plane: DataPlane | None = None
        self._bell = Bell()
        self._settled = Settled()
        #: as of the last round; what left since then is forgotten
        self._datagram_backends: frozenset[str] = frozenset()
        #: said once, not every half minute
        self._has_firewall = True

    def follow(self, plane: DataPlane) -> None:
        """The newest wanted state, without backends that are known to be dead."""
        before, self._plane = self._plane, plane
        if before is None or _concern(plane) != _concern(before):
            self._settled.tell()
            self._bell.ring()

    def look(self) -> None:
        """Something may have changed: a bridge was made, a container started, the engine came back."""
        self._bell.ring()

    async def settled(self) -> None:
        """Returns when the newest wanted state is written; as long as it takes."""
        await self._settled.wait()

    async def run(self) -> None:
        """Until cancelled; everything stays as it is then."""
        pause_s = None if self._plane is None else 0.0
        while True:
            await self._bell.wait(pause_s)
            if self._plane is not None:
                pause_s = await self._round(self._plane)

    async def _round(self, plane: DataPlane) -> Seconds:
        number = self._settled.begin()
        try:
            is_whole = await _write(self._kernel, plane)
            self._settled.end(number)
            await self._forget(plane)
            await self._open_firewall(plane)
        except OSError as error:
            log.warning("mesh not reconciled", extra={"reason": str(error)})
            return AGAIN_S
        return self._period_s if is_whole else AGAIN_S

    async def _forget(self, plane: DataPlane) -> None:
        """Datagrams go nowhere any more that the rules do not lead."""
        now = datagram_backends(plane)
        for command in forget_commands(self._datagram_backends, now):
            await self._kernel.run(*command)
        self._datagram_backends = now

    async def _open_firewall(self, plane: DataPlane) -> None:
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


def _concern(plane: DataPlane) -> tuple[object, ...]:
    """What of a plane the mesh is made of: services that publish nothing change none of it."""
    ports = tuple(published(plane))
    return plane.node_id, plane.nodes, plane.networks, plane.vxlan_port, ports


async def leave(kernel: Kernel) -> None:
    """Remove the mesh from this node: what carries our name, mark, preference or protocol.

    Raises OSError if the kernel refuses.
    """
    await _write(kernel, DataPlane())
    if await kernel.run(*firewall.LIST) == 0:
        listed = await kernel.output(*firewall.LIST)
        for command in firewall.changes((), listed):
            await kernel.output(*command)


async def _write(kernel: Kernel, plane: DataPlane) -> bool:
    """Routes and rules; False while the ingress network's bridge is not finished."""
    observed = read_routes(await kernel.output(*ROUTES), await kernel.output(*RULES))
    ports = await _ingress_ports(kernel, plane)
    if not ports.has_tunnel:
        await kernel.nft(host_rules(plane))
        return False
    work = route_work(plane, observed)
    await kernel.ip(work.before)
    await kernel.bridge([*work.bridge, *ports.lines])
    await kernel.nft(host_rules(plane))
    await kernel.ip(work.after)
    return True


async def _ingress_ports(kernel: Kernel, plane: DataPlane) -> BridgePorts:
    """Without an ingress network there is nothing to wait for."""
    if plane.ingress is None:
        return BridgePorts(has_tunnel=True, lines=())
    try:
        listed = await kernel.output(*ports_command(plane.ingress))
    except OSError as error:
        log.debug("no ingress bridge yet", extra={"reason": str(error)})
        return BridgePorts(has_tunnel=False, lines=())
    return read_ports(plane.ingress, listed)
