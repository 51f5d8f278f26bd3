"""Who may ask for what."""

import msgspec
import pytest

from swarmd.dns.packets import NOERROR, REFUSED, Answer
from swarmd.dns.upstreams import Upstreams, upstreams
from swarmd.dns.zone import Found, resolve, reverse, turned, zone_of
from swarmd.model.dataplane import DataPlane, PlaneService, ServiceNetwork, without
from swarmd.model.ids import NetworkID, ServiceID
from tests.planes import NODES, STACK, plane

CLIENT = "10.0.1.113"
WEB_1 = "10.0.1.101"
VIP, TASKS = ("10.0.1.200",), ("10.0.1.101", "10.0.1.102")


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("shop_web", VIP),
        ("web", VIP),
        ("tasks.shop_web", TASKS),
        ("tasks.web", TASKS),
        ("web.1.web1", ("10.0.1.101",)),
        ("web.shop_default", VIP),
        ("tasks.web.shop_default", TASKS),
    ],
)
def test_a_task_finds_the_services_of_its_networks(name: str, addresses: tuple[str, ...]) -> None:
    assert resolve(zone_of(plane(3)), CLIENT, name) == Found(NOERROR, Answer(addresses))


@pytest.mark.parametrize("name", ["db", "web.ingress", "example.org", "", "tasks", "shop_default"])
def test_an_unknown_name_is_refused_so_that_the_next_server_is_asked(name: str) -> None:
    assert resolve(zone_of(plane(3)), CLIENT, name) == Found(REFUSED)


@pytest.mark.parametrize("source", ["192.0.2.9", "10.0.1.101", "10.0.1.3"])
def test_nobody_but_this_nodes_own_tasks_gets_an_answer(source: str) -> None:
    """A container elsewhere has a resolver of its own; a host is in no network."""
    assert resolve(zone_of(plane(3)), source, "web") == Found(REFUSED)


def test_a_task_may_ask_from_any_of_its_addresses() -> None:
    """The resolver that the engine was given may be in the ingress network."""
    zone = zone_of(plane(1))
    assert (
        resolve(zone, "10.0.0.101", "web")
        == resolve(zone, WEB_1, "web")
        == Found(NOERROR, Answer(VIP))
    )


def test_names_do_not_pass_between_networks() -> None:
    """Two stacks on one node both publish ports: the ingress network must not join their names."""
    wanted = with_service(plane(1), "other_db", NetworkID("othernet"))
    assert resolve(zone_of(wanted), WEB_1, "other_db") == Found(REFUSED)


def test_a_service_without_vip_stands_for_its_tasks() -> None:
    service = plane().services[0]
    part = msgspec.structs.replace(service.networks[1], virtual_ips=())
    wanted = msgspec.structs.replace(
        plane(3), services=(msgspec.structs.replace(service, networks=(part,)),)
    )
    assert resolve(zone_of(wanted), CLIENT, "web") == Found(NOERROR, Answer(TASKS))


def test_tasks_of_a_dead_node_are_not_named_and_the_vip_stays() -> None:
    zone = zone_of(without(plane(3), lambda backend: backend.node_id == NODES[1]))
    assert resolve(zone, CLIENT, "tasks.web") == Found(NOERROR, Answer(("10.0.1.101",)))
    assert resolve(zone, CLIENT, "web") == Found(NOERROR, Answer(VIP))


def test_an_alias_of_two_services_stands_for_both() -> None:
    wanted = with_service(plane(3), "shop_canary", STACK, aliases=("web",))
    assert resolve(zone_of(wanted), CLIENT, "web").answer.addresses == (*VIP, "10.0.1.201")


def test_answers_come_in_another_order_each_time() -> None:
    assert [turned(TASKS, turn) for turn in range(3)] == [TASKS, TASKS[::-1], TASKS]
    assert turned((), 5) == ()


def test_the_hosts_servers_are_given_to_containers_or_asked_for_them() -> None:
    text = (
        "# made by dhcp\nsearch lan\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.53\n"
    )
    assert upstreams(text) == Upstreams(("192.0.2.53",), ("127.0.0.53", "::1"))
    text = "nameserver\nnameserver lan\nnameserver fe80::1%eth0\n"
    assert upstreams(text) == Upstreams(("fe80::1%eth0",))
    # As the host's own programs do.
    assert upstreams("options edns0\n") == Upstreams((), ("127.0.0.1",))


@pytest.mark.parametrize(
    ("address", "pointer"),
    [
        ("10.0.1.101", "web.1.web1.shop_default"),
        ("10.0.1.200", "shop_web.shop_default"),
        ("10.0.1.99", ""),
        # In the ingress network nobody has a name.
        ("10.0.0.101", ""),
    ],
)
def test_an_address_has_the_name_of_its_task_or_service(address: str, pointer: str) -> None:
    name = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    found = reverse(zone_of(plane(3)), CLIENT, name)
    assert found == (Found(NOERROR, Answer(pointer=pointer)) if pointer else Found(REFUSED))
    assert reverse(zone_of(plane(3)), "192.0.2.99", name) == Found(REFUSED)
    assert reverse(zone_of(plane(3)), CLIENT, address) == Found(REFUSED)


def test_only_a_task_with_a_way_out_asks_servers_outside() -> None:
    """An internal network leads nowhere, by name neither."""
    networks = tuple(
        msgspec.structs.replace(network, is_internal=network.id == STACK)
        for network in plane().networks
    )
    zone = zone_of(msgspec.structs.replace(plane(3), networks=networks))
    assert not zone.askers[CLIENT].is_outward
    zone = zone_of(msgspec.structs.replace(plane(1), networks=networks))
    assert zone.askers["10.0.1.101"].is_outward


def with_service(
    wanted: DataPlane, name: str, network_id: NetworkID, aliases: tuple[str, ...] = ()
) -> DataPlane:
    part = ServiceNetwork(network_id=network_id, virtual_ips=("10.0.1.201",), aliases=aliases)
    service = PlaneService(id=ServiceID(name), name=name, networks=(part,))
    return msgspec.structs.replace(wanted, services=(*wanted.services, service))
