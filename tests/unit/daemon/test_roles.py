"""Managers that come and go among others, on simulated ports."""

import asyncio

from swarmd.model.node import NodeState, Role
from tests.unit.daemon.swarm import WITHIN_S, Swarm


def test_a_member_without_a_vote_is_not_shown_as_a_reachable_manager(swarm: Swarm) -> None:
    """Whoever counts on it would have their demotion refused for want of a quorum."""

    async def story() -> None:
        assert swarm.first.daemon is not None
        shown: set[tuple[bool, bool]] = set()

        def is_over() -> bool:
            assert swarm.first.daemon is not None
            statuses = swarm.first.daemon.manager_statuses()
            members = [node for node in swarm.nodes() if node.member is not None]
            shown.update((swarm.is_voter(node), node.id in statuses) for node in members)
            return len(members) == 2 and all(map(swarm.is_voter, members))

        async with asyncio.TaskGroup() as group:
            group.create_task(swarm.join(swarm.second, Role.MANAGER))
            assert await swarm.world.until(is_over, WITHIN_S)
        assert shown == {(True, True), (False, False)}

    swarm.loop.run_until_complete(story())


def test_a_manager_demoted_and_promoted_while_it_was_cut_off_is_one_again(swarm: Swarm) -> None:
    """It never heard of either, and for itself has been a member all the time (seed 2)."""

    async def story() -> None:
        await swarm.of_managers()
        world, third = swarm.world, swarm.third
        swarm.cut_off(third)
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
        await swarm.of_managers()
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


def test_a_worker_that_was_cut_off_while_another_manager_came_to_lead_finds_it(
    swarm: Swarm,
) -> None:
    """None of the managers that it knows leads, and the one that leads it does not know (seed 6)."""

    async def story() -> None:
        world, first, third = swarm.world, swarm.first, swarm.third
        await swarm.join(third, Role.WORKER)
        swarm.cut_off(third)
        await swarm.join(swarm.second, Role.MANAGER)
        assert await world.until(lambda: swarm.is_voter(swarm.node(swarm.second)), WITHIN_S)
        assert await world.until(lambda: swarm.node(third).status.state is NodeState.DOWN, WITHIN_S)
        assert first.daemon is not None
        assert first.daemon.node is not None
        manager = first.daemon.node.managing.manager
        assert manager is not None
        await manager.raft.transfer()
        assert await world.until(lambda: not first_leads(swarm), WITHIN_S)
        world.fabric.cut = set()
        assert await world.until(
            lambda: swarm.node(third).status.state is NodeState.READY, WITHIN_S
        )

    swarm.loop.run_until_complete(story())


def test_a_worker_gets_another_certificate_before_its_own_has_ended(swarm: Swarm) -> None:
    """After five sixths of its life; until then nobody refused the one that it had."""

    async def story() -> None:
        world, third = swarm.world, swarm.third
        await swarm.join(third, Role.WORKER)
        assert await world.until(lambda: swarm.node(third).status.state is NodeState.READY, 30)
        before = swarm.node(third)
        world.kill(third)
        for machine in world.machines:
            machine.host.clock.jump(75 * 24 * 3600.0)
        assert swarm.first.daemon is not None
        assert before.certificate_expires_at > swarm.first.daemon._ports.clock.wall()
        world.revive(third)
        assert await world.until(
            lambda: swarm.node(third).certificate_serial != before.certificate_serial, WITHIN_S
        )
        assert third.daemon is not None
        assert third.daemon.node is not None
        facts = third.daemon._ports.crypto.facts(third.daemon.node.identity.certificate)
        assert facts.serial == swarm.node(third).certificate_serial
        assert facts.not_after > before.certificate_expires_at

    swarm.loop.run_until_complete(story())


def first_leads(swarm: Swarm) -> bool:
    daemon = swarm.first.daemon
    return daemon is not None and daemon.is_leader()
