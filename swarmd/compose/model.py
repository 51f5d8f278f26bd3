"""The compose model: what a file says once it is checked, in long syntax and merged.

It is what `stack config` prints, so durations (`1m30s`) and sizes (`"67108864"`) are canonical
text.  Keys without effect are still in it, but not in these types.  Every key may be absent: zero
values are left out, except where zero differs from nothing.
"""

from typing import TypeAlias, TypedDict

#: None: the variable has no value, not even an empty one.
Environment: TypeAlias = dict[str, str | None]
Labels: TypeAlias = dict[str, str]


class Port(TypedDict, total=False):
    """A published port; no `published` asks for one."""

    mode: str
    target: int
    published: int
    protocol: str
    name: str


class BindOptions(TypedDict, total=False):
    """Of a mount of type bind."""

    propagation: str
    create_host_path: bool


class VolumeOptions(TypedDict, total=False):
    """Of a mount of type volume."""

    nocopy: bool
    subpath: str


class TmpfsOptions(TypedDict, total=False):
    """Of a mount of type tmpfs; `size` in bytes."""

    size: int
    mode: int


class ImageOptions(TypedDict, total=False):
    """Of a mount of type image."""

    subpath: str


class Mount(TypedDict, total=False):
    """A mount; an option group of another type than `type` is refused by `specs`."""

    type: str
    source: str
    target: str
    read_only: bool
    consistency: str
    bind: BindOptions
    volume: VolumeOptions
    tmpfs: TmpfsOptions
    cluster: dict[str, str]
    image: ImageOptions


class Healthcheck(TypedDict, total=False):
    """How the engine finds out whether the container is healthy."""

    test: list[str]
    timeout: str
    interval: str
    retries: int
    start_period: str
    start_interval: str
    disable: bool


class UpdateConfig(TypedDict, total=False):
    """How an update or rollback proceeds."""

    parallelism: int
    delay: str
    failure_action: str
    monitor: str
    max_failure_ratio: float
    order: str


class Limits(TypedDict, total=False):
    """What the engine enforces; `cpus` in cores, `memory` in bytes."""

    cpus: str
    memory: str
    pids: int


class DiscreteResource(TypedDict, total=False):
    """A number of units that nodes offer."""

    kind: str
    value: int


class GenericResource(TypedDict, total=False):
    """Only discrete ones can be reserved."""

    discrete_resource_spec: DiscreteResource


class Reservations(TypedDict, total=False):
    """What the scheduler sets aside."""

    cpus: str
    memory: str
    generic_resources: list[GenericResource]


class Resources(TypedDict, total=False):
    """Of each task."""

    limits: Limits
    reservations: Reservations


class RestartPolicy(TypedDict, total=False):
    """What happens when a task ends."""

    condition: str
    delay: str
    max_attempts: int
    window: str


class Preference(TypedDict, total=False):
    """Over whose values tasks are spread."""

    spread: str


class Placement(TypedDict, total=False):
    """Where tasks may and should run."""

    constraints: list[str]
    preferences: list[Preference]
    max_replicas_per_node: int


class Deploy(TypedDict, total=False):
    """What concerns the swarm and not the container."""

    mode: str
    replicas: int
    labels: Labels
    update_config: UpdateConfig
    rollback_config: UpdateConfig
    resources: Resources
    restart_policy: RestartPolicy
    placement: Placement
    endpoint_mode: str


class ServiceNetwork(TypedDict, total=False):
    """How a service takes part in a network."""

    aliases: list[str]
    driver_opts: Labels


class Reference(TypedDict, total=False):
    """The use of a secret or config."""

    source: str
    target: str
    uid: str
    gid: str
    mode: int


class Ulimit(TypedDict):
    """A resource limit of the container's processes."""

    soft: int
    hard: int


class Logging(TypedDict, total=False):
    """Where the container's output goes."""

    driver: str
    options: Labels


class CredentialSpec(TypedDict, total=False):
    """Windows' managed service accounts; exactly one is set."""

    config: str
    file: str
    registry: str


class Service(TypedDict, total=False):
    """One service; `environment` holds what its env_file said."""

    cap_add: list[str]
    cap_drop: list[str]
    command: list[str]
    configs: list[Reference]
    credential_spec: CredentialSpec
    deploy: Deploy
    dns: list[str]
    dns_opt: list[str]
    dns_search: list[str]
    entrypoint: list[str]
    environment: Environment
    extra_hosts: list[str]
    group_add: list[str]
    hostname: str
    healthcheck: Healthcheck
    image: str
    init: bool
    isolation: str
    labels: Labels
    logging: Logging
    networks: dict[str, ServiceNetwork | None]
    ports: list[Port]
    read_only: bool
    restart: str
    secrets: list[Reference]
    stdin_open: bool
    stop_grace_period: str
    stop_signal: str
    sysctls: Labels
    tty: bool
    ulimits: dict[str, int | Ulimit]
    user: str
    oom_score_adj: int
    volumes: list[Mount]
    working_dir: str


class Pool(TypedDict, total=False):
    """One subnet, CIDR."""

    subnet: str
    ip_range: str
    gateway: str


class Ipam(TypedDict, total=False):
    """The subnets of a network."""

    driver: str
    config: list[Pool]
    options: Labels


class Network(TypedDict, total=False):
    """A network; an external one always has its full name in `name`."""

    name: str
    driver: str
    driver_opts: Labels
    ipam: Ipam
    external: bool
    enable_ipv6: bool
    internal: bool
    attachable: bool
    labels: Labels


class Volume(TypedDict, total=False):
    """A named volume; an external one always has its full name in `name`."""

    name: str
    driver: str
    driver_opts: Labels
    external: bool
    labels: Labels


class FileObject(TypedDict, total=False):
    """A secret or config."""

    name: str
    file: str
    external: bool
    labels: Labels
    driver: str
    driver_opts: Labels
    template_driver: str


class Model(TypedDict):
    """All files together."""

    version: str
    services: dict[str, Service]
    networks: dict[str, Network]
    volumes: dict[str, Volume]
    secrets: dict[str, FileObject]
    configs: dict[str, FileObject]
