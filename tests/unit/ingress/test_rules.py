"""The host's tables and a container's, as text; the kernel judges them in `tests/real`."""

import msgspec

from swarmd.ingress.rules import host_rules
from swarmd.ingress.vip import ContainerRules
from swarmd.model.dataplane import (
    DataPlane,
    LocalTask,
    PlanePort,
    without,
)
from swarmd.model.ids import NetworkID, ServiceID
from tests.planes import CLIENT_3, INGRESS, NODES, STACK, WEB_1, WEB_2, plane, without_tasks

WEB = LocalTask(
    task_id=WEB_1,
    service_id=ServiceID("webservice"),
    container_id="c1",
    pid=7,
    addresses={INGRESS: ("10.0.0.101",), STACK: ("10.0.1.101",)},
)
CLIENT = LocalTask(
    task_id=CLIENT_3,
    service_id=ServiceID("client"),
    container_id="c3",
    pid=8,
    addresses={STACK: ("10.0.1.113",)},
)


def container_rules(wanted: DataPlane, task: LocalTask) -> str:
    return ContainerRules(wanted).of(task).text


def lines(text: str, *words: str) -> list[str]:
    """Lines with all these words in them."""
    return [line for line in text.splitlines() if all(word in line for word in words)]


def test_both_tables_are_replaced_in_one_transaction() -> None:
    text = host_rules(plane())
    assert text.splitlines()[:5] == [
        "add table ip swarmd",
        "delete table ip swarmd",
        "add table bridge swarmd",
        "delete table bridge swarmd",
        "add table ip swarmd",
    ]


def test_a_published_port_leads_to_every_backend_and_to_one_of_them_at_least() -> None:
    """The constant last rule catches what a map misses while another transaction commits."""
    text = host_rules(plane())
    assert lines(text, "tcp_8080", "dnat") == [
        (
            "add rule ip swarmd tcp_8080 meta l4proto tcp dnat ip addr . port to "
            "numgen inc mod 2 map { 0 : 10.0.0.101 . 80, 1 : 10.0.0.102 . 80 }"
        ),
        "add rule ip swarmd tcp_8080 meta l4proto tcp dnat to 10.0.0.101:80",
    ]
    assert lines(text, "add map", "ports")[0].endswith(
        "elements = { tcp . 8080 : goto tcp_8080 }; }"
    )


def test_one_port_number_may_be_published_for_tcp_and_for_udp() -> None:
    service = plane().services[0]
    udp = PlanePort(protocol="udp", published_port=8080, target_port=53)
    both = msgspec.structs.replace(service, ports=(*service.ports, udp))
    text = host_rules(msgspec.structs.replace(plane(), services=(both,)))
    assert "tcp . 8080 : goto tcp_8080, udp . 8080 : goto udp_8080" in text
    assert lines(text, "udp_8080", "10.0.0.102 . 53")


def test_ports_of_mode_host_are_open_beside_those_of_the_mesh() -> None:
    """The engine sends their clients to the container's address in the ingress network."""
    both = msgspec.structs.replace(WEB, host_ports=(("tcp", 81), ("tcp", 80)))
    text = container_rules(plane(), both)
    assert lines(text, "add set", "published")[0].endswith("{ tcp . 80, tcp . 81 }; }")


def test_a_port_that_a_program_has_is_left_to_it() -> None:
    text = host_rules(plane(), {("tcp", 8080)})
    assert "8080" not in text
    assert "udp . 8080" not in text


def test_the_nodes_resolver_is_asked_whatever_is_published() -> None:
    """A service that publishes port 53 would take every container's names away."""
    text = host_rules(plane())
    rule = "ip daddr { 10.0.0.1, 10.0.1.1 } meta l4proto { tcp, udp } th dport 53 return"
    for chain in ("arriving", "leaving"):
        own, others = lines(text, f"add rule ip swarmd {chain} ")
        assert own.endswith(rule)
        assert others.endswith("vmap @ports")


def test_clients_beside_the_nodes_are_kept_though_a_network_was_given_their_subnet() -> None:
    """It is refused on every node; its subnet stays that of the machines around."""
    known = plane()
    wrong = msgspec.structs.replace(
        known.networks[1], id=NetworkID("wrong"), subnets=("192.0.2.0/24",), vni=4099
    )
    text = host_rules(msgspec.structs.replace(known, networks=(*known.networks, wrong)))
    assert lines(text, "hide", "ip saddr") == lines(host_rules(known), "hide", "ip saddr")


def test_a_port_without_backends_is_left_to_the_host_which_refuses() -> None:
    text = host_rules(without_tasks(plane(), {WEB_1, WEB_2}))
    assert "8080" not in text
    assert lines(text, "add map", "ports") == [
        "add map ip swarmd ports { type inet_proto . inet_service : verdict;  }"
    ]


def test_backends_of_a_dead_node_get_no_connections_and_its_bridge_stays_known() -> None:
    text = host_rules(without(plane(), lambda backend: backend.node_id == NODES[1]))
    assert "10.0.0.102 ." not in text
    assert "02:42:0a:00:00:02 : 0x5d000002" in text


def test_the_way_back_of_a_connection_follows_from_the_entry_nodes_address() -> None:
    """A node that joins or leaves must not change the mark of a connection that is open."""
    first = lines(host_rules(plane()), "map ip swarmd nodes")[0]
    fewer = msgspec.structs.replace(plane(), nodes=plane().nodes[:2])
    assert lines(host_rules(fewer), "map ip swarmd nodes")[0] == first
    assert lines(host_rules(plane()), "map bridge swarmd nodes")[0].endswith(
        "elements = { 0x5d000002 : 02:42:0a:00:00:02, 0x5d000003 : 02:42:0a:00:00:03 }; }"
    )


def test_sources_that_are_hidden_overlap_nowhere() -> None:
    """The kernel refuses a set of intervals that overlap: two nodes behind one address."""
    nodes = tuple(
        msgspec.structs.replace(node, addresses=(f"10.0.1.{index}", "198.51.100.7"))
        for index, node in enumerate(plane().nodes)
    )
    text = host_rules(msgspec.structs.replace(plane(), nodes=nodes))
    hidden = "10.0.0.0/24, 10.0.1.0/31, 10.0.1.2/32, 192.0.2.1/32, 192.0.2.2/31, 198.51.100.7/32"
    assert f"ip saddr {{ {hidden} }} snat" in text


def test_only_nodes_may_send_frames_of_our_networks() -> None:
    assert lines(host_rules(plane()), "guard_tunnel", "drop") == [
        (
            "add rule ip swarmd guard_tunnel udp dport 4789 @th,96,24 { 4096, 4097 } "
            "ip saddr != { 192.0.2.1, 192.0.2.2, 192.0.2.3 } drop"
        )
    ]


def test_networks_open_neither_the_hosts_loopback_nor_themselves_to_who_was_not_led_there() -> None:
    """Nor do hosts tell containers of shorter ways: they would believe it, and miss translations."""
    text = host_rules(plane())
    assert lines(text, "add rule", "guard_loopback") == [
        'add rule ip swarmd guard_loopback iifname "swb*" ip daddr 127.0.0.0/8 drop'
    ]
    assert lines(text, "add rule", "guard_redirect") == [
        'add rule ip swarmd guard_redirect oifname "swb*" icmp type redirect drop'
    ]
    inward = 'add rule ip swarmd guard_forward iifname != "swb*" oifname "swb*"'
    assert lines(text, "add rule", "guard_forward") == [
        f"{inward} ct status dnat accept",
        f"{inward} ct state new drop",
    ]
    hooks = {"loopback": "prerouting", "redirect": "output", "forward": "forward"}
    for guard, hook in hooks.items():
        assert lines(text, "add chain", f"guard_{guard}", f"hook {hook} ")


def test_a_node_that_asks_itself_is_hidden_behind_its_ingress_address() -> None:
    """Tasks elsewhere would answer 127.0.0.1 to themselves."""
    text = host_rules(plane())
    own = 'oifname "swb4096" ct status dnat fib saddr type local snat to 10.0.0.1'
    assert f"add rule ip swarmd hide {own}" in text.splitlines()


def test_the_mark_of_an_answer_ends_at_the_last_step() -> None:
    """VXLAN's outer packet would be routed by it as well, to the neighbour that does not exist."""
    (step,) = lines(host_rules(plane()), "add rule bridge swarmd back")
    assert 'oifname "swx4096" meta mark and 0xff000000 == 0x5d000000' in step
    assert step.endswith("ether daddr set meta mark map @nodes meta mark set 0")


def test_a_node_without_networks_has_no_table() -> None:
    assert host_rules(DataPlane()).splitlines() == [
        "add table ip swarmd",
        "delete table ip swarmd",
        "add table bridge swarmd",
        "delete table bridge swarmd",
    ]


def test_a_node_outside_the_ingress_network_still_guards_its_others() -> None:
    text = host_rules(msgspec.structs.replace(plane(), networks=plane().networks[1:]))
    assert "guard_tunnel" in text
    assert "dnat" not in text.replace("ct status dnat", "")


def test_a_container_translates_the_vips_of_its_own_networks() -> None:
    text = container_rules(plane(3), CLIENT)
    assert lines(text, "vip_10_0_1_200", "dnat") == [
        (
            "add rule ip swarmd vip_10_0_1_200 dnat to "
            "numgen inc mod 2 map { 0 : 10.0.1.101, 1 : 10.0.1.102 }"
        ),
        "add rule ip swarmd vip_10_0_1_200 dnat to 10.0.1.101",
    ]
    assert "published" not in text


def test_a_container_knows_no_vip_of_a_network_that_it_is_not_in() -> None:
    elsewhere = msgspec.structs.replace(CLIENT, addresses={NetworkID("other"): ("10.0.9.9",)})
    assert "10.0.1.200" not in container_rules(plane(3), elsewhere)


def test_a_vip_without_backends_refuses_at_once() -> None:
    """Instead of the minutes that a client waits for an address that nobody has."""
    text = container_rules(without_tasks(plane(3), {WEB_1, WEB_2}), CLIENT)
    assert lines(text, "vip_10_0_1_200", "mark set 0x5dffffff")
    assert lines(text, "refuse", "reject with tcp reset")


def test_a_table_that_opens_another_port_does_more_than_add_a_backend() -> None:
    (service,) = plane().services
    change = msgspec.structs.replace
    more = change(service, ports=(*service.ports, change(service.ports[0], target_port=81)))
    before = ContainerRules(plane()).of(WEB)
    after = ContainerRules(change(plane(), services=(more,))).of(WEB)
    assert after.text != before.text
    assert not after.only_adds_to(before)


def test_a_backend_that_another_vip_leads_to_is_not_one_more() -> None:
    """Its address was given again, to a task of another service."""
    (service,) = plane().services
    change = msgspec.structs.replace

    def behind(first: int, second: int) -> DataPlane:
        """Two services in the stack's network, with these backends of the plane's."""
        stack = service.networks[1]
        parts = (
            change(stack, backends=stack.backends[:first]),
            change(stack, virtual_ips=("10.0.1.201",), backends=stack.backends[second:]),
        )
        return change(plane(), services=tuple(change(service, networks=(part,)) for part in parts))

    before, after = (ContainerRules(behind(*cuts)).of(CLIENT) for cuts in ((2, 1), (1, 0)))
    assert before.backends() == after.backends()
    assert not after.only_adds_to(before)
    assert not before.only_adds_to(after)


def test_a_published_task_takes_its_target_ports_and_nothing_else_from_the_mesh() -> None:
    text = container_rules(plane(), WEB)
    assert lines(text, "add set", "elements = { tcp . 80 }")
    assert lines(text, "guard_ingress", "drop") == [
        'add rule ip swarmd guard_ingress iifname != "lo" ip daddr { 10.0.0.101 } ct state new drop'
    ]


def test_the_same_plane_gives_the_same_text() -> None:
    assert host_rules(plane()) == host_rules(plane())
    assert container_rules(plane(), WEB) == container_rules(plane(), WEB)
