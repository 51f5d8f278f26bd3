"""What a node is told of networks, services and other nodes, and when it is told again."""

import msgspec
import pytest
from hypothesis import given, settings

from swarmd.model.cluster import Cluster as ClusterRecord
from swarmd.model.dataplane import (
    NO_TASK,
    DataPlane,
    Endpoint,
    PlaneNetwork,
    PlaneNode,
    PlanePort,
    PlaneService,
    ServiceNetwork,
)
from swarmd.model.ids import NetworkID, NodeID
from swarmd.model.network import Network, NetworkSpec
from swarmd.model.node import NodeDescription
from swarmd.model.planeparts import PlaneChange
from swarmd.model.spec import (
    ContainerSpec,
    EndpointSpec,
    NetworkAttachmentConfig,
    PortConfig,
    ServiceSpec,
)
from swarmd.model.task import TaskState
from swarmd.store.entry import PutCluster, PutNetwork
from swarmd.wire.packed import unpack
from tests.unit.dispatcher.cluster import Cluster, constraints, spec
from tests.unit.dispatcher.follower import Follower, plane_of
from tests.unit.dispatcher.test_allocate import attached, with_network
from tests.unit.dispatcher.test_properties import EVENTS, happen

N1, N2 = NodeID("n1"), NodeID("n2")
INGRESS, A = NetworkID("ingress"), NetworkID("a")
MTU = "com.docker.network.driver.mtu"


def network_of(plane: DataPlane, network_id: NetworkID = A) -> PlaneNetwork:
    [found] = [network for network in plane.networks if network.id == network_id]
    return found


def service_of(plane: DataPlane, name: str = "web") -> PlaneService:
    [found] = [service for service in plane.services if service.name == name]
    return found


def part_of(plane: DataPlane, network_id: NetworkID = A, name: str = "web") -> ServiceNetwork:
    part = service_of(plane, name).in_network(network_id)
    assert part is not None
    return part


def backend_nodes(plane: DataPlane) -> list[NodeID]:
    return sorted(backend.node_id for backend in part_of(plane).backends)


def with_web(nodes: int = 3, replicas: int = 3) -> Cluster:
    """A service that runs in network `a`, one task on each node."""
    cluster = Cluster(nodes)
    with_network(cluster, "a", "10.9.0.0/24")
    cluster.deploy(spec(replicas, networks=attached("a")))
    cluster.settle()
    return cluster


# ---- networks and endpoints


def test_a_node_is_told_of_the_networks_in_which_it_has_an_address() -> None:
    cluster = with_web(nodes=2, replicas=1)
    [task] = cluster.tasks()
    other = N2 if task.node_id == N1 else N1
    assert [n.id for n in plane_of(cluster, task.node_id).networks] == [INGRESS, A]
    assert [n.id for n in plane_of(cluster, other).networks] == [INGRESS]


def test_a_network_without_a_vni_is_not_told_yet() -> None:
    """Between the commit of a network and the round that allocates it."""
    cluster = with_web(nodes=1)
    known = cluster.tables.network(A)
    assert known is not None
    cluster.commit(PutNetwork(record=msgspec.structs.replace(known, vni=0)))
    assert [n.id for n in plane_of(cluster).networks] == [INGRESS]


def test_a_network_is_told_with_its_vni_its_subnets_and_its_traits() -> None:
    cluster = with_web()
    known = cluster.tables.network(A)
    assert known is not None
    traits = msgspec.structs.replace(known.spec, internal=True, options={MTU: "1400"})
    cluster.commit(PutNetwork(record=msgspec.structs.replace(known, spec=traits)))
    plane = plane_of(cluster)
    network = network_of(plane)
    assert (network.name, network.vni, network.subnets) == ("a", 4097, ("10.9.0.0/24",))
    assert (network.mtu, network.is_internal, network.is_ingress) == (1400, True, False)
    assert plane.ingress is not None
    assert (plane.ingress.id, plane.ingress.mtu) == (INGRESS, 0)


@pytest.mark.parametrize("text", ["", "large", "-1", "1.5", "\u00b2", "\u0664", "9" * 5000])
def test_a_network_whose_mtu_makes_no_sense_does_not_stop_the_others(text: str) -> None:
    cluster = with_web()
    known = cluster.tables.network(A)
    assert known is not None
    odd = msgspec.structs.replace(known.spec, options={MTU: text})
    cluster.commit(PutNetwork(record=msgspec.structs.replace(known, spec=odd)))
    assert [n.mtu for n in plane_of(cluster).networks] == [0, 0]


def test_a_network_has_an_endpoint_for_each_node_and_each_task_in_it() -> None:
    cluster = with_web(nodes=2, replicas=2)
    endpoints = network_of(plane_of(cluster)).endpoints
    own = [e for e in endpoints if e.task_id == NO_TASK]
    nodes = [cluster.tables.node(name) for name in (N1, N2)]
    assert own == [
        Endpoint(addresses=(node.address_in(A) or "",), node_id=node.id) for node in nodes if node
    ]
    tasks = sorted(cluster.tasks(), key=lambda task: task.id)
    assert list(endpoints[len(own) :]) == [
        Endpoint(addresses=t.attachments[0].addresses, node_id=t.node_id, task_id=t.id)
        for t in tasks
    ]


def test_an_assigned_task_has_an_endpoint_before_it_is_a_backend() -> None:
    """Forwarding must stand by the time its container starts."""
    cluster = Cluster(nodes=1)
    with_network(cluster, "a", "10.9.0.0/24")
    cluster.deploy(spec(1, networks=attached("a")))
    [task] = cluster.tasks()
    assert task.state is TaskState.ASSIGNED
    plane = plane_of(cluster)
    assert [e.task_id for e in network_of(plane).endpoints] == [NO_TASK, task.id]
    assert part_of(plane).backends == ()


def test_a_task_without_a_node_has_no_endpoint() -> None:
    cluster = with_web(nodes=1, replicas=1)
    nowhere = constraints("node.hostname==nowhere")
    cluster.deploy(spec(1, name="lost", networks=attached("a"), placement=nowhere))
    [task] = cluster.tasks("lost")
    assert (task.node_id, len(task.attachments)) == ("", 1)
    assert task.id not in {e.task_id for e in network_of(plane_of(cluster)).endpoints}


def test_a_task_asked_to_stop_keeps_its_endpoint_until_it_ended() -> None:
    """Its open connections end in their own time; no new ones come."""
    cluster = with_web(nodes=1, replicas=1)
    [task] = cluster.tasks()
    cluster.deploy(spec(0, networks=attached("a")))
    plane = plane_of(cluster)
    assert task.id in {e.task_id for e in network_of(plane).endpoints}
    assert part_of(plane).backends == ()
    cluster.settle()
    assert {e.task_id for e in network_of(plane_of(cluster)).endpoints} == {NO_TASK}


# ---- services


def test_a_service_is_told_with_its_vip_its_aliases_and_its_running_tasks() -> None:
    cluster = Cluster(nodes=2)
    with_network(cluster, "a", "10.9.0.0/24")
    networks = (NetworkAttachmentConfig(target="a", aliases=("www", "front")),)
    cluster.deploy(spec(2, networks=networks))
    cluster.settle()
    part = part_of(plane_of(cluster))
    assert (part.aliases, part.virtual_ips) == (("www", "front"), ("10.9.0.2",))
    assert [(b.task_id, b.node_id, b.addresses) for b in part.backends] == [
        (t.id, t.node_id, t.attachments[0].addresses)
        for t in sorted(cluster.tasks(), key=lambda task: task.id)
    ]


def test_a_service_without_a_vip_is_told_by_its_tasks_alone() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "a", "10.9.0.0/24")
    cluster.deploy(spec(1, networks=attached("a"), endpoint_spec=EndpointSpec(mode="dnsrr")))
    cluster.settle()
    part = part_of(plane_of(cluster))
    assert (part.virtual_ips, len(part.backends)) == ((), 1)


def test_services_of_networks_in_which_the_node_has_no_part_are_not_told() -> None:
    cluster = with_web(nodes=2, replicas=1)
    with_network(cluster, "b", "10.9.1.0/24")
    [task] = cluster.tasks()
    away = constraints(f"node.id!={task.node_id}")
    cluster.deploy(spec(1, name="other", networks=attached("b"), placement=away))
    cluster.deploy(spec(1, name="plain"))
    cluster.settle()
    assert [s.name for s in plane_of(cluster, task.node_id).services] == ["web"]


def test_ports_of_the_mesh_are_told_to_every_node_and_host_ports_to_none() -> None:
    cluster = Cluster(nodes=2)
    wanted = EndpointSpec(
        ports=(
            PortConfig(protocol="tcp", target_port=80, published_port=8080),
            PortConfig(protocol="udp", target_port=53),
            PortConfig(protocol="tcp", target_port=90, published_port=9090, publish_mode="host"),
        )
    )
    cluster.deploy(spec(1, endpoint_spec=wanted))
    cluster.settle()
    [task] = cluster.tasks()
    for node_id in (N1, N2):
        plane = plane_of(cluster, node_id)
        assert service_of(plane).ports == (
            PlanePort(protocol="tcp", published_port=8080, target_port=80),
            PlanePort(protocol="udp", published_port=30000, target_port=53),
        )
        assert [b.task_id for b in part_of(plane, INGRESS).backends] == [task.id]


def test_a_service_that_publishes_on_its_hosts_only_has_no_part_in_the_mesh() -> None:
    cluster = Cluster(nodes=1)
    port = PortConfig(protocol="tcp", target_port=80, published_port=80, publish_mode="host")
    cluster.deploy(spec(1, endpoint_spec=EndpointSpec(ports=(port,))))
    cluster.settle()
    assert plane_of(cluster).services == ()


# ---- backends


def test_nobody_is_sent_to_a_node_that_is_down_but_its_endpoints_stay() -> None:
    """A node that was only cut off is reached again at once."""
    cluster = with_web()
    assert backend_nodes(plane_of(cluster)) == ["n1", "n2", "n3"]
    cluster.down("n2")
    plane = plane_of(cluster)
    assert backend_nodes(plane) == ["n1", "n3"]
    assert {e.node_id for e in network_of(plane).endpoints} == {"n1", "n2", "n3"}


def test_a_task_that_ended_is_neither_a_backend_nor_an_endpoint() -> None:
    cluster = with_web()
    failed = cluster.tasks()[0]
    cluster.set_status(failed, TaskState.FAILED)
    plane = plane_of(cluster)
    assert failed.id not in {b.task_id for b in part_of(plane).backends}
    assert failed.id not in {e.task_id for e in network_of(plane).endpoints}


@pytest.mark.parametrize(
    ("hostname", "more"), [("", ()), ("db", ("db",)), ("db-{{.Task.Slot}}", ())]
)
def test_a_backend_answers_to_its_container_and_its_plain_hostname(
    hostname: str, more: tuple[str, ...]
) -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "a", "10.9.0.0/24")
    container = ContainerSpec(image="busybox", hostname=hostname)
    cluster.deploy(spec(1, networks=attached("a"), container_spec=container))
    cluster.settle()
    [task] = cluster.tasks()
    [backend] = part_of(plane_of(cluster)).backends
    assert backend.names == (f"web.1.{task.id}", *more)


def test_a_backend_of_a_global_service_is_named_by_its_node() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "a", "10.9.0.0/24")
    cluster.deploy(spec(None, networks=attached("a")))
    cluster.settle()
    [task] = cluster.tasks()
    [backend] = part_of(plane_of(cluster)).backends
    assert backend.names == (f"web.n1.{task.id}",)


# ---- nodes


def test_nodes_are_told_by_id_with_the_data_path_that_they_named() -> None:
    cluster = Cluster(nodes=0)
    for name in ("n2", "n1", "n3"):
        cluster.add_node(name)
    cluster.change_node("n1", description=NodeDescription(data_path_address="192.168.7.1"))
    cluster.change_node("n2", description=None)
    cluster.change_node("n3", addr="")
    assert plane_of(cluster).nodes == (
        PlaneNode(id=N1, data_path="192.168.7.1", addresses=("10.77.0.1",)),
        PlaneNode(id=N2, data_path="10.77.0.2", addresses=("10.77.0.2",)),
    )


def test_the_port_of_the_data_path_is_the_clusters() -> None:
    cluster = Cluster(nodes=1)
    known = cluster.tables.cluster
    assert isinstance(known, ClusterRecord)
    cluster.commit(PutCluster(record=msgspec.structs.replace(known, data_path_port=7789)))
    assert plane_of(cluster).vxlan_port == 7789


def test_a_node_that_is_not_known_takes_part_in_nothing() -> None:
    plane = plane_of(with_web(), NodeID("stranger"))
    assert (plane.networks, plane.services) == ((), ())


# ---- order, and what is told again


def test_everything_but_the_networks_is_in_the_order_of_ids() -> None:
    """Networks are in the order in which they were created: names are looked up in it."""
    cluster = Cluster(nodes=0)
    for name in ("n3", "n1", "n2"):
        cluster.add_node(name)
    with_network(cluster, "z", "10.9.1.0/24")
    with_network(cluster, "a", "10.9.0.0/24")
    for name in ("web", "api"):
        cluster.deploy(spec(5, name=name, networks=attached("z", "a")))
    cluster.settle()
    plane = plane_of(cluster)
    assert [n.id for n in plane.networks] == ["ingress", "z", "a"]
    assert [s.id for s in plane.services] == ["svc-api", "svc-web"]
    endpoints = network_of(plane).endpoints
    assert [e.node_id for e in endpoints[:3]] == ["n1", "n2", "n3"]
    tasks = [e.task_id for e in endpoints[3:]]
    assert (len(tasks), tasks) == (10, sorted(tasks))
    backends = [b.task_id for b in part_of(plane).backends]
    assert (len(backends), backends) == (5, sorted(backends))


def test_the_first_plane_is_told_and_the_same_view_only_once() -> None:
    cluster = with_web()
    follower = Follower(cluster, N1)
    assert follower.next() == plane_of(cluster, N1)
    assert follower.next() is None


def test_a_node_without_networks_is_told_so() -> None:
    first = Follower(Cluster(nodes=1, ingress=False), N1).next()
    assert first is not None
    assert (first.node_id, first.networks) == (N1, ())


def test_a_report_that_moves_no_traffic_is_not_told_and_wakes_nobody() -> None:
    """Agents report messages, exit codes, ports all the time."""
    cluster = with_web()
    follower = Follower(cluster, N1)
    follower.next()
    for task in cluster.tasks():
        cluster.set_status(task, TaskState.RUNNING, message="still running")
        assert follower.next() is None
    assert not follower.was_woken


def test_a_service_without_networks_wakes_nobody() -> None:
    cluster = with_web(nodes=1)
    follower = Follower(cluster, N1)
    follower.next()
    cluster.deploy(spec(1, name="plain"))
    cluster.settle()
    assert not follower.was_woken


def test_a_change_elsewhere_is_not_told() -> None:
    cluster = with_web(nodes=1)
    follower = Follower(cluster, N1)
    follower.next()
    made = NetworkSpec(name="b", labels={})
    cluster.commit(PutNetwork(record=Network(id=NetworkID("b"), spec=made)))
    assert follower.next() is None


def test_a_task_that_starts_to_run_is_told_once() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "a", "10.9.0.0/24")
    cluster.deploy(spec(1, networks=attached("a")))
    follower = Follower(cluster, N1)
    follower.next()
    cluster.settle()
    plane = follower.next()
    assert plane is not None
    assert backend_nodes(plane) == ["n1"]
    assert follower.next() is None


def test_one_task_that_starts_is_told_in_two_parts_whatever_else_there_is() -> None:
    cluster = with_web(nodes=2, replicas=60)
    follower = Follower(cluster, N1)
    follower.next()
    cluster.deploy(spec(61, networks=attached("a")))
    cluster.settle()
    follower.next()
    kinds = [type(part) for part in follower.parts]
    assert sorted(kind.__name__ for kind in kinds) == ["BackendPart", "EndpointPart"]


def test_a_large_plane_is_sent_in_portions_that_sessions_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swarmd.dispatcher.plane.PORTION_PARTS", 10)
    cluster = with_web(nodes=2, replicas=60)
    first, second = Follower(cluster, N1), Follower(cluster, N2)
    second.log = first.log
    messages = [list(f.messages()) for f in (first, second)]
    assert len(messages[0]) > 12
    assert messages[0][2] is messages[1][2]
    assert max(len(unpack(m, PlaneChange).parts) for m in messages[0]) <= 10


def test_a_session_that_begins_reads_what_changed_since_the_portions_were_made() -> None:
    cluster = with_web(nodes=2, replicas=3)
    first = Follower(cluster, N1)
    first.next()
    cluster.set_status(cluster.running()[0], TaskState.FAILED)
    second = Follower(cluster, N1, first.log)
    assert second.next() == plane_of(cluster, N1)


def test_a_session_that_read_nothing_for_too_long_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swarmd.dispatcher.plane.KEPT_CHANGES", 5)
    cluster = with_web(nodes=2, replicas=3)
    follower = Follower(cluster, N1)
    follower.next()
    cluster.deploy(spec(9, networks=attached("a")))
    cluster.settle()
    assert follower.next() == plane_of(cluster, N1)


def test_what_happens_while_a_whole_plane_is_sent_is_told_after_it() -> None:
    cluster = with_web(nodes=2, replicas=3)
    follower = Follower(cluster, N1)
    messages = follower.messages()
    follower.take(next(messages))
    cluster.deploy(spec(5, networks=attached("a")))
    cluster.settle()
    for message in messages:
        follower.take(message)
    assert follower.next() == plane_of(cluster, N1)


def test_a_node_that_joins_a_network_later_is_told_of_all_of_it() -> None:
    cluster = with_web(nodes=2, replicas=1)
    [task] = cluster.tasks()
    other = N2 if task.node_id == N1 else N1
    follower = Follower(cluster, other)
    follower.next()
    cluster.deploy(spec(2, networks=attached("a")))
    cluster.settle()
    assert follower.next() == plane_of(cluster, other)
    assert {n.id for n in plane_of(cluster, other).networks} == {INGRESS, A}


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_changes_come_to_the_same_as_everything_anew(events: list[tuple[str, int, int]]) -> None:
    """Whatever happens, and however seldom a session reads."""
    cluster = Cluster()
    for name in "ab":
        with_network(cluster, name, f"10.{ord(name)}.0.0/24")
    followers = [Follower(cluster, node_id) for node_id in (N1, N2)]
    for number, (what, index, variant) in enumerate(events):
        if what == "deploy":
            cluster.deploy(networked(index, variant))
        else:
            happen(cluster, (what, index, variant))
        for follower in followers[: 1 + number % 2]:
            follower.next()
            assert follower.plane == plane_of(cluster, follower.node_id)


def networked(number: int, variant: int) -> ServiceSpec:
    """A service in one network, in two, published, or in none."""
    networks = [attached("a"), attached("a", "b"), (), attached("b")][variant]
    ports = EndpointSpec(ports=(PortConfig(target_port=80),)) if number % 2 else None
    name = f"s{number % 3}"
    return spec(number, name=name, networks=networks, endpoint_spec=ports)
