"""What `docker swarm update` changes takes effect, not only room in the records."""

import msgspec

from swarmd.model.cluster import ClusterSpec, RaftSettings
from swarmd.model.ids import RequestID
from swarmd.store.entry import Change, PutCluster
from swarmd.store.sequencer import Write
from swarmd.store.view import View
from tests.unit.daemon.scene import INIT, Scene


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
