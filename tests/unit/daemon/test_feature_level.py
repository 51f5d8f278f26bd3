"""The cluster's feature level, while managers are upgraded one after the other."""

import asyncio

import msgspec
import pytest

from swarmd.daemon.manager import EnlistCall, Manager
from swarmd.errors import NotPermittedError
from swarmd.model.ids import RequestID
from swarmd.model.node import Node
from swarmd.sim.world import Machine
from swarmd.store.entry import FEATURE_LEVEL, PutNode
from swarmd.store.sequencer import Write
from tests.unit.daemon.scene import INIT, Scene
from tests.unit.daemon.swarm import WITHIN_S, Swarm

NEXT = FEATURE_LEVEL + 1


def manager_of(machine: Machine) -> Manager:
    assert machine.daemon is not None
    assert machine.daemon.node is not None
    manager = machine.daemon.node.managing.manager
    assert manager is not None
    return manager


def understood(node: Node) -> int:
    assert node.member is not None
    return node.member.feature_level


def as_before(node: Node) -> Node:
    """Its record, when an older swarmd ran on it."""
    assert node.member is not None
    member = msgspec.structs.replace(node.member, feature_level=FEATURE_LEVEL - 1)
    return msgspec.structs.replace(node, member=member)


def test_the_level_rises_with_the_last_manager_and_an_older_one_is_told_to_upgrade(
    scene: Scene,
) -> None:
    """A swarm of one, which enlists as its own successors would."""

    async def story() -> None:
        await (await scene.up()).init(INIT)
        manager = manager_of(scene.machine)

        def level() -> int:
            cluster = manager.store.view().cluster
            assert cluster is not None
            return cluster.feature_level

        (own,) = manager.store.view().nodes().values()
        assert own.member is not None
        call = EnlistCall(
            raft_id=own.member.raft_id, address=own.member.address, feature_level=NEXT
        )
        assert (level(), understood(own)) == (FEATURE_LEVEL, FEATURE_LEVEL)
        await manager.enlist(own.id, call)
        assert await scene.world.until(lambda: level() == NEXT, WITHIN_S)
        older = msgspec.structs.replace(call, raft_id="another disk", feature_level=FEATURE_LEVEL)
        words = f"too old .*knows feature level {FEATURE_LEVEL}, the swarm uses {NEXT}.*upgrade"
        with pytest.raises(NotPermittedError, match=words):
            await manager.enlist(own.id, older)

    scene.run(story())


def test_a_manager_on_which_another_swarmd_runs_now_says_what_it_understands(swarm: Swarm) -> None:
    """The leader too; nobody loses a vote by it."""

    async def story() -> None:
        await swarm.of_managers()
        assert swarm.first.daemon is not None
        puts = [PutNode(record=as_before(node)) for node in swarm.nodes()]
        await swarm.first.daemon.write(
            Write(request_id=RequestID(""), principal="test", decide=lambda _view, _now: puts)
        )
        assert await swarm.world.until(
            lambda: all(understood(node) == FEATURE_LEVEL for node in swarm.nodes()), WITHIN_S
        )
        assert all(map(swarm.is_voter, swarm.nodes()))
        await asyncio.sleep(5)
        assert all(map(swarm.is_voter, swarm.nodes()))

    swarm.loop.run_until_complete(story())
