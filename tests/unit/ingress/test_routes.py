"""Routes, hairpins and the engine's firewall: what is missing is added, what is ours and not wanted goes."""

import json

import msgspec

from swarmd.ingress import firewall
from swarmd.ingress.hairpin import BridgePorts, read_ports
from swarmd.ingress.lingering import datagram_backends, forget_commands
from swarmd.ingress.routes import Nobody, nobody_lines, read_routes, route_work, wanted_routes
from swarmd.model.dataplane import DataPlane, PlanePort
from tests.planes import WEB_2, plane, without_tasks

ROUTES = json.dumps(
    [
        {"dst": "10.0.0.102", "gateway": "10.0.0.2", "dev": "swb4096", "flags": []},
        {
            "dst": "default",
            "gateway": "169.254.186.1",
            "dev": "swb4096",
            "table": "5200",
            "flags": ["onlink"],
        },
    ]
)
RULES = json.dumps(
    [
        {"priority": 0, "src": "all", "table": "local"},
        {"priority": 520, "fwmark": "0x5d000000", "fwmask": "0xff000000", "table": "5200"},
    ]
)
NOBODY = "neigh replace 169.254.186.1 lladdr 02:42:00:00:00:fe dev swb4096 nud permanent"


def test_a_task_elsewhere_is_reached_through_its_node() -> None:
    work = route_work(plane(), read_routes("[]", "[]"))
    assert work.before == (
        "route replace 10.0.0.102 via 10.0.0.2 dev swb4096 proto 93",
        "route replace default via 169.254.186.1 dev swb4096 onlink table 5200 proto 93",
        "rule add pref 520 fwmark 0x5d000000/0xff000000 lookup 5200",
    )
    assert work.after == ()
    assert nobody_lines(plane()) == Nobody(
        (NOBODY,), ("fdb replace 02:42:00:00:00:fe dev swx4096 master static",)
    )


def test_what_was_carried_out_is_what_is_wanted() -> None:
    assert wanted_routes(plane()) == read_routes(ROUTES, RULES)
    assert wanted_routes(DataPlane()) == read_routes("[]", "[]")
    work = route_work(plane(), wanted_routes(plane()))
    assert (work.before, work.after) == ((), ())


def test_what_is_there_is_left_alone() -> None:
    work = route_work(plane(), read_routes(ROUTES, RULES))
    assert (work.before, work.after) == ((), ())


def test_a_way_goes_after_the_rules_that_led_there() -> None:
    gone = json.loads(ROUTES)
    gone.append({"dst": "10.0.0.103", "gateway": "10.0.0.3", "dev": "swb4096"})
    work = route_work(plane(), read_routes(json.dumps(gone), RULES))
    assert work.after == ("route del 10.0.0.103 proto 93",)


def test_a_task_that_moved_to_another_node_is_rerouted_without_a_gap() -> None:
    moved = json.loads(ROUTES)
    moved[0]["gateway"] = "10.0.0.3"
    work = route_work(plane(), read_routes(json.dumps(moved), RULES))
    assert work.before == ("route replace 10.0.0.102 via 10.0.0.2 dev swb4096 proto 93",)
    assert work.after == ()


def test_routes_of_others_stay_whatever_their_protocol() -> None:
    """Its number is nobody's by agreement alone; a router's table must not be emptied by it."""
    theirs = json.loads(ROUTES)
    theirs.append({"dst": "10.50.0.0/16", "gateway": "192.0.2.9", "dev": "eth0"})
    assert route_work(plane(), read_routes(json.dumps(theirs), RULES)).after == ()


def test_leaving_takes_every_route_of_ours_and_the_rule() -> None:
    work = route_work(DataPlane(), read_routes(ROUTES, RULES))
    assert work.before == ()
    assert nobody_lines(DataPlane()) == Nobody()
    assert work.after == (
        "route del 10.0.0.102 proto 93",
        "route del default table 5200 proto 93",
        "rule del pref 520 fwmark 0x5d000000/0xff000000 lookup 5200",
    )


def test_a_rule_of_somebody_else_with_our_preference_is_not_ours() -> None:
    foreign = json.dumps([{"priority": 520, "fwmark": "0x1", "table": "100"}])
    assert not read_routes("", foreign).has_rule


def test_ports_of_containers_become_hairpins_and_the_tunnel_does_not() -> None:
    links = [
        {"ifname": "swx4096", "linkinfo": {"info_slave_data": {"hairpin": False}}},
        {"ifname": "veth1", "linkinfo": {"info_slave_data": {"hairpin": False}}},
        {"ifname": "veth2", "linkinfo": {"info_slave_data": {"hairpin": True}}},
        {},
    ]
    ports = read_ports(plane().networks[0], json.dumps(links))
    assert ports == BridgePorts(has_tunnel=True, lines=("link set dev veth1 hairpin on",))


def test_a_bridge_without_its_tunnel_is_not_finished() -> None:
    """The engine has made it, and the overlay is about to go on."""
    assert not read_ports(plane().networks[0], '[{"ifname": "veth1"}]').has_tunnel


def test_datagrams_of_a_backend_that_left_are_forgotten_and_connections_are_not() -> None:
    """A TCP connection may finish while its task drains; a UDP socket would stay for ever."""
    service = plane().services[0]
    udp = PlanePort(protocol="udp", published_port=8053, target_port=53)
    with_udp = msgspec.structs.replace(service, ports=(*service.ports, udp))
    known = msgspec.structs.replace(plane(), services=(with_udp,))
    before = datagram_backends(known)
    now = datagram_backends(without_tasks(known, {WEB_2}))
    assert [" ".join(command) for command in forget_commands(before, now)] == [
        "conntrack -D -p udp --reply-src 10.0.0.102"
    ]
    assert datagram_backends(plane()) == frozenset()


LISTED = """-N DOCKER-USER
-A DOCKER-USER -o swb4099 -m conntrack --ctstate DNAT -j ACCEPT
-A DOCKER-USER -s 192.0.2.0/24 -o swb-lan -j DROP
-A DOCKER-USER -m connmark --mark 0x5d000000/0xff000000 -j ACCEPT
-A DOCKER-USER -m connmark --mark 0x1/0x1 -j ACCEPT
"""


def test_the_firewall_gets_what_is_missing_and_loses_what_is_ours_and_old() -> None:
    """Somebody's own rules in DOCKER-USER, swb-lan's for one, stay as they are."""
    commands = firewall.changes(firewall.accepts(plane()), LISTED)
    assert [" ".join(command[3:]) for command in commands] == [
        "-D DOCKER-USER -o swb4099 -m conntrack --ctstate DNAT -j ACCEPT",
        "-I DOCKER-USER -o swb4096 -m conntrack --ctstate DNAT -j ACCEPT",
        "-I DOCKER-USER -i swb4096 -m conntrack --ctstate DNAT -j ACCEPT",
    ]


def test_leaving_takes_our_rules_alone_out_of_the_firewall() -> None:
    commands = firewall.changes(firewall.accepts(DataPlane()), LISTED)
    assert [" ".join(command[3:]) for command in commands] == [
        "-D DOCKER-USER -o swb4099 -m conntrack --ctstate DNAT -j ACCEPT",
        "-D DOCKER-USER -m connmark --mark 0x5d000000/0xff000000 -j ACCEPT",
    ]


def test_a_firewall_that_is_as_it_should_be_is_left_alone() -> None:
    listed = "\n".join(["-N DOCKER-USER", *firewall.accepts(plane())])
    assert firewall.changes(firewall.accepts(plane()), listed) == []
