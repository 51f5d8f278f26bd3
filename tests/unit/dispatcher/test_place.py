"""Where tasks go, and why not."""

import pytest

from swarmd.dispatcher.scheduler.constraints import matches, parse
from swarmd.errors import InvalidArgumentError
from swarmd.model.node import Availability
from swarmd.model.spec import (
    ContainerSpec,
    EndpointSpec,
    Placement,
    PlacementPreference,
    Platform,
    PortConfig,
    Reservations,
    ResourceRequirements,
    Spread,
)
from swarmd.model.task import TaskState
from tests.unit.dispatcher.cluster import GIB, Cluster, constraints, no_delay, spec


def reserved(*, cpus: float = 0, memory: int = 0) -> ResourceRequirements:
    nano = int(cpus * 10**9)
    return ResourceRequirements(reservations=Reservations(nano_cpus=nano, memory_bytes=memory))


def reasons(cluster: Cluster, name: str = "web") -> set[str]:
    return {task.status.err for task in cluster.tasks(name) if task.state is TaskState.PENDING}


def test_tasks_spread_over_services_first_and_totals_second() -> None:
    cluster = Cluster(nodes=3)
    cluster.deploy(spec(1, name="other"))
    cluster.deploy(spec(2))
    assert sorted(t.node_id for t in cluster.tasks()) == ["n2", "n3"]
    cluster.deploy(spec(4))
    assert sorted(t.node_id for t in cluster.tasks()) == ["n1", "n2", "n2", "n3"] or sorted(
        t.node_id for t in cluster.tasks()
    ) == ["n1", "n2", "n3", "n3"]


def test_a_task_that_fits_nowhere_waits_and_says_why() -> None:
    cluster = Cluster(nodes=3)
    cluster.change_node("n3", availability=Availability.PAUSE)
    cluster.deploy(spec(1, resources=reserved(memory=100 * GIB)))
    assert reasons(cluster) == {
        "no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks)"
    }


def test_without_nodes_the_reason_is_short() -> None:
    cluster = Cluster(nodes=0)
    cluster.deploy(spec(1))
    assert reasons(cluster) == {"no suitable node"}


def test_a_waiting_task_is_placed_when_resources_become_free() -> None:
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(1, name="big", resources=reserved(cpus=3)))
    cluster.deploy(spec(1, resources=reserved(cpus=2)))
    cluster.settle()
    assert reasons(cluster) == {"no suitable node (insufficient resources on 1 node)"}
    cluster.remove("big")
    cluster.settle()
    assert len(cluster.running()) == 1


def test_reservations_are_never_exceeded() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(9, resources=reserved(cpus=1)))
    cluster.settle()
    assert len(cluster.running()) == 8
    assert cluster.tables.usage(cluster.tasks()[0].node_id).nano_cpus == 4 * 10**9


def test_a_global_task_that_waits_for_room_drives_nobody_out() -> None:
    """Met by a seed of the simulator: it counted, so its node seemed to have promised too much."""
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(3, name="first", resources=reserved(cpus=1)))
    cluster.settle()
    cluster.deploy(spec(None, name="wide", resources=reserved(cpus=2)))
    cluster.deploy(spec(4, name="first", resources=reserved(cpus=1)))
    cluster.settle()
    assert len(cluster.running("first")) == 4
    assert reasons(cluster, "wide") == {"insufficient resources on 1 node"}
    assert {task.state for task in cluster.tasks("first")} == {TaskState.RUNNING}


def test_tasks_of_two_versions_of_a_spec_are_not_given_the_same_room() -> None:
    """An update while tasks wait, and then room for one of them: seed 34 of the simulator."""
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(1, name="big", resources=reserved(cpus=3)))
    cluster.deploy(spec(2, resources=reserved(cpus=3)))
    other = ContainerSpec(image="busybox", env=("A=1",))
    cluster.deploy(spec(2, resources=reserved(cpus=3), container_spec=other))
    versions = {task.spec_version for task in cluster.tasks() if task.state is TaskState.PENDING}
    assert len(versions) == 2
    cluster.remove("big")
    cluster.settle()
    assert len(cluster.running()) == 1
    assert sum(bool(task.node_id) for task in cluster.tasks()) == 1


def test_a_constraint_chooses_the_node() -> None:
    cluster = Cluster(nodes=2)
    cluster.add_node("n9", zone="north")
    cluster.deploy(spec(2, placement=constraints("node.labels.zone == north")))
    cluster.settle()
    assert cluster.nodes_of() == ["n9", "n9"]


def test_at_most_so_many_replicas_per_node() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(5, placement=Placement(max_replicas=2)))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n1", "n2", "n2"]
    assert reasons(cluster) == {"no suitable node (max replicas per node limit exceed)"}


def test_a_host_port_is_given_once_per_node() -> None:
    cluster = Cluster(nodes=2)
    port = PortConfig(protocol="tcp", target_port=80, published_port=8080, publish_mode="host")
    cluster.deploy(spec(3, endpoint_spec=EndpointSpec(ports=(port,))))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2"]
    assert reasons(cluster) == {"no suitable node (host-mode port already in use on 2 nodes)"}


def test_platforms_have_aliases() -> None:
    cluster = Cluster(nodes=1)
    amd = Placement(platforms=(Platform(architecture="amd64", os="linux"),))
    arm = Placement(platforms=(Platform(architecture="arm64", os="linux"),))
    cluster.deploy(spec(1, placement=amd))
    cluster.deploy(spec(1, name="arm", placement=arm))
    cluster.settle()
    assert len(cluster.running()) == 1
    assert reasons(cluster, "arm") == {"no suitable node (unsupported platform on 1 node)"}


def test_preferences_divide_evenly_among_zones_not_nodes() -> None:
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", zone="a")
    for name in ("n2", "n3", "n4"):
        cluster.add_node(name, zone="b")
    zones = PlacementPreference(spread=Spread(spread_descriptor="node.labels.zone"))
    cluster.deploy(spec(6, placement=Placement(preferences=(zones,))))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n1", "n1", "n2", "n3", "n4"]


def test_what_a_full_zone_cannot_take_goes_to_the_others() -> None:
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", cpus=1, zone="a")
    cluster.add_node("n2", cpus=8, zone="b")
    zones = PlacementPreference(spread=Spread(spread_descriptor="node.labels.zone"))
    placement = Placement(preferences=(zones,))
    cluster.deploy(spec(6, placement=placement, resources=reserved(cpus=1)))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2", "n2", "n2", "n2", "n2"]


def test_a_node_where_a_service_keeps_failing_comes_last() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(1, restart_policy=no_delay()))
    for _ in range(12):
        cluster.pass_time(0.01)
        for task in cluster.running():
            if task.node_id == "n1":
                cluster.set_status(task, TaskState.FAILED)
    assert cluster.nodes_of() == ["n2"]


def test_a_global_service_says_why_it_does_not_run_on_a_node() -> None:
    cluster = Cluster(nodes=1)
    cluster.add_node("n9", cpus=1)
    cluster.deploy(spec(None, resources=reserved(cpus=2)))
    cluster.settle()
    assert cluster.nodes_of() == ["n1"]
    assert reasons(cluster) == {"insufficient resources on 1 node"}


def test_an_engine_that_is_away_gets_no_new_tasks_and_keeps_its_old_ones() -> None:
    cluster = Cluster(nodes=2)
    cluster.deploy(spec(2))
    cluster.settle()
    cluster.change_node("n2", engine_reachable=False)
    cluster.deploy(spec(4))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n1", "n1", "n2"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("node.id", "constraint expected one operator from ==, !="),
        ("no de==x", "key 'no de' is invalid"),
        ("node.id==a,b", "value 'a,b' is invalid"),
        ("node.id==", "value '' is invalid"),
    ],
)
def test_a_bad_constraint_is_named(expression: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse(expression)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("node.id==n1", True),
        ("NODE.ID == N1", True),
        ("node.id!=n1", False),
        ("node.hostname==host-n1", True),
        ("node.role==worker", True),
        ("node.role!=manager", True),
        ("node.platform.os==linux", True),
        ("node.platform.arch==x86_64", True),
        ("node.platform.arch==amd64", False),
        ("node.labels.zone==a", True),
        ("node.labels.Zone==a", False),
        ("node.labels.other!=a", True),
        ("engine.labels.x==y", False),
        ("engine.labels.x!=y", True),
        ("node.ip==10.77.0.1", True),
        ("node.ip==10.77.0.0/24", True),
        ("node.ip!=10.77.0.0/24", False),
        ("node.ip==elsewhere", False),
        ("node.unknown!=x", False),
    ],
)
def test_constraints(expression: str, holds: bool) -> None:
    node = Cluster(nodes=0).add_node("n1", zone="a")
    assert matches((expression,), node) is holds
