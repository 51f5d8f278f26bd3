"""Tasks, specs and containers for the tests of the agent."""

from typing import Any

import msgspec

from swarmd.agent.task import Rules
from swarmd.model.assignment import Assignments
from swarmd.model.ids import ClusterID, NetworkID, NodeID, ServiceID, TaskID, Version
from swarmd.model.service import StoredSpec
from swarmd.model.spec import SECOND, ContainerSpec, ServiceMode, ServiceSpec, TaskSpec
from swarmd.model.task import Attachment, Task, TaskState, TaskStatus
from swarmd.ports import Container
from swarmd.wire.container import CLUSTER_LABEL, TASK_ID_LABEL

CLUSTER = ClusterID("cluster")
NODE = NodeID("node")
SERVICE = ServiceID("service")
RULES = Rules(cluster_id=CLUSTER, withdraw=SECOND // 2)
IMAGE = "busybox:latest"
#: A moment; tests count from here in nanoseconds.
T0 = 1_700_000_000 * SECOND


def spec(**container: Any) -> ServiceSpec:
    made = ContainerSpec(image=IMAGE)
    return ServiceSpec(
        name="web",
        labels={},
        task_template=TaskSpec(
            container_spec=msgspec.structs.replace(made, **container), force_update=0
        ),
        mode=ServiceMode(),
    )


WEB = spec()


def task(
    number: int = 1,
    desired: TaskState = TaskState.RUNNING,
    *,
    state: TaskState = TaskState.ASSIGNED,
    networks: int = 0,
) -> Task:
    return Task(
        id=TaskID(f"t{number}"),
        service_id=SERVICE,
        spec_version=Version(1),
        slot=number,
        node_id=NODE,
        desired_state=desired,
        status=TaskStatus(state=state),
        attachments=tuple(
            Attachment(network_id=NetworkID(f"net{n}"), addresses=(f"10.0.{n}.{number}",))
            for n in range(networks)
        ),
    )


def complete(*tasks: Task, term: int = 1, spec: ServiceSpec = WEB, auth: str = "") -> Assignments:
    return Assignments(
        term=term,
        sequence=1,
        is_complete=True,
        tasks=tasks,
        specs=(StoredSpec(service_id=SERVICE, version=Version(1), spec=spec),),
        registry_auth={SERVICE: auth} if auth else {},
    )


def change(
    sequence: int, *tasks: Task, removed: tuple[str, ...] = (), term: int = 1
) -> Assignments:
    return Assignments(
        term=term,
        sequence=sequence,
        is_complete=False,
        tasks=tasks,
        removed=tuple(TaskID(name) for name in removed),
    )


def container(number: int = 1, status: str = "running", **parts: Any) -> Container:
    made = Container(
        id=f"c{number}",
        name=f"web.{number}.t{number}",
        labels={TASK_ID_LABEL: f"t{number}", CLUSTER_LABEL: CLUSTER},
        status=status,
        pid=100 + number if status == "running" else 0,
    )
    return msgspec.structs.replace(made, **parts)
