"""What the leader takes for a death and what it does not, on simulated ports."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from swarmd.dispatcher.nodes import ENGINE_AWAY
from swarmd.model.node import NodeState, Role
from tests.unit.daemon.swarm import WITHIN_S, Swarm

#: Three heartbeat periods of five seconds.
GRACE_S = 15.0
#: Gossip's detection, the second look of a second, and the commit.
DETECTED_S = 5.0


class Mixed(Swarm):
    """The second and third host are workers, and have been for a while."""

    async def of_workers(self) -> None:
        await self.found()
        for machine in (self.second, self.third):
            await self.join(machine, Role.WORKER)
        assert await self.world.until(
            lambda: all(node.status.state is NodeState.READY for node in self.nodes()), WITHIN_S
        )
        await self.world.until(lambda: False, GRACE_S)

    async def until_down(self, node_id: str, within_s: float) -> float | None:
        """Seconds until the leader holds the node to be down, or None if it does not."""
        begun = self.loop.now
        is_down = await self.world.until(
            lambda: any(
                node.id == node_id and node.status.state is NodeState.DOWN for node in self.nodes()
            ),
            within_s,
        )
        return self.loop.now - begun if is_down else None


Run = Callable[[Callable[[Mixed, str], Awaitable[None]]], None]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs something with a swarm and the id of its third node."""
    swarm = Mixed()

    async def all_of(work: Callable[[Mixed, str], Awaitable[None]]) -> None:
        await swarm.of_workers()
        await work(swarm, swarm.node(swarm.third).id)

    yield lambda work: swarm.loop.run_until_complete(all_of(work))
    swarm.end()


def test_a_host_without_power_is_down_within_seconds(run: Run) -> None:
    """Gossip says so, and neither its session nor its port answers."""

    async def work(swarm: Mixed, third: str) -> None:
        swarm.world.kill(swarm.third, power=True)
        after = await swarm.until_down(third, GRACE_S)
        assert after is not None
        assert after < DETECTED_S

    run(work)


def test_a_host_that_refuses_connections_keeps_its_tasks_for_three_periods(run: Run) -> None:
    """Kill -9 of the daemon alone: gossip calls the node dead, its containers may run on."""

    async def work(swarm: Mixed, third: str) -> None:
        swarm.world.kill(swarm.third)
        after = await swarm.until_down(third, 2 * GRACE_S)
        assert after is not None
        assert after > GRACE_S - DETECTED_S

    run(work)


def test_a_node_whose_datagrams_are_lost_is_not_down(run: Run) -> None:
    """A firewall that lets TCP pass: gossip calls it dead, its session does not."""

    async def work(swarm: Mixed, third: str) -> None:
        swarm.world.fabric.loss = 1.0
        assert await swarm.until_down(third, 4 * GRACE_S) is None

    run(work)


def test_another_node_at_its_address_does_not_keep_a_dead_one_alive(run: Run) -> None:
    """Addresses are given anew: who answers there now is not the one that died."""

    async def work(swarm: Mixed, third: str) -> None:
        swarm.world.kill(swarm.third, power=True)
        swarm.world.kill(swarm.second)
        addresses = swarm.second.host, swarm.third.host
        addresses[0].address, addresses[1].address = addresses[1].address, addresses[0].address
        swarm.world.start(swarm.second)
        after = await swarm.until_down(third, GRACE_S)
        assert after is not None
        assert after < DETECTED_S

    run(work)


def test_an_engine_that_is_away_gets_no_tasks_and_after_a_grace_its_node_is_down(run: Run) -> None:
    """Heartbeats carry the engine's health; the daemon beside it lives and says so."""

    async def work(swarm: Mixed, third: str) -> None:
        swarm.third.engine.stop(containers_die=False)
        assert await swarm.world.until(lambda: not swarm.node(swarm.third).is_ready, GRACE_S)
        assert swarm.node(swarm.third).status.state is NodeState.READY
        after = await swarm.until_down(third, 60.0)
        assert after is not None
        assert after > GRACE_S
        assert swarm.node(swarm.third).status.message == ENGINE_AWAY
        swarm.third.engine.start()
        assert await swarm.world.until(lambda: swarm.node(swarm.third).is_ready, GRACE_S)

    run(work)
