"""What the cluster's record says takes effect: the operator's settings, the gossip keys."""

import itertools
from functools import partial

import msgspec

from swarmd.daemon.gossip_keys import PERIOD
from swarmd.gossip.keyring import keyring
from swarmd.model.cluster import ClusterSpec, RaftSettings
from swarmd.model.ids import RequestID
from swarmd.store.entry import Change, PutCluster
from swarmd.store.sequencer import Write
from swarmd.store.view import View
from tests.unit.daemon.scene import INIT, Scene


def test_gossip_keys_rotate_twice_a_day_and_the_newest_seals_only_when_all_have_it(
    scene: Scene,
) -> None:
    """The record is aged by hand: half a day passes at each look."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        node = daemon.node
        assert node is not None
        seen = [node.identity.gossip_keys]

        def age(view: View, now: int) -> list[Change]:
            assert view.cluster is not None
            aged = msgspec.structs.replace(view.cluster, gossip_keys_since=now - PERIOD)
            return [PutCluster(record=aged)]

        def is_told(before: tuple[bytes, ...]) -> bool:
            return node.identity.gossip_keys != before

        for count in range(1, 5):
            await daemon.write(
                Write(request_id=RequestID(str(count)), principal="test", decide=age)
            )
            assert await scene.world.until(partial(is_told, seen[-1]), 5)
            seen.append(node.identity.gossip_keys)
        assert [len(keys) for keys in seen] == [1, 2, 3, 3, 3]
        for older, newer in itertools.pairwise(seen):
            assert newer[1:] == older[: len(newer) - 1]
            sealing = keyring(newer).primary
            assert sealing in older
            assert keyring(older).primary in keyring(newer).keys.values()

    scene.run(story())


def test_a_changed_snapshot_interval_is_kept_from_the_next_write_on(scene: Scene) -> None:
    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        assert daemon.node is not None
        manager = daemon.node.managing.manager
        assert manager is not None
        settings = RaftSettings(
            snapshot_interval=3, keep_old_snapshots=1, log_entries_for_slow_followers=1
        )

        def decide(view: View, _now: int) -> list[Change]:
            assert view.cluster is not None
            spec = ClusterSpec(name="default", labels={}, raft=settings)
            return [PutCluster(record=msgspec.structs.replace(view.cluster, spec=spec))]

        for count in range(1, 9):
            await daemon.write(
                Write(request_id=RequestID(str(count)), principal="test", decide=decide)
            )
        raft = manager.raft
        assert await scene.world.until(lambda: raft.status().snapshot_index > 6, 5)
        old = [name for name in scene.files() if name.startswith("raft/snapshot.0")]
        assert len(old) == 1

    scene.run(story())
