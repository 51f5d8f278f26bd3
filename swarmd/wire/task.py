"""Tasks in Docker's JSON.

Thousands are listed at once and most of each is the same: the spec of its service at one version,
and its networks.  Those pieces are encoded once per list and put in as they are.

Source: moby api/types/swarm/task.go.
"""

from collections.abc import Iterable, Mapping

import msgspec

from swarmd.model.ids import NetworkID, ServiceID, Version
from swarmd.model.network import Network
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Attachment, HostPort, Task, TaskStatus
from swarmd.wire.codec import encoded
from swarmd.wire.network import attached, prefixed
from swarmd.wire.service import task_template
from swarmd.wire.times import rfc3339


class _Version(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    index: int


class _ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    container_id: str = msgspec.field(name="ContainerID")
    pid: int = msgspec.field(name="PID")
    exit_code: int = msgspec.field(name="ExitCode")


class _Port(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    protocol: str
    target_port: int
    published_port: int
    publish_mode: str = "host"


class _PortStatus(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    ports: tuple[_Port, ...] = ()


class _Status(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    timestamp: str
    state: str
    port_status: _PortStatus
    message: str = ""
    err: str = ""
    container_status: _ContainerStatus | None = None


class _Attachment(msgspec.Struct, frozen=True, rename="pascal"):
    network: msgspec.Raw
    addresses: list[str]


class _Task(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    id: str = msgspec.field(name="ID")
    version: _Version
    created_at: str
    updated_at: str
    labels: dict[str, str]
    spec: msgspec.Raw
    service_id: str = msgspec.field(name="ServiceID")
    status: _Status
    desired_state: str
    #: none yet; Docker writes null
    volumes: msgspec.Raw
    slot: int = 0
    node_id: str = msgspec.field(name="NodeID", default="")
    networks_attachments: list[_Attachment] = []
    generic_resources: msgspec.Raw | None = None


_NULL = msgspec.Raw(b"null")
_NO_PORTS = _PortStatus()
_NO_CONTAINER = _ContainerStatus("", 0, 0)


class TaskEncoder:
    """Encodes the tasks of one view, each shared piece once."""

    def __init__(self, networks: Mapping[NetworkID, Network]) -> None:
        self._networks = networks
        self._attached: dict[NetworkID, msgspec.Raw] = {}
        self._specs: dict[tuple[ServiceID, Version], msgspec.Raw] = {}

    def encode(self, task: Task, spec: ServiceSpec) -> bytes:
        """What a client inspects; `spec` is the one that the task was made from."""
        return msgspec.json.encode(
            _Task(
                id=task.id,
                version=_Version(task.meta.version),
                created_at=rfc3339(task.meta.created_at),
                updated_at=rfc3339(task.meta.updated_at),
                labels={},
                spec=self._spec(task, spec),
                service_id=task.service_id,
                slot=task.slot,
                node_id=task.node_id,
                status=_status(task.status),
                desired_state=task.desired_state.value,
                networks_attachments=list(self._attachments(task.attachments)),
                generic_resources=encoded(task.generic_resources)
                if task.generic_resources
                else None,
                volumes=_NULL,
            )
        )

    def _spec(self, task: Task, spec: ServiceSpec) -> msgspec.Raw:
        key = (task.service_id, task.spec_version)
        if key not in self._specs:
            self._specs[key] = msgspec.Raw(msgspec.json.encode(task_template(spec)))
        return self._specs[key]

    def _attachments(self, attachments: Iterable[Attachment]) -> Iterable[_Attachment]:
        for one in attachments:
            network = self._networks.get(one.network_id)
            if network is None:
                continue  # it was removed after the task ended
            if network.id not in self._attached:
                self._attached[network.id] = attached(network)
            addresses = [prefixed(address, network) for address in one.addresses]
            yield _Attachment(network=self._attached[network.id], addresses=addresses)


def _status(status: TaskStatus) -> _Status:
    container = status.container
    return _Status(
        timestamp=rfc3339(status.timestamp),
        state=status.state.value,
        message=status.message,
        err=status.err,
        # Docker shows an empty container where none was made but the agent had its say.
        container_status=_ContainerStatus(
            container.container_id, container.pid, container.exit_code
        )
        if container
        else (_NO_CONTAINER if status.state.is_terminal else None),
        port_status=_PortStatus(tuple(map(_port, status.host_ports)))
        if status.host_ports
        else _NO_PORTS,
    )


def _port(port: HostPort) -> _Port:
    return _Port(port.protocol, port.target_port, port.published_port)
