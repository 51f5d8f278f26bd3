"""What makes a service's spec valid: its first problem, in Docker's words, and its normal form.

Only what can be told from the spec alone; whether its name is free, its networks exist and its
ports are available is decided against the cluster's state.  What this version does not do is
refused here, so that nothing is accepted and then ignored.

Source: swarmkit manager/controlapi/service.go, moby daemon/cluster/convert/service.go.
"""

from collections.abc import Iterable

import msgspec

from swarmd.errors import BadRequestError, InvalidArgumentError, UnsupportedError
from swarmd.model.names import MAX_NAME, is_dns_name, is_image
from swarmd.model.spec import (
    BindOptions,
    ContainerSpec,
    EndpointSpec,
    FailureAction,
    Healthcheck,
    Limits,
    Mount,
    PortConfig,
    Privileges,
    Replicated,
    Reservations,
    RestartPolicy,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
    UpdateConfig,
)

#: What a whole swarm is made for.  A slip of the finger must not occupy every manager's memory.
MAX_REPLICAS = 100_000
_MIN_NANO_CPUS = 10**6
_MIN_MEMORY = 4 << 20
_MIN_HEALTH = 10**6
_MAX_PORT = 65535
_PROTOCOLS = ("tcp", "udp", "sctp")
_PUBLISH_MODES = ("ingress", "host")
_ENDPOINT_MODES = ("vip", "dnsrr")
_SECCOMP_MODES = ("", "default", "unconfined", "custom")
_APPARMOR_MODES = ("", "default", "disabled")
#: Of Windows; Docker takes any other word for the first.
_ISOLATIONS = ("default", "process", "hyperv")
_PROPAGATIONS = ("", "private", "rprivate", "shared", "rshared", "slave", "rslave")
_MOUNT_TYPES = ("bind", "volume", "tmpfs", "image")
_ONE_REPLICA = Replicated(replicas=1)


# ---- the normal form


def normalised(spec: ServiceSpec) -> ServiceSpec:
    """With the words that Docker fills in, and the deprecated place of networks emptied."""
    template = spec.task_template
    return msgspec.structs.replace(
        spec,
        task_template=msgspec.structs.replace(
            template,
            container_spec=_container(template.container_spec),
            restart_policy=_restart_policy(template.restart_policy),
            networks=template.networks or spec.networks,
            runtime=template.runtime or "container",
        ),
        networks=(),
        mode=_mode(spec.mode),
        endpoint_spec=spec.endpoint_spec and _endpoint(spec.endpoint_spec),
        update_config=_update(spec.update_config),
        rollback_config=_update(spec.rollback_config),
    )


def _mode(mode: ServiceMode) -> ServiceMode:
    if mode.replicated is not None and mode.replicated.replicas is None:
        return msgspec.structs.replace(mode, replicated=_ONE_REPLICA)
    return mode if _modes(mode) else ServiceMode(replicated=_ONE_REPLICA)


def _container(container: ContainerSpec | None) -> ContainerSpec | None:
    if container is None:
        return None
    isolation = container.isolation if container.isolation in _ISOLATIONS else "default"
    return msgspec.structs.replace(
        container, isolation=isolation, mounts=tuple(map(_mount, container.mounts))
    )


def _mount(mount: Mount) -> Mount:
    """Without options of a bind that are none."""
    if mount.bind_options != BindOptions():
        return mount
    return msgspec.structs.replace(mount, bind_options=None)


def _restart_policy(policy: RestartPolicy | None) -> RestartPolicy | None:
    if policy is None or policy.max_attempts is not None:
        return policy
    return msgspec.structs.replace(policy, max_attempts=0)


def _update(config: UpdateConfig | None) -> UpdateConfig | None:
    """To Docker a monitoring time of nothing is none given, which means the default."""
    if config is None or config.monitor != 0:
        return config
    return msgspec.structs.replace(config, monitor=None)


def _endpoint(endpoint: EndpointSpec) -> EndpointSpec:
    return EndpointSpec(
        mode=(endpoint.mode or "vip").lower(), ports=tuple(map(_port, endpoint.ports))
    )


def _port(port: PortConfig) -> PortConfig:
    return msgspec.structs.replace(
        port,
        protocol=(port.protocol or "tcp").lower(),
        publish_mode=(port.publish_mode or "ingress").lower(),
    )


# ---- problems


def check_service(spec: ServiceSpec) -> None:
    """Raise for the first problem of a spec in normal form.

    Raises BadRequestError for what Docker's front end refuses, InvalidArgumentError for what its
    control API does, UnsupportedError for what this version does not do yet.
    """
    _check_runtime(spec.task_template)
    _check_mode(spec.mode)
    _check_words(spec)
    _check_name(spec.name)
    _check_task(spec.task_template)
    _check_update(spec.update_config)
    _check_update(spec.rollback_config)
    _check_endpoint(spec.endpoint_spec or EndpointSpec())


def _check_name(name: str) -> None:
    if not name:
        raise InvalidArgumentError("meta: name must be provided")
    if not is_dns_name(name):
        raise InvalidArgumentError("name must be valid as a DNS name component")
    if len(name) > MAX_NAME:
        raise InvalidArgumentError("name must be 63 characters or fewer")


def _check_runtime(template: TaskSpec) -> None:
    if template.runtime == "plugin":
        raise UnsupportedError("services that run plugins are not supported yet")
    if template.runtime != "container":
        raise BadRequestError("unsupported runtime")
    if template.container_spec is None:
        raise BadRequestError("mismatched Runtime and *Spec fields")


def _modes(mode: ServiceMode) -> int:
    """How many modes are set."""
    parts = (mode.replicated, mode.global_, mode.replicated_job, mode.global_job)
    return sum(part is not None for part in parts)


def _check_mode(mode: ServiceMode) -> None:
    if _modes(mode) > 1:
        raise BadRequestError("must specify only one service mode")
    if mode.replicated_job is not None or mode.global_job is not None:
        raise UnsupportedError("jobs (replicated-job, global-job) are not supported yet")
    replicas = mode.replicated.replicas or 0 if mode.replicated is not None else 0
    if replicas < 0:
        raise BadRequestError("Number of replicas must be non-negative")
    if replicas > MAX_REPLICAS:
        raise InvalidArgumentError(
            f"Number of replicas ({replicas}) is more than a service may have: {MAX_REPLICAS}"
        )


def _check_words(spec: ServiceSpec) -> None:
    """Words that Docker's front end translates, and refuses if it cannot."""
    endpoint = spec.endpoint_spec or EndpointSpec(mode="vip")
    if endpoint.mode not in _ENDPOINT_MODES:
        raise BadRequestError(f'invalid resolution mode: "{endpoint.mode}"')
    for port in endpoint.ports:
        if port.protocol not in _PROTOCOLS:
            raise BadRequestError(f'invalid port protocol: "{port.protocol}"')
        if port.publish_mode not in _PUBLISH_MODES:
            raise BadRequestError(f'invalid port publish mode: "{port.publish_mode}"')
    container = spec.task_template.container_spec
    for mount in container.mounts if container else ():
        if mount.type in ("cluster", "npipe"):
            raise UnsupportedError(f"mounts of type {mount.type} are not supported")
        if mount.type not in _MOUNT_TYPES:
            raise BadRequestError(f'invalid MountType: "{mount.type}"')
        propagation = mount.bind_options.propagation if mount.bind_options else ""
        if propagation not in _PROPAGATIONS:
            raise BadRequestError(f'invalid MountPropagation: "{propagation}"')


def _check_task(template: TaskSpec) -> None:
    resources = template.resources
    if resources is not None:
        for amounts in (resources.limits, resources.reservations):
            if amounts is not None:
                _check_resources(amounts)
    policy = template.restart_policy
    if policy is not None:
        if (policy.delay or 0) < 0:
            raise InvalidArgumentError("TaskSpec: restart-delay cannot be negative")
        if (policy.window or 0) < 0:
            raise InvalidArgumentError("TaskSpec: restart-window cannot be negative")
    for preference in template.placement.preferences if template.placement else ():
        if preference.spread is None:
            raise InvalidArgumentError("TaskSpec: placement preferences know one strategy: spread")
    assert template.container_spec is not None
    _check_container(template.container_spec)


def _check_resources(amounts: Limits | Reservations) -> None:
    if amounts.nano_cpus and amounts.nano_cpus < _MIN_NANO_CPUS:
        cores = format(amounts.nano_cpus / 1e9, "g")
        raise InvalidArgumentError(f"invalid cpu value {cores}: Must be at least 0.001")
    if amounts.memory_bytes and amounts.memory_bytes < _MIN_MEMORY:
        raise InvalidArgumentError(
            f"invalid memory value {amounts.memory_bytes}: Must be at least 4MiB"
        )
    for resource in amounts.generic_resources if isinstance(amounts, Reservations) else ():
        count = resource.discrete_resource_spec
        if count is None or count.value < 0:
            raise InvalidArgumentError(
                "invalid generic resource: a reservation is a count of a kind"
            )


def _check_container(container: ContainerSpec) -> None:
    if not container.image:
        raise InvalidArgumentError("ContainerSpec: image reference must be provided")
    if not is_image(container.image):
        raise InvalidArgumentError(
            f'ContainerSpec: "{container.image}" is not a valid repository/tag'
        )
    _check_privileges(container.privileges or Privileges())
    twice = _first_twice(mount.target for mount in container.mounts)
    if twice is not None:
        raise InvalidArgumentError(f"ContainerSpec: duplicate mount point: {twice}")
    if container.healthcheck is not None:
        _check_health(container.healthcheck)
    if container.secrets:
        raise UnsupportedError("secrets in services are not supported yet")
    if container.configs:
        raise UnsupportedError("configs in services are not supported yet")


def _check_privileges(privileges: Privileges) -> None:
    """Docker takes a word that it does not know for "default", and tells nobody."""
    if privileges.credential_spec:
        raise UnsupportedError("credential specs are Windows' and not supported")
    seccomp, apparmor = privileges.seccomp, privileges.apparmor
    if seccomp and seccomp.mode not in _SECCOMP_MODES:
        raise InvalidArgumentError(f'ContainerSpec: invalid Seccomp mode: "{seccomp.mode}"')
    if apparmor and apparmor.mode not in _APPARMOR_MODES:
        raise InvalidArgumentError(f'ContainerSpec: invalid AppArmor mode: "{apparmor.mode}"')


def _check_health(check: Healthcheck) -> None:
    for name, value in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ):
        if value and value < _MIN_HEALTH:
            raise InvalidArgumentError(
                f"ContainerSpec: {name} in HealthConfig cannot be less than 1ms"
            )
    if check.retries < 0:
        raise InvalidArgumentError("ContainerSpec: Retries in HealthConfig cannot be negative")


def _check_update(update: UpdateConfig | None) -> None:
    if update is None:
        return
    if update.parallelism < 0:
        raise BadRequestError("invalid JSON: Parallelism cannot be negative")
    if update.delay < 0:
        raise InvalidArgumentError("TaskSpec: update-delay cannot be negative")
    if (update.monitor or 0) < 0:
        raise InvalidArgumentError("TaskSpec: update-monitor cannot be negative")
    if not 0 <= update.max_failure_ratio <= 1:
        raise InvalidArgumentError(
            "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1"
        )
    if update.failure_action is FailureAction.ROLLBACK:
        raise UnsupportedError(
            "the failure action rollback is not supported yet: use pause or continue"
        )


def _check_endpoint(endpoint: EndpointSpec) -> None:
    published = []
    for port in endpoint.ports:
        if not 0 < port.target_port <= _MAX_PORT or not 0 <= port.published_port <= _MAX_PORT:
            raise InvalidArgumentError(
                f"EndpointSpec: ports are numbers from 1 to {_MAX_PORT}, "
                f"not {port.published_port}:{port.target_port}"
            )
        if port.is_ingress and endpoint.mode == "dnsrr":
            raise InvalidArgumentError(
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode"
            )
        if port.is_ingress and port.protocol == "sctp":
            raise UnsupportedError(
                "sctp ports on every node are not supported yet: publish with mode=host"
            )
        if port.published_port:
            published.append(f"{port.published_port}/{port.protocol}")
    if _first_twice(published) is not None:
        raise InvalidArgumentError("EndpointSpec: duplicate published ports provided")


def _first_twice(items: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return None
