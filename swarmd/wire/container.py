"""The container that stands for a task: its name, its labels, the engine's create request.

A pass: everything that the container depends on comes in, Docker's JSON goes out.  The engine never
restarts such a container and never chooses its addresses; both are the cluster's business.

Two engines in one: from API 1.44 all networks are given at create, and must be, since `networks/connect`
ignores the MAC address there.  Older engines take one at create and the rest by `networks/connect`
before the start; they derive the MAC address from the address as we do.

Source: moby daemon/cluster/executor/container/container.go.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping

import msgspec

from swarmd.errors import InvalidArgumentError, UnsupportedError
from swarmd.model.base import NO_LABELS, Labels, Record
from swarmd.model.ids import ClusterID, NodeID, ServiceID, TaskID, Version
from swarmd.model.node import NodeDescription
from swarmd.model.spec import (
    SECOND,
    ContainerSpec,
    Driver,
    GenericResource,
    Healthcheck,
    Limits,
    Mount,
    Privileges,
    ServiceSpec,
)
from swarmd.model.task import Task
from swarmd.wire.templates import Fields, TemplateError, expand

#: Label of the cluster a container belongs to: those of another, or of none, are never touched.
CLUSTER_LABEL = "swarmd.cluster"
TASK_ID_LABEL = "com.docker.swarm.task.id"

#: API version from which all networks are given at create, with their MAC addresses.
ALL_NETWORKS_AT_CREATE = (1, 44)
#: API version from which an endpoint says how much it wants the default route.
GATEWAY_PRIORITY = (1, 48)

#: Networks that every engine has; a container in one gets no address of ours.
PREDEFINED_NETWORKS = ("host", "bridge", "none")
#: Those of which a container can be in one alone.
_ALONE = ("host", "none")


class TaskEndpoint(Record, frozen=True, kw_only=True):
    """A task's place in one network, as the engine is to make it."""

    #: the engine's name of the network
    network: str
    #: without prefix length, one per family; empty = the engine chooses
    addresses: tuple[str, ...] = ()
    #: see `model.devices.mac_of`; empty = the engine chooses
    mac: str = ""
    #: the endpoint with the highest one gets the default route (API 1.48)
    gateway_priority: int = 0


class TaskNetworks(Record, frozen=True, kw_only=True):
    """The networks of a task on its node; no endpoints = the engine's default network."""

    #: the first one becomes the container's network mode
    endpoints: tuple[TaskEndpoint, ...] = ()
    #: this node's own resolver, as seen from the first network; empty = none
    resolver: str = ""
    #: asked after the resolver unless the user named servers
    upstreams: tuple[str, ...] = ()


class Place(Record, frozen=True, kw_only=True):
    """Where a container is made: facts of the node, the cluster and the engine."""

    cluster_id: ClusterID
    node_id: NodeID
    description: NodeDescription = NodeDescription()
    #: as negotiated with the engine, (1, 51)
    api_version: tuple[int, int]


class ContainerRequest(Record, frozen=True, kw_only=True):
    """What to ask the engine for, in this order: create, then each connect, then the start."""

    name: str
    body: bytes
    #: (network, endpoint) that older engines want connected after the create
    later: tuple[tuple[str, TaskEndpoint], ...] = ()

    def connects(self, container_id: str) -> tuple[tuple[str, bytes], ...]:
        """(network, body) of each `networks/connect` that has to follow the create."""
        return tuple(
            (
                network,
                msgspec.json.encode(
                    {"Container": container_id, "EndpointConfig": _endpoint(endpoint, (0, 0))}
                ),
            )
            for network, endpoint in self.later
        )


class _LogConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    type: str = ""
    config: Labels = NO_LABELS


class _Binding(msgspec.Struct, frozen=True, rename="pascal"):
    host_port: str


class _Restart(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = "no"


class _HostConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    network_mode: str
    #: said, though it is the default: nobody but the cluster restarts a task
    restart_policy: _Restart
    mounts: tuple[Mapping[str, object], ...] = ()
    memory: int = 0
    nano_cpus: int = 0
    pids_limit: int = 0
    ulimits: tuple[Mapping[str, object], ...] = ()
    sysctls: Labels = NO_LABELS
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    init: bool | None = None
    readonly_rootfs: bool = False
    oom_score_adj: int = 0
    security_opt: tuple[str, ...] = ()
    log_config: _LogConfig | None = None
    port_bindings: Mapping[str, tuple[_Binding, ...]] = {}
    isolation: str = ""


class _AddressChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    ipv4: str = msgspec.field(name="IPv4Address", default="")
    ipv6: str = msgspec.field(name="IPv6Address", default="")


class _Endpoint(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    ipam_config: _AddressChoice | None = msgspec.field(name="IPAMConfig", default=None)
    mac_address: str = ""
    gw_priority: int = 0


class _Networking(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    endpoints_config: Mapping[str, _Endpoint] = {}


class _Create(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    image: str
    labels: Labels
    host_config: _HostConfig
    networking_config: _Networking | None = None
    hostname: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    open_stdin: bool = False
    healthcheck: Healthcheck | None = None
    stop_signal: str = ""
    #: seconds; the engine keeps it when it is itself asked to stop
    stop_timeout: int | None = None
    exposed_ports: Mapping[str, Mapping[str, str]] = {}


def container_name(task: Task, service_name: str) -> str:
    """`web.1.<task id>`; of a global service `web.<node id>.<task id>`."""
    return f"{service_name}.{task.slot or task.node_id}.{task.id}"


def container_request(
    task: Task, spec: ServiceSpec, place: Place, networks: TaskNetworks
) -> ContainerRequest:
    """The container of a task.

    Raises InvalidArgumentError, in words for the task's Err, if a template or a security profile
    cannot be read, and UnsupportedError for what cannot be given to a container yet.
    """
    container = _container_spec(spec)
    if container.secrets or container.configs:
        raise UnsupportedError("secrets and configs of a container are not supported yet")
    fields = template_fields(task, spec, place)
    networks = _with_predefined(spec, networks)
    is_modern = place.api_version >= ALL_NETWORKS_AT_CREATE
    joined = tuple(e for e in networks.endpoints if e.network not in _ALONE)
    at_create = joined if is_modern else joined[:1]
    body = _Create(
        image=container.image,
        labels=_labels(task, spec, place),
        host_config=_host_config(task, spec, networks, fields),
        networking_config=_Networking(
            {e.network: _endpoint(e, place.api_version) for e in at_create}
        )
        if at_create
        else None,
        hostname=_expanded("hostname", container.hostname, fields),
        env=_env(task, container, fields),
        entrypoint=container.command,
        cmd=container.args,
        working_dir=container.dir,
        user=container.user,
        tty=container.tty,
        open_stdin=container.open_stdin,
        healthcheck=container.healthcheck,
        stop_signal=container.stop_signal,
        stop_timeout=_stop_timeout(container),
        exposed_ports={key: {} for key in _port_bindings(spec)},
    )
    return ContainerRequest(
        name=container_name(task, spec.name),
        body=msgspec.json.encode(body),
        later=tuple((e.network, e) for e in joined[len(at_create) :]),
    )


def _with_predefined(spec: ServiceSpec, networks: TaskNetworks) -> TaskNetworks:
    """With the engine's own networks that the spec names: they come first, as in Docker.

    Raises InvalidArgumentError for one that leaves no room for others: the engine would take the
    others' interfaces into the host's own namespace.
    """
    named = tuple(
        TaskEndpoint(network=config.target)
        for config in spec.task_template.networks
        if config.target in PREDEFINED_NETWORKS
    )
    endpoints = (*named, *networks.endpoints)
    alone = next((endpoint.network for endpoint in named if endpoint.network in _ALONE), None)
    if alone is not None and len(endpoints) > 1:
        raise InvalidArgumentError(
            f"a container in network {alone} cannot join others: "
            "leave the other networks out, and publish ports with mode=host"
        )
    return msgspec.structs.replace(networks, endpoints=endpoints)


def check_templates(spec: ServiceSpec) -> None:
    """Raises InvalidArgumentError naming the first template of a spec that would not expand."""
    task = Task(id=TaskID("task"), service_id=ServiceID("service"), spec_version=Version(0), slot=1)
    place = Place(cluster_id=ClusterID(""), node_id=NodeID("node"), api_version=(1, 51))
    fields = template_fields(task, spec, place)
    container = _container_spec(spec)
    _expanded("hostname", container.hostname, fields)
    _env(task, container, fields)
    for mount in container.mounts:
        _mount(mount, fields)


def template_fields(task: Task, spec: ServiceSpec, place: Place) -> Fields:
    """What templates of a task's spec may name."""
    platform = place.description.platform
    return {
        "Service": {"ID": task.service_id, "Name": spec.name, "Labels": dict(spec.labels)},
        "Node": {
            "ID": place.node_id,
            "Hostname": place.description.hostname,
            "Platform": {"Architecture": platform.architecture, "OS": platform.os},
        },
        "Task": {
            "ID": task.id,
            "Name": container_name(task, spec.name),
            "Slot": str(task.slot) if task.slot else task.node_id,
        },
    }


def _container_spec(spec: ServiceSpec) -> ContainerSpec:
    container = spec.task_template.container_spec
    if container is None or not container.image:
        raise InvalidArgumentError("dockerexec: image required")
    return container


def _expanded(what: str, text: str, fields: Fields) -> str:
    try:
        return expand(text, fields)
    except TemplateError as error:
        raise InvalidArgumentError(f"expanding {what} failed: {error}") from error


def _labels(task: Task, spec: ServiceSpec, place: Place) -> Labels:
    """The user's, overridden by Swarm's six and ours."""
    return {
        **_container_spec(spec).labels,
        "com.docker.swarm.task": "",
        TASK_ID_LABEL: task.id,
        "com.docker.swarm.task.name": container_name(task, spec.name),
        "com.docker.swarm.node.id": place.node_id,
        "com.docker.swarm.service.id": task.service_id,
        "com.docker.swarm.service.name": spec.name,
        CLUSTER_LABEL: place.cluster_id,
    }


def _env(task: Task, container: ContainerSpec, fields: Fields) -> tuple[str, ...]:
    """Values are templates, names are not; claimed generic resources come last."""
    env = []
    for entry in container.env:
        name, equals, value = entry.partition("=")
        env.append(name + equals + _expanded(f"env {name}", value, fields))
    return (*env, *_claimed(task.generic_resources))


def _claimed(resources: tuple[GenericResource, ...]) -> list[str]:
    """`DOCKER_RESOURCE_GPU=a,b` for named ones, `DOCKER_RESOURCE_SSD=2` for counts."""
    values: dict[str, list[str]] = {}
    for resource in resources:
        if named := resource.named_resource_spec:
            values.setdefault(named.kind, []).append(named.value)
        elif counted := resource.discrete_resource_spec:
            values.setdefault(counted.kind, []).append(str(counted.value))
    return [f"DOCKER_RESOURCE_{kind.upper()}={','.join(found)}" for kind, found in values.items()]


def _host_config(
    task: Task, spec: ServiceSpec, networks: TaskNetworks, fields: Fields
) -> _HostConfig:
    container = _container_spec(spec)
    resources = spec.task_template.resources
    limits = (resources and resources.limits) or Limits()
    dns = container.dns_config
    servers = (dns and dns.nameservers) or ()
    if networks.resolver:
        servers = (networks.resolver, *(servers or networks.upstreams))
    return _HostConfig(
        network_mode=networks.endpoints[0].network if networks.endpoints else "default",
        restart_policy=_Restart(),
        # The record leaves out its default type; the engine has no default.
        mounts=tuple(
            {**msgspec.to_builtins(_mount(mount, fields)), "Type": mount.type}
            for mount in container.mounts
        ),
        memory=limits.memory_bytes,
        nano_cpus=limits.nano_cpus,
        pids_limit=limits.pids,
        ulimits=tuple({"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in container.ulimits),
        sysctls=container.sysctls,
        cap_add=container.capability_add,
        cap_drop=container.capability_drop,
        group_add=container.groups,
        dns=servers,
        dns_search=(dns and dns.search) or (),
        dns_options=(dns and dns.options) or (),
        extra_hosts=_extra_hosts(container.hosts),
        init=container.init,
        readonly_rootfs=container.read_only,
        oom_score_adj=container.oom_score_adj,
        security_opt=_security_options(container.privileges),
        log_config=_log_config(spec.task_template.log_driver or task.log_driver),
        port_bindings=_port_bindings(spec),
        isolation="" if container.isolation == "default" else container.isolation,
    )


def _mount(mount: Mount, fields: Fields) -> Mount:
    """A mount with its templates expanded; the record has the engine's own names."""
    options = mount.volume_options
    if options is not None:
        driver = options.driver_config
        options = msgspec.structs.replace(
            options,
            labels=_expanded_values("volume label", options.labels, fields),
            driver_config=driver
            and msgspec.structs.replace(
                driver, options=_expanded_values("volume option", driver.options, fields)
            ),
        )
    return msgspec.structs.replace(
        mount,
        source=_expanded("mount source", mount.source, fields),
        target=_expanded("mount target", mount.target, fields),
        volume_options=options,
    )


def _expanded_values(what: str, values: Labels, fields: Fields) -> Labels:
    return {name: _expanded(f"{what} {name}", text, fields) for name, text in values.items()}


def _extra_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """`10.0.0.1 db database` → `db:10.0.0.1`, `database:10.0.0.1`."""
    entries = (entry.split() for entry in hosts)
    return tuple(f"{name}:{address}" for address, *names in filter(None, entries) for name in names)


def _log_config(driver: Driver | None) -> _LogConfig | None:
    return None if driver is None else _LogConfig(driver.name, driver.options)


def _port_bindings(spec: ServiceSpec) -> dict[str, tuple[_Binding, ...]]:
    """Ports of mode=host; 0 lets the engine choose.  One target may be published several times."""
    bindings: dict[str, tuple[_Binding, ...]] = {}
    for port in spec.ports:
        if not port.is_ingress:
            key = f"{port.target_port}/{port.protocol or 'tcp'}"
            published = str(port.published_port) if port.published_port else ""
            bindings[key] = (*bindings.get(key, ()), _Binding(published))
    return bindings


def _stop_timeout(container: ContainerSpec) -> int | None:
    """Whole seconds, rounded up: an engine that shuts down gives at least the user's grace."""
    grace = container.stop_grace_period
    return None if grace is None else -(-grace // SECOND)


def _security_options(privileges: Privileges | None) -> tuple[str, ...]:
    if privileges is None:
        return ()
    options = []
    if privileges.no_new_privileges:
        options.append("no-new-privileges=true")
    if credentials := privileges.credential_spec:
        if credentials.file:
            options.append(f"credentialspec=file://{credentials.file}")
        elif credentials.registry:
            options.append(f"credentialspec=registry://{credentials.registry}")
    if seccomp := privileges.seccomp:
        if seccomp.mode == "unconfined":
            options.append("seccomp=unconfined")
        elif seccomp.mode == "custom":
            options.append(f"seccomp={_profile(seccomp.profile)}")
    if privileges.apparmor and privileges.apparmor.mode == "disabled":
        options.append("apparmor=unconfined")
    return (*options, *_selinux_options(privileges))


def _selinux_options(privileges: Privileges) -> list[str]:
    context = privileges.selinux_context
    if context is None:
        return []
    if context.disable:
        return ["label=disable"]
    parts = {
        "user": context.user,
        "role": context.role,
        "type": context.type,
        "level": context.level,
    }
    return [f"label={name}:{value}" for name, value in parts.items() if value]


def _profile(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"seccomp profile is not base64 of JSON: {error}") from error


def _endpoint(endpoint: TaskEndpoint, api_version: tuple[int, int]) -> _Endpoint:
    """The endpoint's settings, without what an older engine does not know."""
    families = {ipaddress.ip_address(a).version: a for a in endpoint.addresses}
    return _Endpoint(
        ipam_config=_AddressChoice(families.get(4, ""), families.get(6, "")) if families else None,
        mac_address=endpoint.mac if api_version >= ALL_NETWORKS_AT_CREATE else "",
        gw_priority=endpoint.gateway_priority if api_version >= GATEWAY_PRIORITY else 0,
    )
