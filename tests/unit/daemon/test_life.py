"""A daemon's beginning and end, on simulated ports: what it refuses, it has not touched."""

import asyncio

import msgspec
import pytest

from swarmd.daemon.identity import Identity
from swarmd.errors import BadRequestError, StateError, UnavailableError
from swarmd.lib.tasks import leaves
from swarmd.model.node import NodeDescription, NodeState, Role
from tests.unit.daemon.scene import INIT, Scene


def test_a_daemon_without_its_engine_ends_and_has_touched_nothing(scene: Scene) -> None:
    """The engine's package was removed, or --engine is misspelt."""

    async def story() -> None:
        before = await scene.founded()
        scene.machine.engine.stop(containers_die=False)
        began = scene.loop.now
        with pytest.raises(StateError, match="start or mend the engine"):
            await scene.daemon().start()
        assert scene.loop.now - began < 10
        assert scene.files() == before

    scene.run(story())


def test_an_engine_that_hangs_at_the_start_is_given_up_as_well(scene: Scene) -> None:
    async def story() -> None:
        scene.machine.engine.is_hanging = True
        with pytest.raises(StateError, match="did not answer"):
            await scene.daemon().start()

    scene.run(story())


def test_an_engine_that_comes_a_moment_later_is_waited_for(scene: Scene) -> None:
    """The machine has just booted."""

    async def story() -> None:
        await scene.founded()
        scene.machine.engine.stop(containers_die=True)
        scene.loop.call_later(3, scene.machine.engine.start)
        daemon = scene.daemon()
        await daemon.start()
        assert daemon.standing().state == "pending"

    scene.run(story())


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 1}', b'{"format": 99}', b"\xff\xfe"])
def test_an_unreadable_identity_ends_the_daemon_and_stays_as_it_is(
    scene: Scene, content: bytes
) -> None:
    """An administrator's editor, or a file system that was repaired."""

    async def story() -> None:
        await scene.founded()
        found = scene.machine.host.disk.files["node.json"]
        found.seen = bytearray(content)
        before = scene.files()
        with pytest.raises(StateError, match=r"node\.json"):
            await scene.daemon().start()
        assert scene.files() == before

    scene.run(story())


def test_a_damaged_raft_journal_ends_the_daemon_with_the_file_and_what_to_do(
    scene: Scene,
) -> None:
    async def story() -> None:
        await scene.founded()
        (name,) = (n for n in scene.files() if n.startswith("raft/journal-"))
        scene.machine.host.disk.files[name].seen[100] ^= 1
        before = scene.files()
        daemon = scene.daemon()
        await daemon.start()
        with pytest.raises(ExceptionGroup) as raised:
            await daemon.run()
        (error,) = leaves(raised.value)
        assert isinstance(error, StateError)
        assert name in str(error)
        assert "join" in str(error)
        assert {n: c for n, c in scene.files().items() if n.startswith("raft/")} == {
            n: c for n, c in before.items() if n.startswith("raft/")
        }

    scene.run(story())


def test_a_port_that_is_taken_ends_the_daemon_at_its_start(scene: Scene) -> None:
    async def story() -> None:
        before = await scene.founded()
        other = (
            await scene.up()
        )  # has the ports; the second life is what an operator starts by hand
        assert other.node is not None
        await scene.world.until(lambda: other.standing().state == "active", 10)
        with pytest.raises(StateError, match="2377"):
            await scene.daemon().start()
        assert scene.files().keys() == before.keys()

    scene.run(story())


def test_a_swarm_that_cannot_be_founded_for_lack_of_room_leaves_no_trace(scene: Scene) -> None:
    async def story() -> None:
        daemon = await scene.up()
        scene.machine.host.disk.is_full = True
        with pytest.raises(UnavailableError, match="No space left"):
            await daemon.init(INIT)
        assert daemon.standing().state == "inactive"
        scene.machine.host.disk.is_full = False
        assert not scene.files()
        assert await daemon.init(INIT)

    scene.run(story())


def test_a_node_that_founded_a_swarm_is_described_when_its_user_is_answered(scene: Scene) -> None:
    """As `docker node ls` shows it: ready, with its host's name."""

    async def story() -> None:
        daemon = await scene.up()
        node_id = await daemon.init(INIT)
        node = daemon.view().node(node_id)
        assert node is not None
        assert node.status.state is NodeState.READY
        assert node.hostname

    scene.run(story())


def test_the_ingress_network_leaves_its_founders_host_the_subnets_of_its_links(
    scene: Scene,
) -> None:
    """A user's own bridge network has Docker's default; networks that come later avoid it too."""
    info = [{"local": "10.0.3.7", "prefixlen": 16, "scope": "global"}]
    scene.machine.host.kernel.links["br-9"] = {"mtu": 1500, "flags": ["UP"], "addr_info": info}

    async def story() -> None:
        daemon = await scene.up()
        node_id = await daemon.init(INIT)
        (ingress,) = daemon.view().networks().values()
        assert [config.subnet for config in ingress.subnets] == ["10.1.0.0/16"]

        def known() -> tuple[str, ...]:
            node = daemon.view().node(node_id)
            return () if node is None else node.host_subnets()

        assert await scene.world.until(lambda: "10.0.0.0/16" in known(), 2)
        scene.machine.host.kernel.links["br-8"] = {"addr_info": [{"local": "10.2.0.1"}]}
        assert daemon.node is not None
        daemon.node.planes.look()
        assert await scene.world.until(lambda: "10.2.0.1/32" in known(), 2)

    scene.run(story())


def test_a_client_that_goes_away_during_init_leaves_no_swarm_behind(scene: Scene) -> None:
    async def story() -> None:
        daemon = await scene.up()
        asking = scene.loop.create_task(daemon.init(INIT))
        assert await scene.world.until(lambda: daemon.node is not None, 5)
        asking.cancel()
        await asyncio.wait([asking])
        assert daemon.standing().state == "inactive"
        assert not scene.files()

    scene.run(story())


def test_a_node_is_not_founded_beside_an_engine_that_is_away(scene: Scene) -> None:
    async def story() -> None:
        daemon = await scene.up()
        scene.machine.engine.stop(containers_die=False)
        with pytest.raises(UnavailableError, match="the node needs its engine"):
            await daemon.init(INIT)
        assert not scene.files()

    scene.run(story())


def test_a_node_does_not_leave_while_its_containers_cannot_be_removed(scene: Scene) -> None:
    """It would be in no swarm, with containers that nobody ever stops."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        scene.machine.engine.stop(containers_die=False)
        with pytest.raises(UnavailableError, match="containers cannot be removed"):
            await daemon.leave()
        assert daemon.standing().is_manager
        scene.machine.engine.start()
        await daemon.leave()
        assert daemon.standing().state == "inactive"
        assert not scene.files()

    scene.run(story())


def test_a_node_whose_port_is_taken_is_not_founded(scene: Scene) -> None:
    """Two daemons on one machine, with engines and state directories of their own."""

    async def story() -> None:
        await scene.founded()
        await scene.up()
        before = scene.files()
        second = scene.daemon()
        with pytest.raises(UnavailableError, match="2377"):
            await second.init(INIT)
        assert second.standing().state == "inactive"
        assert scene.files().keys() == before.keys()

    scene.run(story())


def test_an_engine_with_a_swarm_of_its_own_is_refused_with_what_to_do(scene: Scene) -> None:
    async def story() -> None:
        await scene.founded()
        scene.machine.engine.swarm_state = "active"
        with pytest.raises(StateError, match="docker swarm leave"):
            await scene.daemon().start()

    scene.run(story())


def test_a_daemon_in_no_swarm_passes_requests_on_to_an_engine_that_has_one(scene: Scene) -> None:
    """It is only asked to found or join that it refuses."""

    async def story() -> None:
        scene.machine.engine.swarm_state = "active"
        daemon = await scene.up()
        with pytest.raises(BadRequestError, match="docker swarm leave"):
            await daemon.init(INIT)

    scene.run(story())


def test_a_node_tells_the_root_that_it_trusts_and_its_data_path_address(scene: Scene) -> None:
    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(msgspec.structs.replace(INIT, data_path_addr="10.66.0.7"))

        def description() -> NodeDescription | None:
            (node,) = daemon.view().nodes().values()
            return node.description

        assert await scene.world.until(lambda: description() is not None, 30)
        told, cluster = description(), daemon.view().cluster
        assert told is not None
        assert told.tls_info is not None
        assert cluster is not None
        assert told.data_path_address == "10.66.0.7"
        assert told.tls_info.trust_root == cluster.root_certificate

    scene.run(story())


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("eth9", "interface eth9 does not exist"),
        ("0.0.0.0", "data path address must be a non-zero IP address"),
    ],
)
def test_a_data_path_address_that_is_none_is_refused(
    scene: Scene, address: str, refusal: str
) -> None:
    async def story() -> None:
        daemon = await scene.up()
        with pytest.raises(BadRequestError, match=refusal):
            await daemon.init(msgspec.structs.replace(INIT, data_path_addr=address))

    scene.run(story())


def test_a_raft_member_that_was_demoted_right_before_a_crash_is_none_afterwards(
    scene: Scene,
) -> None:
    """Its id is never used again, also not when the node is promoted anew."""

    async def story() -> None:
        await scene.founded()
        disk = scene.machine.host.disk
        identity = msgspec.json.decode(disk.files["node.json"].seen, type=Identity)
        assert identity.raft_id
        demoted = msgspec.structs.replace(identity, role=Role.WORKER)
        disk.files["node.json"].seen = bytearray(msgspec.json.encode(demoted))
        await scene.up()

        def is_clean() -> bool:
            now = msgspec.json.decode(disk.files["node.json"].seen, type=Identity)
            return not now.raft_id and not any(name.startswith("raft/") for name in disk.files)

        assert await scene.world.until(is_clean, 5)

    scene.run(story())
