"""Parts of objects that are seldom seen together."""

import msgspec
import pytest

from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID, Version
from swarmd.model.meta import Meta
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.model.service import Service, UpdateState, UpdateStatus
from swarmd.model.spec import (
    ContainerSpec,
    DiscreteResource,
    GenericResource,
    NamedResource,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
)
from swarmd.model.task import Attachment, ContainerStatus, HostPort, Task, TaskState, TaskStatus
from swarmd.wire import service as wire_service
from swarmd.wire.network import prefixed
from swarmd.wire.service import ServiceCounts
from swarmd.wire.task import TaskEncoder

AT = 1_795_240_183_560_938_461
META = Meta(version=Version(12), spec_version=Version(3), created_at=AT, updated_at=AT)
SPEC = ServiceSpec(
    name="web",
    labels={},
    task_template=TaskSpec(container_spec=ContainerSpec(image="busybox"), force_update=0),
    mode=ServiceMode(),
)
NETWORK = Network(
    id=NetworkID("net"),
    meta=META,
    spec=NetworkSpec(name="net1", labels={}),
    vni=4097,
    subnets=(IPAMConfig(subnet="10.0.1.0/24"), IPAMConfig(subnet="10.9.0.0/16")),
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("10.0.1.3", "10.0.1.3/24"), ("10.9.7.1", "10.9.7.1/16"), ("10.200.0.1", "10.200.0.1/32")],
)
def test_an_address_is_shown_with_the_length_of_its_subnet(address: str, shown: str) -> None:
    assert prefixed(address, NETWORK) == shown


def test_a_task_with_everything() -> None:
    """A global service's task with mode=host ports and claimed resources."""
    task = Task(
        id=TaskID("t"),
        service_id=ServiceID("s"),
        spec_version=Version(1),
        node_id=NodeID("n"),
        meta=META,
        status=TaskStatus(
            state=TaskState.FAILED,
            timestamp=AT,
            message="started",
            err="task: non-zero exit (3)",
            container=ContainerStatus(container_id="c", exit_code=3),
            host_ports=(HostPort(protocol="tcp", target_port=80, published_port=8080),),
        ),
        attachments=(
            Attachment(network_id=NetworkID("gone"), addresses=("10.5.0.1",)),
            Attachment(network_id=NetworkID("net"), addresses=("10.9.0.3",)),
        ),
        generic_resources=(
            GenericResource(named_resource_spec=NamedResource(kind="gpu", value="a")),
            GenericResource(discrete_resource_spec=DiscreteResource(kind="ssd", value=2)),
        ),
    )
    encoder = TaskEncoder({NETWORK.id: NETWORK})
    shown = msgspec.json.decode(encoder.encode(task, SPEC))
    assert encoder.encode(task, SPEC) == encoder.encode(task, SPEC)
    assert "Slot" not in shown
    assert shown["Status"] == {
        "Timestamp": "2026-11-21T05:49:43.560938461Z",
        "State": "failed",
        "Message": "started",
        "Err": "task: non-zero exit (3)",
        "ContainerStatus": {"ContainerID": "c", "PID": 0, "ExitCode": 3},
        "PortStatus": {
            "Ports": [
                {
                    "Protocol": "tcp",
                    "TargetPort": 80,
                    "PublishedPort": 8080,
                    "PublishMode": "host",
                }
            ]
        },
    }
    (attachment,) = shown["NetworksAttachments"]
    assert attachment["Addresses"] == ["10.9.0.3/16"]
    assert attachment["Network"]["Spec"]["DriverConfiguration"] == {"Name": "overlay"}
    assert shown["GenericResources"] == [
        {"NamedResourceSpec": {"Kind": "gpu", "Value": "a"}},
        {"DiscreteResourceSpec": {"Kind": "ssd", "Value": 2}},
    ]


def test_a_service_in_the_middle_of_an_update() -> None:
    service = Service(
        id=ServiceID("s"),
        name="web",
        meta=META,
        spec_version=Version(2),
        previous_spec_version=Version(1),
        update_status=UpdateStatus(
            state=UpdateState.PAUSED, started_at=AT, message="update paused", slots=3
        ),
    )
    counts = ServiceCounts(running_tasks=1, desired_tasks=2)
    shown = msgspec.json.decode(wire_service.encode(service, SPEC, SPEC, {}, counts))
    assert shown["Version"] == {"Index": 12}
    assert shown["PreviousSpec"] == shown["Spec"]
    assert shown["Endpoint"] == {"Spec": {"Mode": "vip"}}
    assert shown["UpdateStatus"] == {
        "State": "paused",
        "StartedAt": "2026-11-21T05:49:43.560938461Z",
        "Message": "update paused",
    }
    assert shown["ServiceStatus"] == {"RunningTasks": 1, "DesiredTasks": 2, "CompletedTasks": 0}
