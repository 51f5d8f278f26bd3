"""A cluster of three nodes with an ingress and a stack's network, as node 1 must know it."""

from collections.abc import Collection

from swarmd.model.dataplane import (
    Backend,
    DataPlane,
    Endpoint,
    PlaneNetwork,
    PlaneNode,
    PlanePort,
    PlaneService,
    ServiceNetwork,
    without,
)
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID

INGRESS, STACK = NetworkID("ingress0"), NetworkID("stacknet")
NODES = [NodeID(f"node{index}") for index in (1, 2, 3)]
WEB_1, WEB_2, CLIENT_3 = TaskID("web1"), TaskID("web2"), TaskID("client3")


def plane(node: int = 1) -> DataPlane:
    """What node `node` must know: web on nodes 1 and 2, published on 8080, a client on node 3."""
    tasks = {INGRESS: {WEB_1: 1, WEB_2: 2}, STACK: {WEB_1: 1, WEB_2: 2, CLIENT_3: 3}}
    address = {INGRESS: "10.0.0.{}", STACK: "10.0.1.{}"}
    host = {WEB_1: 101, WEB_2: 102, CLIENT_3: 113}

    def endpoints(network: NetworkID) -> tuple[Endpoint, ...]:
        own = [
            Endpoint(addresses=(address[network].format(index),), node_id=NODES[index - 1])
            for index in (1, 2, 3)
        ]
        of_tasks = [
            Endpoint(
                addresses=(address[network].format(host[task]),),
                node_id=NODES[index - 1],
                task_id=task,
            )
            for task, index in tasks[network].items()
        ]
        return (*own, *of_tasks)

    def backends(network: NetworkID) -> tuple[Backend, ...]:
        return tuple(
            Backend(
                addresses=(address[network].format(host[task]),),
                node_id=NODES[index - 1],
                task_id=task,
                names=(f"web.{index}.{task}",),
            )
            for task, index in ((WEB_1, 1), (WEB_2, 2))
        )

    return DataPlane(
        node_id=NODES[node - 1],
        nodes=tuple(
            PlaneNode(id=NODES[index - 1], data_path=f"192.0.2.{index}") for index in (1, 2, 3)
        ),
        networks=(
            PlaneNetwork(
                id=INGRESS,
                name="ingress",
                vni=4096,
                subnets=("10.0.0.0/24",),
                is_ingress=True,
                endpoints=endpoints(INGRESS),
            ),
            PlaneNetwork(
                id=STACK,
                name="shop_default",
                vni=4097,
                subnets=("10.0.1.0/24",),
                endpoints=endpoints(STACK),
            ),
        ),
        services=(
            PlaneService(
                id=ServiceID("webservice"),
                name="shop_web",
                networks=(
                    ServiceNetwork(network_id=INGRESS, backends=backends(INGRESS)),
                    ServiceNetwork(
                        network_id=STACK,
                        aliases=("web",),
                        virtual_ips=("10.0.1.200",),
                        backends=backends(STACK),
                    ),
                ),
                ports=(PlanePort(protocol="tcp", published_port=8080, target_port=80),),
            ),
        ),
    )


def without_tasks(plane: DataPlane, withdrawn: Collection[TaskID]) -> DataPlane:
    """With no backends among these tasks."""
    return without(plane, lambda backend: backend.task_id in withdrawn)
