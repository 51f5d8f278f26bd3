"""A plane that was taken apart is the same when it is put together, whatever order its parts have."""

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmd.model.dataplane import (
    NO_TASK,
    Backend,
    DataPlane,
    Endpoint,
    PlaneNetwork,
    PlaneNode,
    PlanePort,
    PlaneService,
    ServiceNetwork,
)
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID
from swarmd.model.planeparts import (
    BackendPart,
    EndpointPart,
    NetworkPart,
    NodePart,
    Part,
    PlaneChange,
    PlaneMirror,
    ServicePart,
)

N1, N2, T1, T2 = NodeID("n1"), NodeID("n2"), TaskID("t1"), TaskID("t2")
OLD, NEW = NetworkID("z-old"), NetworkID("a-new")
WEB = ServiceID("web")
PORT = PlanePort(protocol="tcp", published_port=80, target_port=8080)


def node(node_id: NodeID) -> PlaneNode:
    return PlaneNode(id=node_id, data_path=f"path-{node_id}")


def network(network_id: NetworkID, *endpoints: Endpoint) -> PlaneNetwork:
    return PlaneNetwork(id=network_id, name=network_id, vni=1, subnets=(), endpoints=endpoints)


def endpoint(node_id: NodeID, task_id: TaskID = NO_TASK) -> Endpoint:
    return Endpoint(addresses=(f"{node_id}{task_id}",), node_id=node_id, task_id=task_id)


def backend(node_id: NodeID, task_id: TaskID) -> Backend:
    return Backend(addresses=(f"{node_id}{task_id}",), node_id=node_id, task_id=task_id)


#: Networks come first, each once: nothing is told of one that is not known.
NETWORKS: tuple[Part, ...] = (
    NetworkPart(id=NEW, network=network(NEW), created_at=2),
    NetworkPart(id=OLD, network=network(OLD), created_at=1),
)
PARTS: tuple[Part, ...] = (
    NodePart(id=N2, node=node(N2)),
    NodePart(id=N1, node=node(N1)),
    EndpointPart(network_id=OLD, task_id=T2, endpoint=endpoint(N2, T2)),
    EndpointPart(network_id=OLD, task_id=T1, endpoint=endpoint(N1, T1)),
    EndpointPart(network_id=OLD, node_id=N2, endpoint=endpoint(N2)),
    EndpointPart(network_id=OLD, node_id=N1, endpoint=endpoint(N1)),
    ServicePart(
        id=WEB,
        name="web",
        network_id=NEW,
        part=ServiceNetwork(network_id=NEW),
        ports=(PORT,),
        position=0,
    ),
    ServicePart(
        id=WEB,
        name="web",
        network_id=OLD,
        part=ServiceNetwork(network_id=OLD, virtual_ips=("v",)),
        ports=(PORT,),
        position=1,
    ),
    BackendPart(service_id=WEB, network_id=OLD, task_id=T2, backend=backend(N2, T2)),
    BackendPart(service_id=WEB, network_id=OLD, task_id=T1, backend=backend(N1, T1)),
)
PLANE = DataPlane(
    node_id=N1,
    nodes=(node(N1), node(N2)),
    networks=(
        network(OLD, endpoint(N1), endpoint(N2), endpoint(N1, T1), endpoint(N2, T2)),
        network(NEW),
    ),
    services=(
        PlaneService(
            id=WEB,
            name="web",
            networks=(
                ServiceNetwork(network_id=NEW),
                ServiceNetwork(
                    network_id=OLD,
                    virtual_ips=("v",),
                    backends=(backend(N1, T1), backend(N2, T2)),
                ),
            ),
            ports=(PORT,),
        ),
    ),
)


def told(parts: tuple[Part, ...]) -> PlaneMirror:
    mirror = PlaneMirror()
    first = PlaneChange(parts=NETWORKS, is_complete=True, has_more=True, node_id=N1)
    assert mirror.take(first) is None
    for part in parts:
        assert mirror.take(PlaneChange(parts=(part,), has_more=True)) is None
    return mirror


@given(st.permutations(PARTS))
@settings(deadline=None)
def test_parts_make_the_same_plane_in_any_order(parts: list[Part]) -> None:
    assert told(tuple(parts)).take(PlaneChange()) == PLANE


@given(st.permutations(PARTS))
@settings(deadline=None)
def test_what_is_taken_back_leaves_nothing(parts: list[Part]) -> None:
    mirror = told(PARTS)
    gone: list[Part] = []
    for part in parts:
        match part:
            case NodePart(id=node_id):
                gone.append(NodePart(id=node_id))
            case EndpointPart(network_id=network_id, node_id=node_id, task_id=task_id):
                gone.append(EndpointPart(network_id=network_id, node_id=node_id, task_id=task_id))
            case ServicePart(id=service_id, network_id=network_id):
                gone.append(ServicePart(id=service_id, network_id=network_id))
            case BackendPart(service_id=service_id, network_id=network_id, task_id=task_id):
                gone.append(
                    BackendPart(service_id=service_id, network_id=network_id, task_id=task_id)
                )
            case NetworkPart():
                raise AssertionError("networks stay")
    left = mirror.take(PlaneChange(parts=tuple(gone)))
    assert left == DataPlane(node_id=N1, networks=(network(OLD), network(NEW)))


def test_a_network_that_is_left_takes_its_parts_along() -> None:
    left = told(PARTS).take(PlaneChange(parts=(NetworkPart(id=OLD),)))
    assert left is not None
    assert left.networks == (network(NEW),)
    assert left.services[0].networks == (ServiceNetwork(network_id=NEW),)


def test_a_network_whose_header_changes_keeps_its_endpoints() -> None:
    """Its MTU, say."""
    changed = PlaneNetwork(id=OLD, name=OLD, vni=1, subnets=(), endpoints=(), mtu=1400)
    part = NetworkPart(id=OLD, network=changed, created_at=1)
    left = told(PARTS).take(PlaneChange(parts=(part,)))
    assert left is not None
    assert left.networks[0].mtu == 1400
    assert left.networks[0].endpoints == PLANE.networks[0].endpoints


def test_a_complete_plane_forgets_the_one_before() -> None:
    first = PlaneChange(is_complete=True, node_id=N2)
    assert told(PARTS).take(first) == DataPlane(node_id=N2)
