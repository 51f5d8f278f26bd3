"""A node's certificate, and what it keeps of itself on its disk."""

import asyncio

import msgspec
import pytest

from swarmd.daemon import identity
from swarmd.daemon.node import STRANGER_S
from swarmd.errors import StateError
from swarmd.ports import Peer
from tests.unit.daemon.scene import INIT, Scene
from tests.unit.net.pipe import pipe

DAY_S = 24 * 3600.0


def test_a_lone_manager_that_slept_until_its_certificate_ended_gives_itself_another(
    scene: Scene,
) -> None:
    """A lab that was switched off for half a year."""

    async def story() -> None:
        await scene.founded()
        scene.machine.host.clock.jump(180 * DAY_S)
        daemon = await scene.up()
        node = daemon.node
        assert node is not None
        assert await scene.world.until(lambda: node.session is not None, 60)
        ports = daemon._ports
        facts = ports.crypto.facts(node.identity.certificate)
        assert facts.not_after > ports.clock.wall()

    scene.run(story())


def test_a_full_disk_keeps_no_session_from_telling_the_node_something_new(scene: Scene) -> None:
    """The gossip keys rotate, say; it is on the disk when there is room."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        node = daemon.node
        assert node is not None
        assert await scene.world.until(lambda: node.session is not None, 10)
        scene.machine.host.disk.is_full = True
        keys = (bytes(32), *node.identity.gossip_keys)
        assert node.session is not None
        node._on_session(msgspec.structs.replace(node.session, gossip_keys=keys))
        await asyncio.sleep(3)
        assert node.identity.gossip_keys == keys
        scene.machine.host.disk.is_full = False
        await asyncio.sleep(3)
        kept = identity.load(daemon._ports.disk)
        assert kept is not None
        assert kept.gossip_keys == keys

    scene.run(story())


def test_a_manager_whose_raft_files_are_gone_says_so_and_votes_on_nothing(scene: Scene) -> None:
    """An emptied disk under an old id would give a second vote in a term that it has voted in."""

    async def story() -> None:
        await scene.founded()
        files = scene.machine.host.disk.files
        for name in [name for name in files if name.startswith("raft/")]:
            del files[name]
        daemon = scene.daemon()
        await daemon.start()
        with pytest.raises(ExceptionGroup) as raised:
            await daemon.run()
        assert raised.group_contains(StateError, match="files of raft member .* are not here")

    scene.run(story())


def test_whoever_shows_no_certificate_may_not_stay(scene: Scene) -> None:
    """Connections cost memory and descriptors; a port scanner opens many."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        assert daemon.node is not None
        node = daemon.node
        _, stranger = pipe(client=Peer(), server=Peer())
        _, member = pipe(client=Peer(node_id="w", role="worker"), server=Peer())
        async with asyncio.TaskGroup() as group:
            held = [group.create_task(node._accept(end)) for end in (stranger, member)]
            await asyncio.sleep(STRANGER_S - 2)
            seen = [stranger.is_closed]
            await asyncio.sleep(4)
            assert [*seen, stranger.is_closed, member.is_closed] == [False, True, False]
            for task in held:
                task.cancel()

    scene.run(story())
