"""Three daemons on simulated ports, in one swarm or on their way into it."""

import asyncio
import json

from swarmd.api.message import Request
from swarmd.ca.tokens import join_token
from swarmd.engine.version import ApiVersion
from swarmd.model.node import Node, Role
from swarmd.sim.loop import SimLoop
from swarmd.sim.world import Machine, World
from swarmd.wire.swarm import JoinRequest
from tests.unit.daemon.scene import INIT

API = ApiVersion(1, 51)
WITHIN_S = 30.0


class Swarm:
    """Three hosts; the first has founded the swarm."""

    def __init__(self) -> None:
        self.loop = SimLoop(1)
        self.world = World(self.loop, 1, 3)
        self.first, self.second, self.third = self.world.machines

    async def found(self) -> None:
        for machine in self.world.machines:
            self.world.start(machine)
        assert await self.world.until(lambda: all(m.is_up for m in self.world.machines), WITHIN_S)
        assert self.first.daemon is not None
        await self.first.daemon.init(INIT)

    def end(self) -> None:
        """Nothing runs any more."""
        for machine in self.world.live():
            self.world.kill(machine)
        self.loop.run_until_complete(asyncio.sleep(5))  # what was cancelled unwinds
        self.loop.close()

    async def join(self, machine: Machine, role: Role) -> None:
        assert self.first.daemon is not None
        assert machine.daemon is not None
        cluster = self.first.daemon.view().cluster
        assert cluster is not None
        secrets = cluster.join_secrets
        secret = secrets.manager if role is Role.MANAGER else secrets.worker
        request = JoinRequest(
            remote_addrs=(f"{self.first.host.address}:2377",),
            join_token=join_token(cluster.root_certificate, secret),
        )
        await machine.daemon.join(request)

    async def of_managers(self) -> None:
        """All of them are."""
        for machine in (self.second, self.third):
            await self.join(machine, Role.MANAGER)
        assert await self.world.until(lambda: all(map(self.is_voter, self.nodes())), WITHIN_S)

    def cut_off(self, machine: Machine) -> None:
        """It hears nobody, and nobody hears it."""
        others = [m.name for m in self.world.machines if m is not machine]
        self.world.fabric.cut = {
            way for other in others for way in ((other, machine.name), (machine.name, other))
        }

    def nodes(self) -> list[Node]:
        """As the first host knows them."""
        assert self.first.daemon is not None
        return list(self.first.daemon.view().nodes().values())

    def node(self, machine: Machine) -> Node:
        return next(n for n in self.nodes() if n.status.addr == machine.host.address)

    @staticmethod
    def is_voter(node: Node) -> bool:
        return node.member is not None and not node.member.is_learner

    async def give(self, machine: Machine, role: Role) -> None:
        """`node promote` or `demote`."""
        node = self.node(machine)
        body = {"Role": role, "Availability": "active"}
        request = Request(
            method="POST",
            target=f"/nodes/{node.id}/update",
            params={"id": node.id},
            query={"version": str(node.meta.version)},
            version=API,
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
        )
        assert self.first.daemon is not None
        await self.first.daemon.nouns.handlers()["node_update"](request)
