"""What sessions write into the nodes' records."""

from swarmd.dispatcher.nodes import (
    ENGINE_AWAY,
    ENGINE_GRACE,
    described,
    down,
    engine_health,
    registered,
    without_engine,
)
from swarmd.model.assignment import SessionRequest
from swarmd.model.ids import NodeID
from swarmd.model.node import NodeDescription, NodeState
from tests.unit.dispatcher.cluster import Cluster, spec

N1 = NodeID("n1")


def engine_went_away(cluster: Cluster) -> None:
    cluster.commit(*engine_health(cluster.tables, N1, False, cluster.now))
    cluster.settle()


def state_of_n1(cluster: Cluster) -> tuple[NodeState, str]:
    node = cluster.tables.node("n1")
    assert node is not None
    return node.status.state, node.status.message


def test_an_engine_that_is_away_shortly_moves_no_task() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(2))
    cluster.settle()
    engine_went_away(cluster)
    assert state_of_n1(cluster) == (NodeState.READY, ENGINE_AWAY)
    assert without_engine(cluster.tables, cluster.now + ENGINE_GRACE // 2) == []
    assert cluster.nodes_of() == ["n1", "n2"]


def test_an_engine_that_stays_away_takes_its_node_down() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(2))
    cluster.settle()
    engine_went_away(cluster)
    cluster.now += 2 * ENGINE_GRACE
    assert without_engine(cluster.tables, cluster.now) == [N1]
    cluster.commit(*down(cluster.tables, N1, ENGINE_AWAY, cluster.now))
    cluster.settle()
    assert cluster.nodes_of() == ["n2", "n2"]
    assert without_engine(cluster.tables, cluster.now) == []


def test_an_engine_that_is_back_makes_its_node_ready() -> None:
    cluster = Cluster(nodes=2)
    engine_went_away(cluster)
    cluster.commit(*down(cluster.tables, N1, ENGINE_AWAY, cluster.now))
    cluster.commit(*engine_health(cluster.tables, N1, True, cluster.now))
    assert state_of_n1(cluster) == (NodeState.READY, "")


def test_a_node_that_comes_anew_without_its_engine_has_the_whole_grace() -> None:
    """Its session broke while its engine was restarted: seed 2 of the simulator, at first."""
    cluster = Cluster(nodes=2)
    cluster.now += 2 * ENGINE_GRACE
    request = SessionRequest(description=NodeDescription(), engine_reachable=False)
    cluster.commit(*registered(cluster.tables, N1, request, "10.0.0.1", cluster.now))
    assert without_engine(cluster.tables, cluster.now + ENGINE_GRACE // 2) == []
    assert without_engine(cluster.tables, cluster.now + ENGINE_GRACE) == [N1]


def test_what_a_node_tells_as_addresses_and_is_none_is_left_out() -> None:
    """Else one node's word would end the allocation for all."""
    cluster = Cluster(nodes=1)
    wrong = NodeDescription(
        data_path_address="10.0.0.0/8; drop", subnets=("10.1.0.0/16", "", "10.2.0.7/16", "junk")
    )
    right = NodeDescription(data_path_address="192.0.2.7", subnets=("10.1.0.0/16",))
    request = SessionRequest(description=wrong, engine_reachable=True)

    def known() -> tuple[str, tuple[str, ...]]:
        node = cluster.tables.node(N1)
        assert node is not None
        assert node.description is not None
        return node.description.data_path_address, node.description.subnets

    cluster.commit(*registered(cluster.tables, N1, request, "10.0.0.1", cluster.now))
    assert known() == ("", ("10.1.0.0/16",))
    cluster.commit(*described(cluster.tables, N1, right))
    assert known() == ("192.0.2.7", ("10.1.0.0/16",))
    cluster.commit(*described(cluster.tables, N1, wrong))
    assert known() == ("", ("10.1.0.0/16",))
