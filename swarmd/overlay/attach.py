"""A task's place in the networks of its node: what its container is created with."""

from swarmd.model.dataplane import DataPlane, Endpoint, PlaneNetwork
from swarmd.model.devices import engine_name, mac_of
from swarmd.model.ids import TaskID
from swarmd.wire.container import TaskEndpoint, TaskNetworks

#: Answers to clients of a published port leave by the default route: best by the way they came.
_INGRESS_PRIORITY = 1000


def task_networks(plane: DataPlane, task_id: TaskID, upstreams: tuple[str, ...]) -> TaskNetworks:
    """The task's endpoints on this node.  The resolver is the node's address in the first network.

    `upstreams` are asked for names that are none of the cluster's.
    """
    places = [
        (network, endpoint)
        for network in plane.networks
        if (endpoint := task_endpoint(plane, network, task_id)) is not None
    ]
    if not places:
        return TaskNetworks()
    count = len(places)
    return TaskNetworks(
        endpoints=tuple(
            TaskEndpoint(
                network=engine_name(network.id),
                addresses=endpoint.addresses,
                mac=mac_of(endpoint.addresses),
                gateway_priority=_INGRESS_PRIORITY if network.is_ingress else count - rank,
            )
            for rank, (network, endpoint) in enumerate(places)
        ),
        resolver=places[0][0].node_addresses(plane.node_id)[0],
        upstreams=upstreams,
    )


def task_endpoint(plane: DataPlane, network: PlaneNetwork, task_id: TaskID) -> Endpoint | None:
    """A task's endpoint on this node in one network."""
    for endpoint in network.endpoints:
        if endpoint.task_id == task_id and endpoint.node_id == plane.node_id:
            return endpoint
    return None
