"""Swarm's rules of placement as tables: what is free, what is in the way, and who comes first."""

import msgspec
import pytest

from swarmd.model.ids import NodeID
from swarmd.model.node import EngineDescription, Plugin, Resources
from swarmd.model.spec import (
    ContainerSpec,
    DiscreteResource,
    Driver,
    EndpointSpec,
    GenericResource,
    Mount,
    NamedResource,
    Placement,
    PlacementPreference,
    Platform,
    PortConfig,
    Reservations,
    ResourceRequirements,
    ServiceSpec,
    Spread,
    UpdateConfig,
    VolumeOptions,
)
from swarmd.model.task import TaskState
from tests.unit.dispatcher.cluster import Cluster, no_delay, spec
from tests.unit.dispatcher.test_place import reasons, reserved


def count(kind: str, value: int) -> GenericResource:
    return GenericResource(discrete_resource_spec=DiscreteResource(kind=kind, value=value))


def named(kind: str, *values: str) -> tuple[GenericResource, ...]:
    return tuple(
        GenericResource(named_resource_spec=NamedResource(kind=kind, value=value))
        for value in values
    )


def declare(cluster: Cluster, name: str, *resources: GenericResource) -> None:
    """`--node-generic-resource`, at the daemon's start."""
    node = cluster.tables.node(name)
    assert node is not None
    assert node.description is not None
    has: Resources = node.description.resources
    has = msgspec.structs.replace(has, generic_resources=resources)
    cluster.change_node(name, description=msgspec.structs.replace(node.description, resources=has))


def asking(kind: str, value: int) -> ResourceRequirements:
    return ResourceRequirements(reservations=Reservations(generic_resources=(count(kind, value),)))


def claims(cluster: Cluster, name: str = "web") -> list[str]:
    """What running tasks were given, `gpu=2` or `gpu=a`."""
    found = []
    for task in cluster.running(name):
        for resource in task.generic_resources:
            one = resource.discrete_resource_spec or resource.named_resource_spec
            assert one is not None
            found.append(f"{one.kind}={one.value}")
    return sorted(found)


@pytest.mark.parametrize(
    ("declared", "ask", "replicas", "given"),
    [
        ((count("gpu", 4),), 2, 2, ["gpu=2", "gpu=2"]),
        ((count("gpu", 3),), 2, 2, ["gpu=2"]),
        (named("gpu", "a", "b", "c"), 1, 2, ["gpu=a", "gpu=b"]),
        (named("gpu", "a", "b", "c"), 2, 2, ["gpu=a", "gpu=b"]),
        (named("ssd", "a"), 1, 1, []),
        ((), 1, 1, []),
    ],
)
def test_generic_resources_are_given_once(
    declared: tuple[GenericResource, ...], ask: int, replicas: int, given: list[str]
) -> None:
    cluster = Cluster(nodes=1)
    declare(cluster, "n1", *declared)
    cluster.deploy(spec(replicas, resources=asking("gpu", ask)))
    cluster.settle()
    assert claims(cluster) == given
    waiting = replicas - len(cluster.running())
    text = "no suitable node (insufficient resources on 1 node)"
    assert reasons(cluster) == ({text} if waiting else set())


def test_units_are_free_again_when_their_task_has_ended() -> None:
    cluster = Cluster(nodes=1)
    declare(cluster, "n1", *named("gpu", "a"))
    cluster.deploy(spec(1, resources=asking("gpu", 1), restart_policy=no_delay()))
    cluster.settle()
    [task] = cluster.running()
    cluster.set_status(task, TaskState.FAILED)
    cluster.pass_time(1)
    assert claims(cluster) == ["gpu=a"]


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (named("gpu", "b"), ["gpu=b"]),
        (named("gpu", "b", "a"), ["gpu=a", "gpu=b"]),
        ((), []),
    ],
)
def test_a_task_whose_unit_is_gone_leaves_its_node(
    left: tuple[GenericResource, ...], kept: list[str]
) -> None:
    """A daemon that was started again with fewer `--node-generic-resource`."""
    cluster = Cluster(nodes=1)
    declare(cluster, "n1", *named("gpu", "a", "b"))
    cluster.deploy(spec(2, resources=asking("gpu", 1), restart_policy=no_delay()))
    cluster.settle()
    declare(cluster, "n1", *left)
    cluster.pass_time(1)
    assert claims(cluster) == kept
    assert len(cluster.running()) == len(kept)


def test_of_a_count_that_shrank_the_older_tasks_keep_theirs() -> None:
    cluster = Cluster(nodes=1)
    declare(cluster, "n1", count("gpu", 3))
    cluster.deploy(spec(1, resources=asking("gpu", 2), restart_policy=no_delay()))
    cluster.deploy(spec(1, name="young", resources=asking("gpu", 1), restart_policy=no_delay()))
    cluster.settle()
    declare(cluster, "n1", count("gpu", 2))
    cluster.pass_time(1)
    assert (claims(cluster), claims(cluster, "young")) == (["gpu=2"], [])


def host_port(*ports: tuple[str, int]) -> EndpointSpec:
    return EndpointSpec(
        ports=tuple(
            PortConfig(protocol=protocol, target_port=80, published_port=port, publish_mode="host")
            for protocol, port in ports
        )
    )


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ((("tcp", 80),), (("tcp", 80),), False),
        ((("tcp", 80),), (("udp", 80),), True),
        ((("tcp", 80),), (("tcp", 81),), True),
        ((("tcp", 80), ("tcp", 81)), (("tcp", 82), ("tcp", 81)), False),
        ((("tcp", 0),), (("tcp", 0),), True),
    ],
)
def test_a_host_port_is_free_for_another_service(
    first: tuple[tuple[str, int], ...], second: tuple[tuple[str, int], ...], *, fits: bool
) -> None:
    cluster = Cluster(nodes=1)
    cluster.deploy(spec(1, endpoint_spec=host_port(*first)))
    cluster.deploy(spec(1, name="other", endpoint_spec=host_port(*second)))
    cluster.settle()
    assert len(cluster.running("other")) == fits


def test_an_ingress_port_takes_no_host_port() -> None:
    cluster = Cluster(nodes=1)
    ingress = EndpointSpec(ports=(PortConfig(target_port=80, published_port=80),))
    cluster.deploy(spec(1, endpoint_spec=ingress))
    cluster.deploy(spec(1, name="other", endpoint_spec=host_port(("tcp", 80))))
    cluster.settle()
    assert len(cluster.running("other")) == 1


def preferring(*descriptors: str) -> Placement:
    return Placement(
        preferences=tuple(
            PlacementPreference(spread=Spread(spread_descriptor=one)) for one in descriptors
        )
    )


@pytest.mark.parametrize(
    ("descriptors", "replicas", "per_node"),
    [
        # Zones a (n1 n2) and b (n3 n4 n5); racks 1 and 2; n6 has neither label.
        ((), 6, [1, 1, 1, 1, 1, 1]),
        (("node.labels.zone",), 6, [1, 1, 1, 1, 0, 2]),
        (("NODE.LABELS.zone",), 6, [1, 1, 1, 1, 0, 2]),
        (("node.labels.zone", "node.labels.rack"), 12, [2, 2, 2, 1, 1, 4]),
        # In zone b, n3 is alone in its rack: it gets as much as n4 and n5 together.
        (("node.labels.zone", "node.labels.rack"), 18, [3, 3, 3, 2, 1, 6]),
        (("node.labels.missing",), 6, [1, 1, 1, 1, 1, 1]),
        (("node.hostname",), 6, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_preferences(descriptors: tuple[str, ...], replicas: int, per_node: list[int]) -> None:
    cluster = Cluster(nodes=0)
    for name, zone, rack in (
        ("n1", "a", "1"),
        ("n2", "a", "2"),
        ("n3", "b", "1"),
        ("n4", "b", "2"),
        ("n5", "b", "2"),
    ):
        cluster.add_node(name, zone=zone, rack=rack)
    cluster.add_node("n6")
    cluster.deploy(spec(replicas, placement=preferring(*descriptors)))
    cluster.settle()
    assert [cluster.nodes_of().count(f"n{number}") for number in range(1, 7)] == per_node


def test_what_no_zone_can_take_waits() -> None:
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", cpus=1, zone="a")
    cluster.add_node("n2", cpus=2, zone="b")
    one_cpu = ResourceRequirements(reservations=Reservations(nano_cpus=10**9))
    cluster.deploy(spec(5, placement=preferring("node.labels.zone"), resources=one_cpu))
    cluster.settle()
    assert cluster.nodes_of() == ["n1", "n2", "n2"]
    assert reasons(cluster) == {"no suitable node (insufficient resources on 2 nodes)"}


def test_preferences_count_what_runs_already() -> None:
    cluster = Cluster(nodes=0)
    cluster.add_node("n1", zone="a")
    cluster.deploy(spec(4, placement=preferring("node.labels.zone")))
    cluster.settle()
    cluster.add_node("n2", zone="b")
    cluster.deploy(spec(6, placement=preferring("node.labels.zone")))
    cluster.settle()
    assert cluster.nodes_of() == ["n1"] * 4 + ["n2"] * 2


def has_plugins(cluster: Cluster, *plugins: tuple[str, str]) -> None:
    node = cluster.tables.node("n1")
    assert node is not None
    assert node.description is not None
    engine: EngineDescription = node.description.engine
    listed = tuple(Plugin(type=kind, name=name) for kind, name in plugins)
    engine = msgspec.structs.replace(engine, plugins=listed)
    cluster.change_node("n1", description=msgspec.structs.replace(node.description, engine=engine))


@pytest.mark.parametrize(
    ("driver", "plugins", "fits"),
    [
        ("fluentd", (("Log", "json-file"), ("Log", "fluentd")), True),
        ("fluentd", (("Log", "fluentd:latest"),), True),
        ("fluentd", (("Log", "json-file"),), False),
        ("fluentd", (("Network", "bridge"),), True),
        ("none", (("Log", "json-file"),), True),
        ("", (("Log", "json-file"),), True),
    ],
)
def test_a_log_driver_must_be_there(
    driver: str, plugins: tuple[tuple[str, str], ...], *, fits: bool
) -> None:
    cluster = Cluster(nodes=1)
    has_plugins(cluster, *plugins)
    cluster.deploy(spec(1, log_driver=Driver(name=driver)))
    cluster.settle()
    assert len(cluster.running()) == fits
    text = "no suitable node (missing plugin on 1 node)"
    assert reasons(cluster) == (set() if fits else {text})


@pytest.mark.parametrize(
    ("driver", "plugins", "fits"),
    [
        ("rexray", (("Volume", "local"), ("Volume", "rexray")), True),
        ("rexray", (("Volume", "local"),), False),
        ("rexray", (("Log", "rexray"),), False),
        ("local", (("Log", "json-file"),), True),
        ("", (("Log", "json-file"),), True),
    ],
)
def test_a_volume_driver_must_be_there(
    driver: str, plugins: tuple[tuple[str, str], ...], *, fits: bool
) -> None:
    cluster = Cluster(nodes=1)
    has_plugins(cluster, *plugins)
    options = VolumeOptions(driver_config=Driver(name=driver))
    mount = Mount(type="volume", source="data", target="/data", volume_options=options)
    cluster.deploy(spec(1, container_spec=ContainerSpec(image="busybox", mounts=(mount,))))
    cluster.settle()
    text = "no suitable node (missing plugin on 1 node)"
    assert reasons(cluster) == (set() if fits else {text})


@pytest.mark.parametrize(
    ("architecture", "os", "fits"),
    [
        ("amd64", "linux", True),
        ("x86_64", "linux", True),
        ("", "linux", True),
        ("amd64", "", True),
        ("arm64", "linux", False),
        ("amd64", "windows", False),
    ],
)
def test_platforms(architecture: str, os: str, *, fits: bool) -> None:
    cluster = Cluster(nodes=1)
    wanted = Placement(platforms=(Platform(architecture=architecture, os=os),))
    cluster.deploy(spec(1, placement=wanted))
    cluster.settle()
    assert len(cluster.running()) == fits


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (spec(5, placement=Placement(max_replicas=2)), "max replicas per node limit exceed"),
        (spec(5, resources=reserved(cpus=2)), "insufficient resources on 2 nodes"),
        (spec(5, endpoint_spec=host_port(("tcp", 80))), "host-mode port already in use on 2 nodes"),
        (
            spec(5, resources=reserved(cpus=3), placement=Placement(constraints=("node.id==n1",))),
            "insufficient resources on 1 node; scheduling constraints not satisfied on 1 node",
        ),
    ],
)
def test_why_the_rest_waits(wanted: ServiceSpec, reason: str) -> None:
    """In Swarm's words; the first filter that refuses a node is the one that counts."""
    cluster = Cluster(nodes=2)
    cluster.deploy(wanted)
    cluster.settle()
    assert reasons(cluster) == {f"no suitable node ({reason})"}


def test_a_task_that_no_node_ever_had_ends_when_it_is_asked_to() -> None:
    """An update of a service that fits nowhere: without it the old task would be pending for ever."""
    cluster = Cluster(nodes=1)
    at_once = UpdateConfig(parallelism=0, max_failure_ratio=0.0)
    tight = reserved(cpus=100)
    cluster.deploy(spec(1, resources=tight, update_config=at_once))
    cluster.deploy(
        spec(
            1,
            resources=tight,
            update_config=at_once,
            container_spec=ContainerSpec(image="busybox", env=("A=1",)),
        )
    )
    cluster.settle()
    new, old = cluster.tasks()
    assert (new.state, old.state) == (TaskState.PENDING, TaskState.SHUTDOWN)
    assert old.node_id == NodeID("")
