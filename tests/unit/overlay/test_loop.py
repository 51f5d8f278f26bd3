"""The overlay's loop against a node; and what a task's container is created with."""

import asyncio

import msgspec
import pytest

from swarmd.errors import EngineError
from swarmd.model.dataplane import DataPlane, LocalTask
from swarmd.model.ids import NetworkID, ServiceID
from swarmd.overlay.attach import task_networks
from swarmd.overlay.loop import OverlayLoop
from tests.beside import beside
from tests.planes import CLIENT_3, INGRESS, STACK, WEB_1, WEB_2, plane, without_tasks
from tests.unit.overlay.node import UNDERLAY, Node, ports

AGAIN = NetworkID("again")
#: A container of the network before it.
ENDING = LocalTask(
    task_id=WEB_2,
    service_id=ServiceID("s"),
    container_id="c2",
    pid=2,
    addresses={STACK: ("10.0.1.102",)},
)


async def test_a_task_is_attached_when_its_networks_stand() -> None:
    node = Node()
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group, beside(loop.run()):
        attaching = group.create_task(loop.attach(WEB_1, [INGRESS, STACK], ("9.9.9.9",)))
        loop.follow(plane())
        networks = await attaching
    assert "swx4097" in node.links
    assert [e.network for e in networks.endpoints] == ["swarmd-ingress0", "swarmd-stacknet"]
    assert networks.resolver == "10.0.0.1"
    assert networks.upstreams == ("9.9.9.9",)


async def test_a_task_waits_for_a_plane_that_knows_it() -> None:
    """The assignment came before the data plane did."""
    loop = OverlayLoop(*ports(Node()), on_made=lambda: None)
    without = msgspec.structs.replace(plane(), networks=plane().networks[:1])
    async with asyncio.timeout(5), asyncio.TaskGroup() as group, beside(loop.run()):
        loop.follow(without)
        await loop.attach(WEB_1, [INGRESS], ())
        attaching = group.create_task(loop.attach(WEB_1, [INGRESS, STACK], ()))
        await asyncio.sleep(0)
        assert not attaching.done()
        loop.follow(plane())
        await attaching


async def test_a_task_whose_network_the_engine_refuses_is_told_why() -> None:
    node = Node()
    node.refused_subnets = {"10.0.1.0/24"}
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), beside(loop.run()):
        loop.follow(plane())
        with pytest.raises(EngineError, match="Pool overlaps"):
            await loop.attach(WEB_1, [INGRESS, STACK], ())


def _renamed() -> DataPlane:
    """The stack's network was removed and made again: another id, but its VNI and subnet."""
    known = plane()
    again = msgspec.structs.replace(known.networks[1], id=AGAIN)
    return msgspec.structs.replace(known, networks=(known.networks[0], again))


async def test_a_network_made_again_waits_for_the_one_before_it_to_go() -> None:
    """`stack rm` and `stack deploy`: containers of before are still being removed."""
    node = Node()
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group, beside(loop.run()):
        loop.follow(plane())
        await loop.attach(WEB_1, [INGRESS, STACK], ())
        node.busy = {"engine2"}
        loop.follow_tasks([ENDING])
        looks = node.looks
        loop.follow(_renamed())
        attaching = group.create_task(loop.attach(WEB_1, [INGRESS, AGAIN], ()))
        for _ in range(40):
            await asyncio.sleep(0)
        assert node.looks > looks
        assert not attaching.done()
        node.busy = set()
        loop.follow_tasks([])
        assert (await attaching).endpoints[1].network == "swarmd-again"
    assert [n.name for n in node.networks.values()] == ["swarmd-ingress0", "swarmd-again"]
    assert node.links["swx4097"]["master"] == "swb4097"


async def test_a_refusal_is_said_once_and_again_when_it_is_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Tasks that wait for the network have it tried every few seconds."""
    node = Node()
    node.refused_subnets = {"10.0.1.0/24"}
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), beside(loop.run()):
        loop.follow(plane())
        for _ in range(3):
            with pytest.raises(EngineError, match="Pool overlaps"):
                await loop.attach(WEB_1, [INGRESS, STACK], ())
    assert [r.message for r in caplog.records] == ["network refused"]


@pytest.mark.parametrize(
    ("is_listed", "words"),
    [
        (True, f"^conflicts with network {'ab' * 32} .br-0.: networks have overlapping IPv4$"),
        (False, "the engine keeps network abababababab and does not list it.*local-kv.db"),
    ],
)
async def test_a_network_of_the_engine_that_is_in_the_way_is_named(
    caplog: pytest.LogCaptureFixture, is_listed: bool, words: str
) -> None:
    """One that the engine lists is the user's to remove; one that it does not, nobody's."""
    node = Node()
    node.kept_subnets = {"10.0.1.0/24": "ab" * 32}
    node.foreign = {"ab" * 32} if is_listed else set()
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), beside(loop.run()):
        loop.follow(plane())
        for _ in range(3):
            with pytest.raises(EngineError, match=words):
                await loop.attach(WEB_1, [INGRESS, STACK], ())
    assert node.tries > len(plane().networks)
    assert [r.message for r in caplog.records] == ["network refused"]


async def test_what_the_host_has_is_told_before_there_is_a_plane_and_when_it_changes() -> None:
    node, told = Node(), asyncio.Event()
    loop = OverlayLoop(*ports(node), on_made=lambda: None, on_host=told.set)
    async with asyncio.timeout(5), beside(loop.run()):
        await told.wait()
        before = loop.host_subnets
        told.clear()
        loop.follow(plane())
        await loop.attach(WEB_1, [INGRESS], ())
        assert not told.is_set()
        node.links["docker0"] = {"addr_info": [{"local": "172.17.0.1", "prefixlen": 16}]}
        loop.look()
        await told.wait()
    assert before == (f"{UNDERLAY}/32",)
    assert loop.host_subnets == ("172.17.0.0/16", *before)


async def test_before_the_first_plane_nothing_is_touched() -> None:
    """A daemon that starts while no manager answers leaves the traffic of its node alone."""
    node = Node()
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), beside(loop.run()):
        loop.look()
        await asyncio.sleep(0)
    assert node.changes == []


async def test_what_stands_on_a_bridge_is_told_when_one_was_made_again() -> None:
    """A user removes a network with the docker CLI; the mesh has routes to put back."""
    node = Node()
    made = asyncio.Event()
    loop = OverlayLoop(*ports(node), on_made=made.set)
    async with asyncio.timeout(5), beside(loop.run()):
        loop.follow(plane())
        await made.wait()
        made.clear()
        await node.remove_network("engine1")
        loop.look()
        await made.wait()


async def test_tasks_that_begin_or_cease_to_serve_change_no_overlay() -> None:
    node = Node()
    loop = OverlayLoop(*ports(node), on_made=lambda: None)
    async with asyncio.timeout(5), beside(loop.run()):
        loop.follow(plane())
        await loop.attach(WEB_1, [INGRESS, STACK], ())
        looks = node.looks
        loop.follow(without_tasks(plane(), {WEB_1}))
        for _ in range(20):
            await asyncio.sleep(0)
    assert node.looks == looks


def test_a_task_is_given_its_addresses_and_their_mac_addresses() -> None:
    networks = task_networks(plane(), WEB_1, ())
    assert [(e.addresses, e.mac) for e in networks.endpoints] == [
        (("10.0.0.101",), "02:42:0a:00:00:65"),
        (("10.0.1.101",), "02:42:0a:00:01:65"),
    ]


def test_the_default_route_of_a_published_task_is_the_way_that_its_clients_came() -> None:
    ingress, stack = task_networks(plane(), WEB_1, ()).endpoints
    assert ingress.gateway_priority > stack.gateway_priority


def test_a_task_that_publishes_nothing_is_not_in_the_ingress_network() -> None:
    networks = task_networks(plane(3), CLIENT_3, ())
    assert [e.network for e in networks.endpoints] == ["swarmd-stacknet"]
    assert networks.resolver == "10.0.1.3"


def test_a_task_of_another_node_has_no_place_here() -> None:
    assert task_networks(plane(), WEB_2, ()).endpoints == ()
    assert task_networks(DataPlane(), WEB_1, ()).endpoints == ()
