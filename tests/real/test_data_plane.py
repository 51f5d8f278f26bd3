"""Overlay, mesh, VIPs and names on three hosts with real engines and the real kernel.

Assertions are about who answers and which client address it saw; deadlines are far longer than what
is expected.  The tests share one cluster and each leaves it as it was.
"""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from swarmd.model.ids import TaskID
from tests.planes import CLIENT_3, WEB_1, WEB_2
from tests.real.plane_cluster import (
    CONNECTED,
    PORT,
    REFUSED,
    SILENT,
    PlaneCluster,
    Seen,
    eventually,
)
from tools.lab.lab import Lab

pytestmark = pytest.mark.real

VIP = "10.0.1.200"
LOOPBACK = "127.0.0.1"
OUTSIDE = 4
WEBS = {WEB_1, WEB_2}
#: Asked so often, in turn, each backend has answered even if the tables were written in between.
_ASKED = 4


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaneCluster]:
    """Service web on nodes 1 and 2, published on 8080 and by UDP on 8053; a client container on node 3."""
    made = PlaneCluster(lab, tmp_path_factory.mktemp("planes"))
    try:
        for number in (1, 2, 3):
            made.start_node(number)
        made.follow()
        for task_id in (WEB_1, WEB_2, CLIENT_3):
            made.start_task(task_id)
        for task_id in (WEB_1, WEB_2):
            made.serve_datagrams(task_id)
        for number in (1, 2, 3):
            eventually_from(partial(made.asked, OUTSIDE, made.ip(number)), WEBS)
        yield made
    finally:
        made.stop()


def eventually_from(ask: Callable[[], Seen | None], tasks: set[TaskID]) -> None:
    """Returns when these tasks, and no others, answer."""
    eventually(lambda: answering(ask) == tasks, f"answers from {sorted(tasks)}")


def answering(ask: Callable[[], Seen | None]) -> set[str]:
    """Who answers; empty text stands for nobody."""
    return {seen.task if seen else "" for seen in (ask() for _ in range(_ASKED))}


def clients(ask: Callable[[], Seen | None]) -> set[tuple[str, str]]:
    """(task, client address that it saw) of several questions."""
    return {
        (seen.task, seen.client) if seen else ("", "") for seen in (ask() for _ in range(_ASKED))
    }


def both_see(client: str) -> set[tuple[str, str]]:
    return {(WEB_1, client), (WEB_2, client)}


@pytest.mark.parametrize("entry", [1, 2, 3])
def test_a_client_outside_reaches_every_task_through_every_node_and_is_seen(
    cluster: PlaneCluster, entry: int
) -> None:
    """Swarm hides the client behind the node; here the task sees it, wherever the task is."""
    assert clients(partial(cluster.asked, OUTSIDE, cluster.ip(entry))) == both_see(cluster.ip(4))


@pytest.mark.parametrize("entry", [1, 2, 3])
def test_datagrams_reach_every_task_through_every_node_and_their_client_is_seen(
    cluster: PlaneCluster, entry: int
) -> None:
    ask = partial(cluster.asked_by_datagram, OUTSIDE, cluster.ip(entry))
    assert clients(ask) == both_see(cluster.ip(4))


@pytest.mark.parametrize("node", [1, 3])
def test_a_node_reaches_every_task_on_its_loopback_address(
    cluster: PlaneCluster, node: int
) -> None:
    """Node 1 has a task of its own, node 3 has none."""
    assert clients(partial(cluster.asked, node, LOOPBACK)) == both_see(f"10.0.0.{node}")


@pytest.mark.parametrize("entry", [1, 2])
def test_a_node_reaches_every_task_on_its_own_and_on_another_nodes_address(
    cluster: PlaneCluster, entry: int
) -> None:
    assert clients(partial(cluster.asked, 1, cluster.ip(entry))) == both_see(f"10.0.0.{entry}")
    by_datagram = partial(cluster.asked_by_datagram, 1, cluster.ip(entry))
    assert clients(by_datagram) == both_see(f"10.0.0.{entry}")


@pytest.mark.parametrize(("task_id", "address"), [(CLIENT_3, "10.0.1.113"), (WEB_1, "10.0.1.101")])
@pytest.mark.parametrize("name", [VIP, "web", "shop_web", "tasks.web", "web.shop_default"])
def test_a_container_reaches_a_service_of_its_network_by_address_and_by_name(
    cluster: PlaneCluster, task_id: TaskID, address: str, name: str
) -> None:
    """web.1 calls its own service, too: its VIP leads to itself now and then."""
    found = clients(partial(cluster.asked_in, task_id, name))
    if name == "tasks.web" and task_id == WEB_1:
        # Its own address without a translation: it sees itself.
        assert {task for task, _ in found} <= WEBS
    else:
        assert found == both_see(address)


def test_a_name_of_one_task_leads_there_alone(cluster: PlaneCluster) -> None:
    assert answering(partial(cluster.asked_in, CLIENT_3, f"web.2.{WEB_2}")) == {WEB_2}


@pytest.mark.parametrize("entry", [1, 3])
@pytest.mark.parametrize("task_id", [CLIENT_3, WEB_1])
def test_a_container_reaches_a_published_port_on_a_nodes_address(
    cluster: PlaneCluster, task_id: TaskID, entry: int
) -> None:
    """web.1 may be answered by itself through its own node: the bridge must send the frame back."""
    ask = partial(cluster.asked_in, task_id, cluster.ip(entry), port=8080)
    assert clients(ask) == both_see(f"10.0.0.{entry}")


def test_long_answers_pass_every_way(cluster: PlaneCluster) -> None:
    """The tunnel carries 50 bytes less than the wire: whoever sends must learn of it."""
    ways = [
        partial(cluster.received, OUTSIDE, cluster.ip(1)),
        partial(cluster.received, OUTSIDE, cluster.ip(3)),
        partial(cluster.received, 3, LOOPBACK),
        partial(cluster.received, 1, cluster.ip(2)),
        partial(cluster.received, 3, VIP, task_id=CLIENT_3),
    ]
    assert [{way() for _ in range(2)} for way in ways] == [{1024 * 1024}] * len(ways)


def test_every_way_works_whether_or_not_bridged_frames_pass_the_firewall(
    cluster: PlaneCluster,
) -> None:
    """Engines with and without bridge-nf-call-iptables."""
    setting = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    before = cluster.lab.run(cluster.host(1), ["cat", setting]).strip()
    other = "0" if before == "1" else "1"
    hosts = [cluster.host(number) for number in (1, 2, 3)]
    try:
        for host in hosts:
            cluster.lab.run(host, ["sh", "-c", f"echo {other} >{setting}"])
        for entry in (1, 3):
            assert answering(partial(cluster.asked, OUTSIDE, cluster.ip(entry))) == WEBS
            assert answering(partial(cluster.asked, entry, LOOPBACK)) == WEBS
            for task_id in (CLIENT_3, WEB_1):
                address = cluster.ip(entry)
                ask = partial(cluster.asked_in, task_id, address, port=8080)
                assert answering(ask) == WEBS
        assert answering(partial(cluster.asked_in, CLIENT_3, "web")) == WEBS
    finally:
        for host in hosts:
            cluster.lab.run(host, ["sh", "-c", f"echo {before} >{setting}"])


def test_a_backend_that_is_withdrawn_gets_no_new_connection_anywhere(
    cluster: PlaneCluster,
) -> None:
    """A task is about to be stopped, or its node is dead: names, VIPs and mesh leave it out."""
    try:
        cluster.follow(withdrawn=[WEB_1])
        eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(1)), {WEB_2})
        eventually_from(partial(cluster.asked, 3, LOOPBACK), {WEB_2})
        eventually_from(partial(cluster.asked_in, CLIENT_3, "web"), {WEB_2})
        eventually_from(partial(cluster.asked_in, CLIENT_3, "tasks.web"), {WEB_2})
    finally:
        cluster.follow()
        for number in (1, 2, 3):
            eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(number)), WEBS)
        eventually_from(partial(cluster.asked_in, CLIENT_3, "web"), WEBS)


@pytest.mark.parametrize("is_inside", [False, True], ids=["published", "vip"])
def test_a_socket_that_goes_on_sending_datagrams_moves_to_a_backend_that_is_left(
    cluster: PlaneCluster, is_inside: bool
) -> None:
    """Statsd, syslog: one socket for the life of a program."""
    if is_inside:
        asking = cluster.ask_until_another(3, VIP, task_id=CLIENT_3)
    else:
        asking = cluster.ask_until_another(OUTSIDE, cluster.ip(3))
    assert asking.stdout is not None
    try:
        first = TaskID(asking.stdout.readline().strip())
        cluster.follow(withdrawn=[first])
        then = asking.stdout.readline().strip()
        assert {first, then} == WEBS
    finally:
        asking.kill()
        asking.communicate()
        cluster.follow()
        for number in (1, 2, 3):
            eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(number)), WEBS)


def test_without_backends_clients_are_refused_at_once(cluster: PlaneCluster) -> None:
    """Not left to wait: the host answers for the port, the namespace for the VIP."""
    outside = partial(cluster.connecting, OUTSIDE, cluster.ip(1), PORT)
    inside = partial(cluster.connecting, 3, VIP, 80, task_id=CLIENT_3)
    assert (outside(), inside()) == (CONNECTED, CONNECTED)
    try:
        cluster.follow(withdrawn=[WEB_1, WEB_2])
        eventually(lambda: outside() == REFUSED, "the port is refused")
        eventually(lambda: inside() == REFUSED, "the VIP is refused")
    finally:
        cluster.follow()
        eventually_from(partial(cluster.asked_in, CLIENT_3, "web"), WEBS)
        eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(1)), WEBS)


def test_traffic_goes_on_while_the_daemon_is_gone_and_after_it_is_back(
    cluster: PlaneCluster,
) -> None:
    cluster.kill_node(1)
    assert answering(partial(cluster.asked, OUTSIDE, cluster.ip(1))) == WEBS
    assert answering(partial(cluster.asked_in, WEB_1, VIP)) == WEBS
    cluster.start_node(1)
    cluster.follow(1)
    cluster.show_tasks(1)
    assert answering(partial(cluster.asked, OUTSIDE, cluster.ip(1))) == WEBS
    assert answering(partial(cluster.asked_in, WEB_1, "web")) == WEBS


@pytest.mark.parametrize(
    "damage",
    [
        "iptables -F DOCKER-USER",
        "nft delete table ip swarmd; nft delete table bridge swarmd",
        "ip route flush proto 93; ip rule del pref 520; ip route flush table 5200",
        "ip link del swx4096",
        "ip link del swb4096; ip link del swb4097",
        "for p in $(ls /sys/class/net/swb4096/brif); do bridge link set dev $p hairpin off; done",
    ],
    ids=["firewall", "tables", "routes", "tunnel", "bridges", "hairpin"],
)
def test_what_somebody_removed_by_hand_is_back_after_a_look(
    cluster: PlaneCluster, damage: str
) -> None:
    cluster.lab.run(cluster.host(1), ["sh", "-c", damage])
    cluster.follow(1)
    for number in (1, 3):
        eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(number)), WEBS)
    ask = partial(cluster.asked_in, WEB_1, cluster.ip(1), port=8080)
    eventually_from(ask, WEBS)
    eventually_from(partial(cluster.asked_in, WEB_1, "web"), WEBS)


def test_the_engine_may_be_restarted_under_the_daemon(cluster: PlaneCluster) -> None:
    """Without live-restore it stops the containers; networks, tables and routes are there again."""
    host = cluster.host(2)
    cluster.lab.stop_engine(host)
    cluster.lab.start_engine(host)
    cluster.restart_task(WEB_2)
    cluster.serve_datagrams(WEB_2)
    eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(2)), WEBS)
    eventually_from(partial(cluster.asked, OUTSIDE, cluster.ip(3)), WEBS)
    eventually_from(partial(cluster.asked_in, WEB_2, "web"), WEBS)


def test_a_container_does_not_reach_what_listens_on_the_hosts_loopback(
    cluster: PlaneCluster,
) -> None:
    """The mesh needs route_localnet, which lets frames for 127.0.0.1 in: the guard drops them."""
    # A container that may change its routes sends such frames to its gateway.
    enter = ["nsenter", "-t", str(cluster.containers[WEB_1].pid), "-n"]
    batch = [*enter, "ip", "-force", "-batch", "-"]
    localnet = "echo {} >/proc/sys/net/ipv4/conf/all/route_localnet"
    loopback = "127.0.0.1/32"
    forge = (
        "route del local 127.0.0.0/8 dev lo table local\n"
        "route del local 127.0.0.1 dev lo table local\n"
        f"route add {loopback} via 10.0.0.1 src 10.0.0.101\n"
    )
    mend = f"route del {loopback}\nroute add local 127.0.0.0/8 dev lo table local\n"
    seen = ["sh", "-c", "conntrack -L --dst 127.0.0.1 --src 10.0.0.101 2>/dev/null"]
    node = cluster.host(1)
    listening = ["busybox", "httpd", "-f", "-p", "127.0.0.1:9099", "-h", "/tmp"]
    server = cluster.lab.popen(node, listening)
    there = partial(cluster.connecting, 1, LOOPBACK, 9099)
    eventually(lambda: there() == CONNECTED, "the host's own service answers")
    cluster.lab.run(node, batch, text=forge)
    cluster.lab.run(node, [*enter, "sh", "-c", localnet.format(1)])
    try:
        cluster.connecting(1, LOOPBACK, 9099, task_id=WEB_1)
        assert cluster.lab.run(node, seen) == ""
        cluster.lab.run(node, ["nft", "flush", "chain", "ip", "swarmd", "guard_loopback"])
        cluster.connecting(1, LOOPBACK, 9099, task_id=WEB_1)
        assert "dport=9099" in cluster.lab.run(node, seen), "the forgery itself does not work"
    finally:
        server.terminate()
        server.wait()
        cluster.lab.run(node, batch, text=mend)
        cluster.lab.run(node, [*enter, "sh", "-c", localnet.format(0)])
        cluster.follow(1)


def test_a_published_task_is_closed_in_the_ingress_network_but_for_its_ports(
    cluster: PlaneCluster,
) -> None:
    """Services that share nothing but the mesh must not reach each other's other ports."""
    assert cluster.connecting(1, "10.0.0.102", 80, task_id=WEB_1) == CONNECTED
    # In their own network nothing listens there, and that is said.
    assert cluster.connecting(1, "10.0.1.102", 81, task_id=WEB_1) == REFUSED
    assert cluster.connecting(1, "10.0.0.102", 81, task_id=WEB_1) == SILENT


def test_leaving_removes_what_is_ours_and_nothing_else(lab: Lab, cluster: PlaneCluster) -> None:
    """Host 3's state after a leave is byte for byte what it was before the first plane."""
    before = cluster.untouched[3]
    cluster.stop()
    assert cluster.traces(3) == before
    for number in (1, 2, 3):
        assert "sw" not in lab.run(cluster.host(number), ["sh", "-c", "ls /sys/class/net"])
