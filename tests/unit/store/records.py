"""Small records for tests of the store."""

from swarmd.model.cluster import Cluster, ClusterSpec, JoinSecrets
from swarmd.model.ids import ClusterID, NetworkID, NodeID, RequestID, ServiceID, TaskID, Version
from swarmd.model.network import Network, NetworkSpec
from swarmd.model.node import Availability, Node, NodeAddress, NodeSpec, Role
from swarmd.model.service import Service, StoredSpec, VirtualIP
from swarmd.model.spec import (
    ContainerSpec,
    Reservations,
    ResourceRequirements,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
)
from swarmd.model.task import Attachment, Task, TaskState, TaskStatus
from swarmd.ports import Timestamp
from swarmd.store.entry import FEATURE_LEVEL, Change, Entry, encode, joined


def entry(*changes: Change, time: Timestamp = 1, request_id: str = "") -> Entry:
    """One entry."""
    return Entry(
        feature_level=FEATURE_LEVEL,
        time=time,
        proposer="n1",
        request_id=RequestID(request_id),
        changes=tuple(changes),
    )


def command(*entries: Entry) -> bytes:
    """As it goes into the log."""
    return joined([encode(one) for one in entries])


def cluster(**labels: str) -> Cluster:
    return Cluster(
        id=ClusterID("c"),
        spec=ClusterSpec(name="default", labels=labels),
        root_certificate="ROOT",
        root_key="KEY",
        join_secrets=JoinSecrets(worker="w", manager="m"),
        gossip_keys=(b"\x00\xff",),
    )


def node(name: str, *held: str, **labels: str) -> Node:
    """A node with its address in each of the networks."""
    return Node(
        id=NodeID(name),
        spec=NodeSpec(labels=labels, role=Role.WORKER, availability=Availability.ACTIVE),
        addresses=tuple(
            NodeAddress(network_id=NetworkID(n), address=f"10.1.0.{name[1:]}") for n in held
        ),
    )


def network(name: str, **labels: str) -> Network:
    return Network(id=NetworkID(name), spec=NetworkSpec(name=f"net-{name}", labels=labels))


def stored(service: str, version: int, nano_cpus: int = 0) -> StoredSpec:
    """A spec that reserves something."""
    resources = ResourceRequirements(
        reservations=Reservations(nano_cpus=nano_cpus, memory_bytes=2 * nano_cpus)
    )
    template = TaskSpec(
        container_spec=ContainerSpec(image="busybox"), resources=resources, force_update=version
    )
    spec = ServiceSpec(
        name=f"Name-{service}", labels={}, task_template=template, mode=ServiceMode()
    )
    return StoredSpec(service_id=ServiceID(service), version=Version(version), spec=spec)


def service(name: str, version: int, *held: str) -> Service:
    """A service with a VIP in each of the networks."""
    vips = tuple(VirtualIP(network_id=NetworkID(n), address=f"10.2.0.{name[1:]}") for n in held)
    return Service(
        id=ServiceID(name),
        name=f"Name-{name}",
        spec_version=Version(version),
        virtual_ips=vips,
    )


def task(
    name: str,
    of: str,
    version: int = 1,
    on: str = "",
    state: TaskState = TaskState.NEW,
    held: tuple[str, ...] = (),
) -> Task:
    """A task with an address in each of the networks."""
    return Task(
        id=TaskID(name),
        service_id=ServiceID(of),
        spec_version=Version(version),
        slot=1,
        node_id=NodeID(on),
        status=TaskStatus(state=state),
        attachments=tuple(
            Attachment(network_id=NetworkID(n), addresses=(f"10.3.0.{name[1:]}",)) for n in held
        ),
    )
