"""Networks, addresses, ports."""

import msgspec
import pytest

from swarmd.dispatcher.control.addresses import free_addresses, free_subnet
from swarmd.model.ids import NetworkID
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.model.spec import EndpointSpec, NetworkAttachmentConfig, PortConfig
from swarmd.model.task import TaskState
from swarmd.store.entry import PutNetwork, PutNode
from tests.unit.dispatcher.cluster import Cluster, spec


def with_network(cluster: Cluster, name: str, subnet: str = "") -> None:
    configs = (IPAMConfig(subnet=subnet),) if subnet else ()
    made = NetworkSpec(name=name, labels={}, ipam_configs=configs)
    cluster.commit(PutNetwork(record=Network(id=NetworkID(name), spec=made)))
    cluster.think()


def subnet_of(cluster: Cluster, name: str) -> str:
    network = cluster.tables.network(name)
    assert network is not None
    return network.subnets[0].subnet


def attached(*networks: str) -> tuple[NetworkAttachmentConfig, ...]:
    return tuple(NetworkAttachmentConfig(target=name) for name in networks)


def ports(*published: int) -> EndpointSpec:
    return EndpointSpec(
        ports=tuple(
            PortConfig(protocol="tcp", target_port=80 + n, published_port=port)
            for n, port in enumerate(published)
        )
    )


def test_networks_get_vnis_and_subnets_in_turn() -> None:
    cluster = Cluster()
    for name in ("a", "b"):
        with_network(cluster, name)
    with_network(cluster, "own", "192.168.9.0/24")
    found = {n.id: (n.vni, n.subnets[0].subnet) for n in cluster.tables.networks().values()}
    assert found == {
        "ingress": (4096, "10.0.0.0/16"),
        "a": (4097, "10.1.0.0/24"),
        "b": (4098, "10.1.1.0/24"),
        "own": (4099, "192.168.9.0/24"),
    }
    own = cluster.tables.network("own")
    assert own is not None
    assert own.subnets[0].gateway == "192.168.9.1"


def test_a_subnet_is_given_again_only_after_all_others() -> None:
    pool = ["10.0.0.0/29"]
    second = free_subnet(pool, 30, ["10.0.0.0/30"], after="10.0.0.0/30")
    assert second is not None
    assert second.subnet == "10.0.0.4/30"
    first = free_subnet(pool, 30, ["10.0.0.4/30"], after="10.0.0.4/30")
    assert first is not None
    assert first.subnet == "10.0.0.0/30"
    assert free_subnet(pool, 30, ["10.0.0.0/29"], after="") is None


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ([], "10.0.0.0/24"),
        (["10.0.0.7/32"], "10.0.1.0/24"),
        (["10.0.1.7/24", "10.0.0.0/25"], "10.0.2.0/24"),
        (["10.0.0.0/16", "10.0.3.0/24", "10.1.0.0/30"], "10.1.1.0/24"),
        (["10.255.0.0/16", "fd00::/8", "::a00:0/104"], "10.0.0.0/24"),
        (["0.0.0.0/5", "10.0.0.0/9", "10.128.0.0/10"], "10.192.0.0/24"),
        (["10.0.0.0/8"], ""),
        (["0.0.0.0/0"], ""),
    ],
)
def test_a_subnet_overlaps_nothing_that_is_taken(taken: list[str], found: str) -> None:
    free = free_subnet(["10.0.0.0/8"], 24, taken)
    assert (free.subnet if free else "") == found


def test_a_subnet_is_of_the_first_pool_that_has_room() -> None:
    free = free_subnet(
        ["10.0.0.0/24", "fd00::/64", "10.9.0.0/16"], 24, ["10.0.0.0/23", "fd00::/48"]
    )
    assert free is not None
    assert free.subnet == "10.9.0.0/24"


def with_host(cluster: Cluster, node_id: str, *subnets: str) -> None:
    """The node says what its links have."""
    node = cluster.tables.node(node_id)
    assert node is not None
    assert node.description is not None
    description = msgspec.structs.replace(node.description, subnets=subnets)
    cluster.commit(PutNode(record=msgspec.structs.replace(node, description=description)))


def test_networks_leave_the_nodes_the_subnets_of_their_own_links() -> None:
    """Hosts in a cloud's 10.1.0.0/16, one of them with a bridge of its own."""
    cluster = Cluster(nodes=2)
    with_host(cluster, "n1", "10.1.0.0/16")
    with_host(cluster, "n2", "10.1.0.0/16", "10.2.1.0/24")
    for name in ("a", "b"):
        with_network(cluster, name)
    assert (subnet_of(cluster, "a"), subnet_of(cluster, "b")) == ("10.2.0.0/24", "10.2.2.0/24")


def test_a_node_that_has_yet_to_describe_itself_is_left_its_address() -> None:
    cluster = Cluster(nodes=1)
    node = cluster.tables.node("n1")
    assert node is not None
    status = msgspec.structs.replace(node.status, addr="10.1.0.9")
    bare = msgspec.structs.replace(node, description=None, status=status)
    cluster.commit(PutNode(record=bare))
    with_network(cluster, "a")
    assert subnet_of(cluster, "a") == "10.1.1.0/24"


def test_a_link_as_large_as_the_pool_leaves_networks_to_the_other_nodes() -> None:
    """A road warrior's tunnel: the network is refused there, and nowhere else."""
    cluster = Cluster(nodes=2)
    with_host(cluster, "n1", "10.0.0.0/8")
    with_host(cluster, "n2", "10.1.0.0/16")
    with_network(cluster, "a")
    assert subnet_of(cluster, "a") == "10.1.0.0/24"


def test_a_task_of_a_network_that_got_no_subnet_says_so() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "all", "10.0.0.0/8")
    with_network(cluster, "a")
    cluster.deploy(spec(1, networks=attached("a")))
    [task] = cluster.tasks()
    assert task.status.err == (
        "network a has no subnet: other networks use all of 10.0.0.0/8; create it with --subnet"
    )


def test_a_service_gets_a_vip_and_its_tasks_addresses_in_each_network() -> None:
    cluster = Cluster()
    with_network(cluster, "a", "10.9.0.0/24")
    service = cluster.deploy(spec(2, networks=attached("a"), endpoint_spec=ports(8080)))
    networks = [vip.network_id for vip in service.virtual_ips]
    assert networks == ["ingress", "a"]
    assert [v.address for v in service.virtual_ips][1] == "10.9.0.2"
    for task in cluster.tasks():
        assert [a.network_id for a in task.attachments] == ["ingress", "a"]


def test_a_node_gets_its_own_address_in_the_networks_of_its_tasks() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "a")
    node = cluster.tables.node("n1")
    assert node is not None
    assert [a.network_id for a in node.addresses] == ["ingress"]
    cluster.deploy(spec(1, networks=attached("a")))
    node = cluster.tables.node("n1")
    assert node is not None
    assert [a.network_id for a in node.addresses] == ["ingress", "a"]


def test_addresses_of_tasks_that_ended_are_free_again() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "small", "10.9.0.0/29")  # 5 addresses: a VIP, the node's, 3 tasks
    for _ in range(5):
        cluster.deploy(spec(3, networks=attached("small")))
        cluster.settle()
        assert len(cluster.running()) == 3
        cluster.remove("web")
        cluster.settle()


def test_a_task_without_an_address_says_so_and_gets_one_later() -> None:
    cluster = Cluster(nodes=1)
    with_network(cluster, "small", "10.9.0.0/29")
    cluster.deploy(spec(3, name="first", networks=attached("small")))
    cluster.settle()
    cluster.deploy(spec(1, networks=attached("small")))
    cluster.settle()
    [task] = cluster.tasks()
    assert task.state is TaskState.NEW
    assert task.status.err == "network small has no address left: give it a larger subnet"
    cluster.remove("first")
    cluster.settle()
    assert len(cluster.running()) == 1


def test_a_dynamic_port_is_kept_over_updates_and_unique() -> None:
    cluster = Cluster()
    first = cluster.deploy(spec(1, name="first", endpoint_spec=ports(0)))
    assert first.ports[0].published_port == 30000
    second = cluster.deploy(spec(1, endpoint_spec=ports(0, 0)))
    assert [p.published_port for p in second.ports] == [30001, 30002]
    cluster.remove("first")
    again = cluster.deploy(spec(1, endpoint_spec=ports(0, 0), force_update=1))
    assert [p.published_port for p in again.ports] == [30001, 30002]


def test_addresses_come_from_the_range_that_the_user_names() -> None:
    """The rest of the subnet is kept for machines that are no containers."""
    cluster = Cluster()
    wished = IPAMConfig(subnet="10.9.0.0/24", ip_range="10.9.0.128/30")
    made = NetworkSpec(name="back", labels={}, ipam_configs=(wished,))
    cluster.commit(PutNetwork(record=Network(id=NetworkID("back"), spec=made)))
    cluster.settle()
    network = cluster.tables.network("back")
    assert network is not None
    assert network.subnets[0].gateway == "10.9.0.128"
    assert list(free_addresses(network, {})) == ["10.9.0.129", "10.9.0.130", "10.9.0.131"]
    assert list(free_addresses(network, {"10.9.0.130": "x"})) == ["10.9.0.129", "10.9.0.131"]
    used = msgspec.structs.replace(network, last_address="10.9.0.129")
    assert next(free_addresses(used, {})) == "10.9.0.130"
