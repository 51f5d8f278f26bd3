"""Keeps the host's mesh as the newest data plane wants it: rules, routes, the engine's firewall.

A change of the plane is written at once and costs what it changes.  Everything is looked at and
written again when somebody may have touched it, and every half minute.
"""

import asyncio
import logging

from swarmd.ingress.host import HostMesh
from swarmd.ingress.lingering import datagram_backends, forget_commands
from swarmd.lib.bell import Bell
from swarmd.lib.settled import Settled
from swarmd.model.dataplane import DataPlane, published
from swarmd.ports import Kernel, Seconds

log = logging.getLogger(__name__)

#: Everything is written again this often.
PERIOD_S = 30.0
#: Pause after a round that could not do all it should.
AGAIN_S = 2.0
#: Longest pause after a look at everything; containers that start one by one ask for one each.
REST_S = 0.25


class MeshLoop:
    """The routing mesh of one node."""

    def __init__(self, kernel: Kernel, *, period_s: Seconds = PERIOD_S) -> None:
        self._kernel, self._period_s = kernel, period_s
        self._host = HostMesh(kernel)
        self._plane: DataPlane | None = None
        self._bell = Bell()
        self._settled = Settled()
        #: everything is to be looked at; on the loop's clock also when the period is over
        self._is_look_due = True
        self._look_at: Seconds = 0.0
        #: as of the last round; what left since then is forgotten
        self._datagram_backends: frozenset[str] = frozenset()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user of this node should know, in sentences."""
        return self._host.warnings

    def follow(self, plane: DataPlane) -> None:
        """The newest wanted state, without backends that are known to be dead."""
        before, self._plane = self._plane, plane
        if before is None or _concern(plane) != _concern(before):
            self._settled.tell()
            self._bell.ring()

    def look(self) -> None:
        """Something may have changed: a bridge was made, a container started, the engine came back."""
        self._is_look_due = True
        self._bell.ring()

    async def settled(self) -> None:
        """Returns when the newest wanted state is written; as long as it takes."""
        await self._settled.wait()

    async def run(self) -> None:
        """Until cancelled; everything stays as it is then."""
        loop = asyncio.get_running_loop()
        pause_s = None if self._plane is None else 0.0
        try:
            while True:
                await self._bell.wait(pause_s)
                if self._plane is not None:
                    is_look, self._is_look_due = self._is_look_due, False
                    began = loop.time()
                    is_look = is_look or began >= self._look_at
                    if await self._round(self._plane, is_look=is_look):
                        if is_look:
                            self._look_at = loop.time() + self._period_s
                        pause_s = max(0.0, self._look_at - loop.time())
                    else:
                        self._is_look_due = True
                        pause_s = AGAIN_S
                    if is_look:
                        await asyncio.sleep(min(loop.time() - began, REST_S))
        finally:
            self._host.release_ports()

    async def _round(self, plane: DataPlane, *, is_look: bool) -> bool:
        """False if not all is as it should be."""
        number = self._settled.begin()
        try:
            if is_look:
                self._host.forget()
            is_whole = await self._host.write(plane)
            self._settled.end(number)
            await self._forget(plane)
            if is_look:
                await self._host.open_firewall(plane)
        except OSError as error:
            log.warning("mesh not reconciled", extra={"reason": str(error)})
            return False
        return is_whole

    async def _forget(self, plane: DataPlane) -> None:
        """Datagrams go nowhere any more that the rules do not lead."""
        now = datagram_backends(plane)
        for command in forget_commands(self._datagram_backends, now):
            await self._kernel.run(*command)
        self._datagram_backends = now


def _concern(plane: DataPlane) -> tuple[object, ...]:
    """What of a plane the mesh is made of: services that publish nothing change none of it."""
    ports = tuple(published(plane))
    networks = [(n.vni, n.subnets, n.node_addresses(plane.node_id)) for n in plane.networks]
    return plane.node_id, plane.nodes, networks, plane.ingress, plane.vxlan_port, ports


async def leave(kernel: Kernel) -> None:
    """Remove the mesh from this node: what carries our name, mark, preference or protocol.

    Raises OSError if the kernel refuses.
    """
    await HostMesh(kernel).remove()
