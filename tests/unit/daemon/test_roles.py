"""Managers that come and go among others, on simulated ports."""

import asyncio
import json
from collections.abc import Iterator

import pytest

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
    """Three managers."""

    def __init__(self) -> None:
        self.loop = SimLoop(1)
        self.world = World(self.loop, 1, 3)
        self.first, self.second, self.third = self.world.machines

    async def form(self) -> None:
        for machine in self.world.machines:
            self.world.start(machine)
        assert await self.world.until(lambda: all(m.is_up for m in self.world.machines), WITHIN_S)
        assert self.first.daemon is not None
        await self.first.daemon.init(INIT)
        cluster = self.first.daemon.view().cluster
        assert cluster is not None
        for machine in (self.second, self.third):
            assert machine.daemon is not None
            await machine.daemon.join(
                JoinRequest(
                    remote_addrs=(f"{self.first.host.address}:2377",),
                    join_token=join_token(cluster.root_certificate, cluster.join_secrets.manager),
                )
            )
        assert await self.world.until(lambda: all(map(self.is_voter, self.nodes())), WITHIN_S)

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


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    made = Swarm()
    made.loop.run_until_complete(made.form())
    yield made
    for machine in made.world.live():
        made.world.kill(machine)
    made.loop.run_until_complete(asyncio.sleep(5))  # what was cancelled unwinds
    made.loop.close()


def test_a_manager_demoted_and_promoted_while_it_was_cut_off_is_one_again(swarm: Swarm) -> None:
    """It never heard of either, and for itself has been a member all the time (seed 2)."""

    async def story() -> None:
        world, third = swarm.world, swarm.third
        others = (swarm.first.name, swarm.second.name)
        world.fabric.cut = {w for o in others for w in ((o, third.name), (third.name, o))}
        await swarm.give(third, Role.WORKER)
        assert await world.until(lambda: swarm.node(third).member is None, WITHIN_S)
        await swarm.give(third, Role.MANAGER)
        assert await world.until(lambda: swarm.node(third).role is Role.MANAGER, WITHIN_S)
        world.fabric.cut = set()
        assert await world.until(lambda: swarm.is_voter(swarm.node(third)), WITHIN_S)
        assert third.daemon is not None
        assert third.daemon.standing().is_manager

    swarm.loop.run_until_complete(story())


def test_a_manager_that_has_not_heard_of_its_demotion_does_not_enlist_again(swarm: Swarm) -> None:
    """Its certificate still says manager; the record says what it is."""

    async def story() -> None:
        world, third = swarm.world, swarm.third
        world.kill(third)
        await swarm.give(third, Role.WORKER)
        assert await world.until(lambda: swarm.node(third).role is Role.WORKER, WITHIN_S)
        world.revive(third)
        for _ in range(100):
            await asyncio.sleep(0.1)
            assert swarm.node(third).member is None
        assert third.daemon is not None
        assert not third.daemon.standing().is_manager

    swarm.loop.run_until_complete(story())
