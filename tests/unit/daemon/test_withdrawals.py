"""Who is told that a task serves no more, and how long that is waited for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from swarmd.daemon.withdrawals import TOLD_S, Withdrawals, Withdrawn, peers_of
from swarmd.errors import UnavailableError
from swarmd.model.dataplane import PlaneNode
from swarmd.model.ids import NodeID, TaskID
from tests.beside import beside
from tests.planes import CLIENT_3, NODES, WEB_1, WEB_2, plane
from tests.virtual import in_virtual_time

ONE, TWO, THREE = NODES


class Peers:
    """Other nodes: they answer, refuse or are silent."""

    def __init__(self) -> None:
        self.told: list[tuple[NodeID, tuple[TaskID, ...]]] = []
        self.refusing: set[NodeID] = set()
        self.silent: set[NodeID] = set()
        self.withdrawals = Withdrawals(self._tell)

    async def _tell(self, peer: PlaneNode, withdrawn: Withdrawn) -> None:
        if peer.id in self.refusing:
            raise UnavailableError(f"{peer.id} does not answer")
        if peer.id in self.silent:
            await asyncio.Event().wait()
        self.told.append((peer.id, withdrawn.task_ids))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with beside(self.withdrawals.run()):
            yield


def test_all_nodes_in_a_network_of_the_task_are_told_and_nobody_else() -> None:
    assert [peer.id for peer in peers_of(plane(), WEB_1)] == [TWO, THREE]
    assert [peer.id for peer in peers_of(plane(3), CLIENT_3)] == [ONE, TWO]
    assert peers_of(plane(), TaskID("unknown")) == ()


@in_virtual_time
async def test_tasks_that_end_together_are_told_together() -> None:
    """A service with ten tasks here is scaled down."""
    peers = Peers()
    async with peers.running():
        peers.withdrawals.announce([WEB_1], plane())
        peers.withdrawals.announce([WEB_2], plane())
        await peers.withdrawals.heard(WEB_1)
        await peers.withdrawals.heard(WEB_2)
    assert sorted(peers.told) == [(TWO, (WEB_1, WEB_2)), (THREE, (WEB_1, WEB_2))]


@in_virtual_time
async def test_a_task_that_is_withdrawn_twice_is_told_once() -> None:
    """Its container was not seen for a moment."""
    peers = Peers()
    async with peers.running():
        peers.withdrawals.announce([WEB_1], plane())
        peers.withdrawals.announce([WEB_1], plane())
        await peers.withdrawals.heard(WEB_1)
    assert sorted(peers.told) == [(TWO, (WEB_1,)), (THREE, (WEB_1,))]


@in_virtual_time
async def test_a_task_that_nobody_was_told_of_is_not_waited_for() -> None:
    peers = Peers()
    async with peers.running():
        await peers.withdrawals.heard(WEB_1)


@in_virtual_time
async def test_a_node_that_refuses_or_is_silent_does_not_keep_a_task_from_being_stopped() -> None:
    """Its daemon is being upgraded, or its host has just died."""
    peers = Peers()
    peers.refusing, peers.silent = {TWO}, {THREE}
    loop = asyncio.get_running_loop()
    async with peers.running():
        began = loop.time()
        peers.withdrawals.announce([WEB_1], plane())
        await peers.withdrawals.heard(WEB_1)
        assert loop.time() - began < TOLD_S + 0.1
    assert sorted(peers.told) == []
