"""Wanted minus observed, over nodes in every state that a crash or a hand can leave."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.errors import EngineError
from swarmd.model.dataplane import DataPlane, Endpoint, LocalTask, PlaneNetwork, PlaneNode
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID
from swarmd.overlay.carry import carry_out, leave, observe
from swarmd.overlay.clash import host_subnets
from swarmd.overlay.observe import Link, Observed, read
from swarmd.overlay.plan import Work, plan
from tests.planes import INGRESS, NODES, STACK, plane
from tests.unit.overlay.node import Node, PowerFailureError, ports, snapshot


async def reconcile(node: Node, wanted: DataPlane, *tasks: LocalTask) -> Work:
    """One round; what it had to do."""
    engine, kernel = ports(node)
    work = plan(wanted, await observe(engine, kernel), tasks)
    await carry_out(engine, kernel, work)
    return work


async def settled(wanted: DataPlane) -> Node:
    node = Node()
    await reconcile(node, wanted)
    return node


def is_idle(work: Work) -> bool:
    """Nothing but settings, which are written each time."""
    return not (work.removals or work.orphans) and all(
        msgspec.structs.replace(network, sysctls=())
        == type(network)(id=network.id, bridge=network.bridge)
        for network in work.networks
    )


async def test_a_network_is_an_engine_bridge_with_one_port_and_an_entry_for_everybody_elsewhere() -> (
    None
):
    node = await settled(plane())
    assert [line for line in node.changes if "4096" in line or "ingress0" in line] == [
        "create swarmd-ingress0",
        "link set swb4096 address 02:42:0a:00:00:01",
        "link add swx4096 mtu 1450 type vxlan id 4096 local 192.0.2.1 dstport 4789 nolearning proxy",
        "link set swx4096 master swb4096 up",
        "neigh replace 10.0.0.2 lladdr 02:42:0a:00:00:02 dev swx4096 nud permanent",
        "neigh replace 10.0.0.3 lladdr 02:42:0a:00:00:03 dev swx4096 nud permanent",
        "neigh replace 10.0.0.102 lladdr 02:42:0a:00:00:66 dev swx4096 nud permanent",
        "fdb replace 02:42:0a:00:00:02 dev swx4096 dst 192.0.2.2 self permanent",
        "fdb replace 02:42:0a:00:00:03 dev swx4096 dst 192.0.2.3 self permanent",
        "fdb replace 02:42:0a:00:00:66 dev swx4096 dst 192.0.2.2 self permanent",
    ]
    assert node.settings == {
        "net/ipv4/conf/swb4096/rp_filter": "2",
        "net/ipv4/conf/swb4096/route_localnet": "1",
        "net/ipv4/conf/swb4097/rp_filter": "2",
    }


def test_the_engine_gets_the_whole_subnet_and_not_one_address_to_give() -> None:
    """`docker run --network` on the engine's own socket must not take what another node uses."""
    work = plan(plane(), Observed())
    body = json.loads(work.networks[1].body)
    assert body == {
        "Name": "swarmd-stacknet",
        "Driver": "bridge",
        "CheckDuplicate": True,
        "IPAM": {
            "Config": [{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1", "IPRange": "10.0.1.1/32"}]
        },
        "Options": {
            "com.docker.network.bridge.name": "swb4097",
            "com.docker.network.driver.mtu": "1450",
        },
        "Labels": {
            "swarmd.network": "stacknet",
            "swarmd.vni": "4097",
            "swarmd.subnets": "10.0.1.0/24",
            "swarmd.gateways": "10.0.1.1",
            "swarmd.internal": "false",
        },
    }


async def test_a_second_look_finds_nothing_to_do() -> None:
    node = await settled(plane())
    assert is_idle(await reconcile(node, plane()))


@given(st.integers(0, 40))
async def test_cut_after_any_change_the_next_round_ends_where_an_uncut_one_does(cut: int) -> None:
    """The daemon is killed, or the host loses power, in the middle of a round."""
    node = Node()
    node.budget = cut
    try:
        await reconcile(node, plane())
    except PowerFailureError:
        node.budget = 10**6
        await reconcile(node, plane())
    assert snapshot(node) == snapshot(await settled(plane()))
    assert is_idle(await reconcile(node, plane()))


async def test_a_new_task_elsewhere_is_one_entry_pair_and_nothing_else() -> None:
    node = await settled(plane())
    node.changes.clear()
    await reconcile(node, with_endpoint(plane(), "10.0.1.9", node=2))
    assert node.changes == [
        "neigh replace 10.0.1.9 lladdr 02:42:0a:00:01:09 dev swx4097 nud permanent",
        "fdb replace 02:42:0a:00:01:09 dev swx4097 dst 192.0.2.2 self permanent",
    ]


async def test_an_address_that_moves_to_another_node_never_loses_its_entry() -> None:
    """A slot is given its predecessor's address, on another node."""
    node = await settled(with_endpoint(plane(), "10.0.1.9", node=2))
    node.changes.clear()
    await reconcile(node, with_endpoint(plane(), "10.0.1.9", node=3))
    assert node.changes == [
        "fdb replace 02:42:0a:00:01:09 dev swx4097 dst 192.0.2.3 self permanent"
    ]


async def test_an_address_that_comes_here_is_no_longer_answered_for_elsewhere() -> None:
    node = await settled(with_endpoint(plane(), "10.0.1.9", node=2))
    node.changes.clear()
    await reconcile(node, with_endpoint(plane(), "10.0.1.9", node=1))
    assert node.changes == [
        "neigh del 10.0.1.9 dev swx4097",
        "fdb del 02:42:0a:00:01:09 dev swx4097 dst 192.0.2.2 self",
    ]


async def test_a_network_that_is_not_wanted_goes_with_its_port() -> None:
    node = await settled(plane())
    node.changes.clear()
    await reconcile(node, only(plane(), INGRESS))
    assert node.changes == ["remove engine2", "link del swx4097"]


async def test_the_port_stays_while_the_engine_keeps_the_network() -> None:
    """A container that is still being stopped goes on being reached."""
    node = await settled(plane())
    node.busy = {"engine2"}
    await reconcile(node, only(plane(), INGRESS))
    assert {"swb4097", "swx4097"} <= node.links.keys()
    node.busy = set()
    await reconcile(node, only(plane(), INGRESS))
    assert not {"swb4097", "swx4097"} & node.links.keys()


async def test_a_network_removed_by_hand_is_made_again_with_the_port_that_it_left() -> None:
    node = await settled(plane())
    before = snapshot(node)
    engine, _ = ports(node)
    await engine.remove_network("engine2")
    node.changes.clear()
    await reconcile(node, plane())
    assert snapshot(node) == before
    assert not [line for line in node.changes if line.startswith("link add")]


def _local(number: int, *network_ids: NetworkID) -> LocalTask:
    """web.1's container, or another."""
    addresses = {INGRESS: (f"10.0.0.{number}",), STACK: (f"10.0.1.{number}",)}
    return LocalTask(
        task_id=TaskID(f"web{number}"),
        service_id=ServiceID("webservice"),
        container_id=f"c{number}",
        pid=number,
        addresses={network_id: addresses[network_id] for network_id in network_ids},
    )


async def _with_containers() -> Node:
    """Node 1 with one container in both networks; the engine does not remove them then."""
    node = await settled(plane())
    node.busy = {"engine1", "engine2"}
    node.links["veth1"] = {"ifindex": 11, "master": "swb4096"}
    node.links["veth2"] = {"ifindex": 12, "master": "swb4097"}
    # Somebody else's, that has no master either.
    node.links["cali1"] = {"ifindex": 13}
    node.inside["101"] = [
        {"ifname": "lo", "address": "00:00:00:00:00:00"},
        {"ifname": "eth0", "address": "02:42:0a:00:00:65", "link_index": 11},
        {"ifname": "eth1", "address": "02:42:0a:00:01:65", "link_index": 12},
    ]
    node.changes.clear()
    return node


async def test_a_bridge_deleted_under_its_containers_is_made_again_and_they_are_put_back() -> None:
    """The engine keeps a network that has containers, without its bridge, until it is restarted."""
    node = await _with_containers()
    task = _local(101, INGRESS, STACK)
    assert is_idle(await reconcile(node, plane(), task))
    node.delete_link("swb4097")
    await reconcile(node, plane(), task)
    assert node.changes == [
        "link add swb4097 type bridge",
        "addr add 10.0.1.1/24 dev swb4097",
        "link set swb4097 alias swarmd",
        "link set swb4097 mtu 1450 up",
        "link set swb4097 address 02:42:0a:00:01:01",
        "link set swx4097 master swb4097 up",
        "link set veth2 master swb4097 up",
    ]
    assert is_idle(await reconcile(node, plane(), task))


async def test_a_daemon_that_died_before_it_had_put_them_back_goes_on_from_there() -> None:
    node = await _with_containers()
    task = _local(101, INGRESS, STACK)
    node.delete_link("swb4097")
    node.budget = 6
    with pytest.raises(PowerFailureError):
        await reconcile(node, plane(), task)
    node.budget = 10
    await reconcile(node, plane(), task)
    assert node.links["veth2"]["master"] == "swb4097"
    assert is_idle(await reconcile(node, plane(), task))


async def test_a_bridge_that_the_engine_did_not_make_goes_with_its_network() -> None:
    node = await _with_containers()
    task = _local(101, INGRESS, STACK)
    node.delete_link("swb4097")
    await reconcile(node, plane(), task)
    node.busy = set()
    less = msgspec.structs.replace(plane(), networks=plane().networks[:1])
    await reconcile(node, less)
    assert "swb4097" in node.links
    await reconcile(node, less)
    assert "swb4097" not in node.links
    await leave(*ports(node))
    assert [name for name in node.links if name.startswith("sw")] == []


async def test_leaving_takes_bridges_that_the_engine_did_not_make() -> None:
    node = await _with_containers()
    node.delete_link("swb4097")
    await reconcile(node, plane(), _local(101, INGRESS, STACK))
    node.busy = set()
    await leave(*ports(node))
    assert [name for name in node.links if name.startswith("sw")] == []


async def test_a_container_that_has_ended_meanwhile_is_not_looked_into() -> None:
    node = await _with_containers()
    ended = _local(109, STACK)
    await reconcile(node, plane(), _local(101, INGRESS, STACK), ended)
    assert node.changes == []


async def test_a_bridge_deleted_by_hand_is_made_again_by_the_engine() -> None:
    node = await settled(plane())
    before = snapshot(node)
    await node.ip(["link del swb4096"])
    await reconcile(node, plane())
    assert snapshot(node) == before


async def test_a_node_whose_address_in_a_network_changed_gets_the_network_anew() -> None:
    node = await settled(plane())
    moved = plane()
    endpoints = tuple(
        msgspec.structs.replace(e, addresses=("10.0.1.77",)) if e.addresses == ("10.0.1.1",) else e
        for e in moved.networks[1].endpoints
    )
    moved = with_network(moved, msgspec.structs.replace(moved.networks[1], endpoints=endpoints))
    await reconcile(node, moved)
    assert node.links["swb4097"]["address"] == "02:42:0a:00:01:4d"
    assert len(node.networks) == 2
    assert is_idle(await reconcile(node, moved))


async def test_a_port_on_another_udp_port_is_another_device() -> None:
    node = await settled(plane())
    moved = msgspec.structs.replace(plane(), vxlan_port=4790)
    await reconcile(node, moved)
    assert "dstport 4790" in " ".join(node.changes)
    assert is_idle(await reconcile(node, moved))


async def test_a_subnet_that_the_engine_uses_elsewhere_stops_only_its_own_network() -> None:
    node = Node()
    node.refused_subnets = {"10.0.0.0/24"}
    engine, kernel = ports(node)
    work = plan(plane(), await observe(engine, kernel))
    outcome = await carry_out(engine, kernel, work)
    assert list(outcome.refused) == [INGRESS]
    assert str(outcome.refused[INGRESS]) == "Pool overlaps: 10.0.0.0/24"
    assert "swx4097" in node.links


async def test_a_network_with_the_subnet_of_the_hosts_own_network_is_refused() -> None:
    """A host in a cloud's 10.0.0.0/24: the bridge would take it off its network."""
    node = Node()
    node.links["eth1"] = {"mtu": 1500, "addr_info": [{"local": "10.0.0.77", "prefixlen": 24}]}
    engine, kernel = ports(node)
    outcome = await carry_out(engine, kernel, plan(plane(), await observe(engine, kernel)))
    assert str(outcome.refused[INGRESS]) == (
        "network ingress (10.0.0.0/24) overlaps that of eth1 (10.0.0.0/24): create it with another "
        "subnet, or init the swarm with another --default-addr-pool"
    )
    assert "swb4096" not in node.links
    assert "swb4097" in node.links


def test_the_subnets_of_the_host_are_those_of_all_links_but_ours() -> None:
    links = [
        Link(name="lo", subnets=("127.0.0.1/8", "::1/128")),
        Link(name="eth0", subnets=("192.0.2.7/24", "fe80::1/64", "2001:db8::7/64")),
        Link(name="br-1", subnets=("172.18.0.1/16",)),
        Link(name="eth0.7", subnets=("192.0.2.9/24",)),
        Link(name="swb4096", subnets=("10.0.0.2/16",)),
    ]
    assert host_subnets(links) == ("172.18.0.0/16", "192.0.2.0/24", "2001:db8::/64")


def test_a_network_that_holds_another_nodes_address_is_refused() -> None:
    """Nodes reach each other over a router; frames to them would stay on the bridge."""
    nodes = (*plane().nodes, PlaneNode(id=NodeID("far"), data_path="10.0.1.250"))
    works = plan(msgspec.structs.replace(plane(), nodes=nodes), Observed()).networks
    assert "the address of node far" in works[1].refusal
    assert works[1].body == b""
    assert works[0].refusal == ""


async def test_a_network_that_stands_already_is_not_taken_down_for_an_address_that_came() -> None:
    node = await settled(plane())
    node.links["eth1"] = {"mtu": 1500, "addr_info": [{"local": "10.0.0.77", "prefixlen": 24}]}
    assert is_idle(await reconcile(node, plane()))


async def test_leaving_removes_what_is_ours_and_nothing_else() -> None:
    node = Node()
    node.links["vxlan9"] = {"linkinfo": {"info_kind": "vxlan", "info_data": {"id": 9}}}
    node.links["swxyz"] = {"linkinfo": {"info_kind": "veth"}}
    before = snapshot(node)
    await reconcile(node, plane())
    node.settings.clear()
    await leave(*ports(node))
    assert snapshot(node) == before


async def test_leaving_says_so_while_containers_are_attached() -> None:
    node = await settled(plane())
    node.busy = {"engine1"}
    with pytest.raises(EngineError, match="attached"):
        await leave(*ports(node))


def test_the_frames_are_as_long_as_the_way_carries() -> None:
    links = json.dumps([{"ifname": "eth0", "mtu": 9000, "addr_info": [{"local": "192.0.2.1"}]}])
    work = plan(plane(), read([], links, "[]", "[]"))
    assert "mtu 8950" in work.networks[0].links[1]
    smaller = with_network(plane(), msgspec.structs.replace(plane().networks[1], mtu=1300))
    assert "mtu 1300" in plan(smaller, read([], links, "[]", "[]")).networks[1].links[1]


def test_an_internal_network_is_internal_in_the_engine() -> None:
    internal = with_network(plane(), msgspec.structs.replace(plane().networks[1], is_internal=True))
    assert json.loads(plan(internal, Observed()).networks[1].body)["Internal"] is True


def test_a_network_without_an_address_for_this_node_is_not_made() -> None:
    """The manager has named the network and not yet this node's address in it."""
    network = plane().networks[1]
    others = tuple(e for e in network.endpoints if e.node_id != NODES[0])
    without = with_network(plane(), msgspec.structs.replace(network, endpoints=others))
    assert [work.id for work in plan(without, Observed()).networks] == [INGRESS]


def test_tools_that_list_nothing_are_understood() -> None:
    assert read([], "[]", "", "[{}]") == Observed()


def with_endpoint(wanted: DataPlane, address: str, *, node: int) -> DataPlane:
    """With one task more in the stack's network."""
    network = wanted.networks[1]
    endpoint = Endpoint(addresses=(address,), node_id=NODES[node - 1], task_id=TaskID("more"))
    endpoints = (*network.endpoints, endpoint)
    return with_network(wanted, msgspec.structs.replace(network, endpoints=endpoints))


def with_network(wanted: DataPlane, network: PlaneNetwork) -> DataPlane:
    networks = tuple(network if n.id == network.id else n for n in wanted.networks)
    return msgspec.structs.replace(wanted, networks=networks)


def only(wanted: DataPlane, network_id: str) -> DataPlane:
    networks = tuple(n for n in wanted.networks if n.id == network_id)
    assert network_id != STACK
    return msgspec.structs.replace(wanted, networks=networks)
