"""What the cluster's record says takes effect: the operator's settings, the gossip keys."""

import asyncio
import itertools
from functools import partial

import msgspec

from swarmd.daemon.daemon import Daemon
from swarmd.daemon.gossip_keys import PERIOD
from swarmd.dispatcher.sessions import TICK_S
from swarmd.gossip.keyring import keyring
from swarmd.model.cluster import HOUR, CAConfig, DispatcherSettings, RaftSettings
from swarmd.model.ids import RequestID
from swarmd.model.node import NodeState
from swarmd.model.spec import SECOND
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
        for _ in range(8):
            await change(daemon, raft=settings)
        raft = manager.raft
        assert await scene.world.until(lambda: raft.status().snapshot_index > 6, 5)
        old = [name for name in scene.files() if name.startswith("raft/snapshot.0")]
        assert len(old) == 1

    scene.run(story())


def test_nodes_beat_in_the_new_period_from_the_moment_it_is_set(scene: Scene) -> None:
    """`docker swarm update --dispatcher-heartbeat`, and what is too short for anybody's good."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        node = daemon.node
        assert node is not None

        def period_s() -> float:
            return node.session.heartbeat_period_s if node.session else 0.0

        assert await scene.world.until(lambda: period_s() == 5.0, 10)
        await change(daemon, dispatcher=DispatcherSettings(heartbeat_period=20 * SECOND))
        assert await scene.world.until(lambda: period_s() == 20.0, 1)
        await change(daemon, dispatcher=DispatcherSettings(heartbeat_period=1))
        assert await scene.world.until(lambda: period_s() == TICK_S, 1)
        await asyncio.sleep(5)
        (record,) = daemon.view().nodes().values()
        assert record.status.state is NodeState.READY

    scene.run(story())


def test_certificates_live_as_long_as_the_operator_says(scene: Scene) -> None:
    """`docker swarm update --cert-expiry`: of those that are made from now on, as in Swarm."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        node, crypto = daemon.node, daemon._ports.crypto
        assert node is not None
        before = node.identity.certificate
        await change(daemon, ca_config=CAConfig(node_cert_expiry=2 * HOUR))
        node._renew_now.set()
        assert await scene.world.until(lambda: node.identity.certificate != before, 10)
        facts = crypto.facts(node.identity.certificate)
        # It is valid from an hour before.
        assert facts.not_after - facts.not_before == 3 * HOUR

    scene.run(story())


async def change(daemon: Daemon, **parts: object) -> None:
    """Some of the operator's settings."""

    def decide(view: View, _now: int) -> list[Change]:
        assert view.cluster is not None
        spec = msgspec.structs.replace(view.cluster.spec, **parts)
        return [PutCluster(record=msgspec.structs.replace(view.cluster, spec=spec))]

    await daemon.write(Write(request_id=RequestID(""), principal="test", decide=decide))
