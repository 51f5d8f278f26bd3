"""Services in Docker's JSON: specs both ways, and the object that clients inspect.

Source: moby api/types/swarm/service.go, daemon/cluster/convert/service.go, and
api/server/router/swarm/helpers.go (adjustForAPIVersion).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from swarmd.errors import BadRequestError, UnsupportedError
from swarmd.lib.remembered import Remembered
from swarmd.model.ids import NetworkID
from swarmd.model.network import Network
from swarmd.model.service import Service, UpdateStatus
from swarmd.model.spec import (
    SECOND,
    DNSConfig,
    EndpointSpec,
    Placement,
    PortConfig,
    ResourceRequirements,
    RestartPolicy,
    ServiceSpec,
    UpdateConfig,
)
from swarmd.wire.codec import at_path, convert, encoded, parse, to_docker
from swarmd.wire.network import prefixed
from swarmd.wire.times import rfc3339

_CONTAINER = "TaskTemplate.ContainerSpec."
#: Fields that an API below the version does not have: dropped, as Docker drops them.
_SINCE: tuple[tuple[tuple[int, int], str], ...] = (
    ((1, 40), _CONTAINER + "Sysctls"),
    ((1, 40), _CONTAINER + "Privileges.CredentialSpec.Config"),
    ((1, 40), "TaskTemplate.Placement.MaxReplicas"),
    ((1, 41), _CONTAINER + "CapabilityAdd"),
    ((1, 41), _CONTAINER + "CapabilityDrop"),
    ((1, 41), _CONTAINER + "Ulimits"),
    ((1, 41), "TaskTemplate.Resources.Limits.Pids"),
    ((1, 44), _CONTAINER + "Healthcheck.StartInterval"),
    ((1, 44), _CONTAINER + "Privileges.Seccomp"),
    ((1, 44), _CONTAINER + "Privileges.AppArmor"),
    ((1, 44), _CONTAINER + "Privileges.NoNewPrivileges"),
    ((1, 46), _CONTAINER + "Mounts[].TmpfsOptions.Options"),
    ((1, 46), _CONTAINER + "OomScoreAdj"),
)
#: What Docker knows and no record holds: refused, so that it is not lost without a word.
_UNKNOWN = (
    (_CONTAINER + "Mounts[].ImageOptions.Subpath", "a subpath of an image mount"),
    (_CONTAINER + "Mounts[].ClusterOptions", "a cluster volume"),
)
#: The endpoint spec that Docker shows of a service without one.
_BY_VIP = encoded(EndpointSpec(mode="vip"))
#: Specs in JSON, a few kilobytes each: lists ask for the same ones again and again.
_spec: Remembered[ServiceSpec, msgspec.Raw] = Remembered(encoded, 2048)


def decode_spec(body: bytes, version: tuple[int, int]) -> ServiceSpec:
    """A service's spec as a client of that API version sent it; neither checked nor normalised.

    Raises msgspec.DecodeError, BadRequestError, UnsupportedError.
    """
    value = parse(body)
    _refuse_unknown(value)
    for since, path in _SINCE:
        if version < since:
            for holder, key in at_path(value, path):
                del holder[key]
    return convert(value, ServiceSpec)


def _refuse_unknown(value: Any) -> None:
    for other in ("PluginSpec", "NetworkAttachmentSpec"):
        if at_path(value, f"TaskTemplate.{other}"):
            if at_path(value, "TaskTemplate.ContainerSpec"):
                raise BadRequestError("mismatched Runtime and *Spec fields")
            raise UnsupportedError(f"services with a {other} are not supported yet")
    for path, what in _UNKNOWN:
        if any(holder[key] for holder, key in at_path(value, path)):
            raise UnsupportedError(f"{what} is not supported yet")


# ---- writing


class ServiceCounts(msgspec.Struct, frozen=True, rename="pascal"):
    """`ServiceStatus`: of `service ls`."""

    running_tasks: int
    desired_tasks: int
    completed_tasks: int = 0


class _Version(msgspec.Struct, frozen=True, rename="pascal"):
    index: int


class _VirtualIP(msgspec.Struct, frozen=True, omit_defaults=True):
    network_id: str = msgspec.field(name="NetworkID")
    addr: str = msgspec.field(name="Addr")


class _Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    spec: msgspec.Raw | None = msgspec.field(name="Spec", default=None)
    ports: msgspec.Raw | None = msgspec.field(name="Ports", default=None)
    virtual_ips: tuple[_VirtualIP, ...] = msgspec.field(name="VirtualIPs", default=())


class _UpdateStatus(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    state: str
    started_at: str | None = None
    completed_at: str | None = None
    message: str = ""


class _Service(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    id: str = msgspec.field(name="ID")
    version: _Version
    created_at: str
    updated_at: str
    spec: msgspec.Raw
    previous_spec: msgspec.Raw | None = None
    endpoint: _Endpoint = _Endpoint()
    update_status: _UpdateStatus | None = None
    service_status: ServiceCounts | None = None


def encode(
    service: Service,
    spec: ServiceSpec,
    previous: ServiceSpec | None,
    networks: Mapping[NetworkID, Network],
    counts: ServiceCounts | None = None,
) -> bytes:
    """What a client inspects.  `networks` tells the prefix lengths of virtual addresses."""
    meta = service.meta
    return msgspec.json.encode(
        _Service(
            id=service.id,
            version=_Version(meta.version),
            created_at=rfc3339(meta.created_at),
            updated_at=rfc3339(meta.updated_at),
            spec=_spec(spec),
            previous_spec=None if previous is None else _spec(previous),
            endpoint=_endpoint(service, spec, networks),
            update_status=_update(service.update_status),
            service_status=counts,
        )
    )


def _endpoint(
    service: Service, spec: ServiceSpec, networks: Mapping[NetworkID, Network]
) -> _Endpoint:
    ips = tuple(
        _VirtualIP(network_id=vip.network_id, addr=prefixed(vip.address, networks[vip.network_id]))
        for vip in service.virtual_ips
        if vip.network_id in networks
    )
    return _Endpoint(
        spec=encoded(spec.endpoint_spec) if spec.endpoint_spec else _BY_VIP,
        ports=encoded(_known(service.ports)) if _known(service.ports) else None,
        virtual_ips=ips,
    )


def _known(ports: tuple[PortConfig, ...]) -> tuple[PortConfig, ...]:
    """Ports as they are published; with mode=host the engine may choose, task by task."""
    return tuple(port for port in ports if port.published_port or not port.is_ingress)


def _update(status: UpdateStatus | None) -> _UpdateStatus | None:
    if status is None:
        return None
    return _UpdateStatus(
        state=status.state.value,
        started_at=rfc3339(status.started_at) if status.started_at else None,
        completed_at=rfc3339(status.completed_at) if status.completed_at else None,
        message=status.message,
    )


# ---- insertDefaults=true (swarmkit api/defaults/service.go)

_UPDATE = UpdateConfig(parallelism=1, monitor=5 * SECOND, max_failure_ratio=0.0)
_RESTART = RestartPolicy(delay=5 * SECOND, max_attempts=0)
_GRACE = 10 * SECOND


def _with_defaults(spec: ServiceSpec) -> ServiceSpec:
    template = spec.task_template
    container = template.container_spec
    if container is not None:
        grace = container.stop_grace_period
        container = msgspec.structs.replace(
            container,
            stop_grace_period=_GRACE if grace is None else grace,
            dns_config=container.dns_config or DNSConfig(),
        )
    restart = template.restart_policy or _RESTART
    if restart.delay is None:
        restart = msgspec.structs.replace(restart, delay=_RESTART.delay)
    return msgspec.structs.replace(
        spec,
        task_template=msgspec.structs.replace(
            template,
            container_spec=container,
            resources=template.resources or ResourceRequirements(),
            restart_policy=restart,
            placement=template.placement or Placement(),
        ),
        update_config=_with_monitor(spec.update_config),
        rollback_config=_with_monitor(spec.rollback_config),
    )


#: A spec with what holds where the user said nothing.
with_defaults: Remembered[ServiceSpec, ServiceSpec] = Remembered(_with_defaults, 1024)


def _with_monitor(config: UpdateConfig | None) -> UpdateConfig:
    if config is None:
        return _UPDATE
    if config.monitor is None:
        return msgspec.structs.replace(config, monitor=_UPDATE.monitor)
    return config


def task_template(spec: ServiceSpec) -> dict[str, Any]:
    """The spec of a task, which Docker shows without its runtime."""
    document: dict[str, Any] = to_docker(spec.task_template)
    document.pop("Runtime", None)
    return document
