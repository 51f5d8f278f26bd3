"""What users ask for: the specs of services and tasks, in Docker's shape (Engine API 1.51).

Durations are nanoseconds, memory is bytes, CPU is billionths of a core.  `None` means that the user
left a part out; an empty struct, that they sent it empty.  Both come back as they were sent.
"""

from collections.abc import Mapping
from enum import StrEnum

from swarmd.model.base import NO_LABELS, Labels, Record

SECOND = 1_000_000_000


class Healthcheck(Record, frozen=True, kw_only=True):
    """How the engine finds out whether the container is healthy; empty `test` = the image's own."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @property
    def is_disabled(self) -> bool:
        """`["NONE"]`: not even the image's check."""
        return self.test == ("NONE",)


class BindOptions(Record, frozen=True, kw_only=True):
    """Options of a bind mount."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class Driver(Record, frozen=True, kw_only=True):
    """A driver and its options (volumes, logs, IPAM)."""

    name: str = ""
    options: Labels = NO_LABELS


class VolumeOptions(Record, frozen=True, kw_only=True):
    """Options of a volume mount."""

    no_copy: bool = False
    labels: Labels = NO_LABELS
    driver_config: Driver | None = None
    subpath: str = ""


class TmpfsOptions(Record, frozen=True, kw_only=True):
    """Options of a tmpfs mount."""

    size_bytes: int = 0
    mode: int = 0
    options: tuple[tuple[str, ...], ...] = ()


class Mount(Record, frozen=True, kw_only=True):
    """A mount; `type` is bind | volume | tmpfs | npipe | cluster | image."""

    type: str = "volume"
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    tmpfs_options: TmpfsOptions | None = None


class DNSConfig(Record, frozen=True, kw_only=True):
    """The container's resolver."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class FileTarget(Record, frozen=True, kw_only=True):
    """Where a secret or config appears."""

    name: str
    uid: str = "0"
    gid: str = "0"
    mode: int = 0o444


class SecretReference(Record, frozen=True, kw_only=True):
    """A secret in a container."""

    file: FileTarget | None = None
    secret_id: str = ""
    secret_name: str = ""


class ConfigReference(Record, frozen=True, kw_only=True):
    """A config in a container."""

    file: FileTarget | None = None
    runtime: Mapping[str, str] | None = None
    config_id: str = ""
    config_name: str = ""


class Ulimit(Record, frozen=True, kw_only=True):
    """A resource limit."""

    name: str
    hard: int = 0
    soft: int = 0


class CredentialSpec(Record, frozen=True, kw_only=True):
    """Windows' managed service accounts."""

    config: str = ""
    file: str = ""
    registry: str = ""


class SELinuxContext(Record, frozen=True, kw_only=True):
    """SELinux labels of the container."""

    disable: bool = False
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class Seccomp(Record, frozen=True, kw_only=True):
    """`mode` is default | unconfined | custom; the profile is base64 of its JSON."""

    mode: str = ""
    profile: str = ""


class AppArmor(Record, frozen=True, kw_only=True):
    """`mode` is default | disabled."""

    mode: str = ""


class Privileges(Record, frozen=True, kw_only=True):
    """Security options."""

    credential_spec: CredentialSpec | None = None
    selinux_context: SELinuxContext | None = None
    seccomp: Seccomp | None = None
    apparmor: AppArmor | None = None
    no_new_privileges: bool = False


class ContainerSpec(Record, frozen=True, kw_only=True):
    """The container of a task."""

    image: str = ""
    labels: Labels = NO_LABELS
    #: Docker's entrypoint
    command: tuple[str, ...] = ()
    #: Docker's cmd
    args: tuple[str, ...] = ()
    hostname: str = ""
    env: tuple[str, ...] = ()
    dir: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    privileges: Privileges | None = None
    init: bool | None = None
    stop_signal: str = ""
    tty: bool = False
    open_stdin: bool = False
    read_only: bool = False
    mounts: tuple[Mount, ...] = ()
    stop_grace_period: int | None = None
    healthcheck: Healthcheck | None = None
    #: "address name [alias ...]"
    hosts: tuple[str, ...] = ()
    dns_config: DNSConfig | None = None
    secrets: tuple[SecretReference, ...] = ()
    configs: tuple[ConfigReference, ...] = ()
    isolation: str = ""
    sysctls: Labels = NO_LABELS
    capability_add: tuple[str, ...] = ()
    capability_drop: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    oom_score_adj: int = 0


class NamedResource(Record, frozen=True, kw_only=True):
    """One unit of a set of named ones."""

    kind: str
    value: str


class DiscreteResource(Record, frozen=True, kw_only=True):
    """A count of interchangeable units."""

    kind: str
    value: int


class GenericResource(Record, frozen=True, kw_only=True):
    """Exactly one of the two is set."""

    named_resource_spec: NamedResource | None = None
    discrete_resource_spec: DiscreteResource | None = None


class Limits(Record, frozen=True, kw_only=True):
    """What the engine enforces."""

    nano_cpus: int = 0
    memory_bytes: int = 0
    pids: int = 0


class Reservations(Record, frozen=True, kw_only=True):
    """What the scheduler sets aside."""

    nano_cpus: int = 0
    memory_bytes: int = 0
    generic_resources: tuple[GenericResource, ...] = ()


class ResourceRequirements(Record, frozen=True, kw_only=True):
    """Limits and reservations of one task."""

    limits: Limits | None = None
    reservations: Reservations | None = None


class RestartCondition(StrEnum):
    """When a task that ended is replaced."""

    ANY = "any"
    ON_FAILURE = "on-failure"
    NONE = "none"


class RestartPolicy(Record, frozen=True, kw_only=True):
    """What happens when a task ends (reference: swarmkit restart supervisor)."""

    condition: RestartCondition = RestartCondition.ANY
    delay: int | None = None
    max_attempts: int | None = None
    window: int | None = None


class Spread(Record, frozen=True, kw_only=True):
    """Spread over the values of a label: `node.labels.zone`, `engine.labels.rack`."""

    spread_descriptor: str


class PlacementPreference(Record, frozen=True, kw_only=True):
    """A wish of the scheduler's order; only spread exists."""

    spread: Spread | None = None


class Platform(Record, frozen=True, kw_only=True):
    """An operating system and architecture; empty = any."""

    architecture: str = ""
    os: str = ""


class Placement(Record, frozen=True, kw_only=True):
    """Where tasks may and should run."""

    constraints: tuple[str, ...] = ()
    preferences: tuple[PlacementPreference, ...] = ()
    max_replicas: int = 0
    platforms: tuple[Platform, ...] = ()


class NetworkAttachmentConfig(Record, frozen=True, kw_only=True):
    """A network of a service; `target` is an id once the service is stored."""

    target: str = ""
    aliases: tuple[str, ...] = ()
    driver_opts: Labels = NO_LABELS


class TaskSpec(Record, frozen=True, kw_only=True):
    """What one task is."""

    container_spec: ContainerSpec | None = None
    resources: ResourceRequirements | None = None
    restart_policy: RestartPolicy | None = None
    placement: Placement | None = None
    networks: tuple[NetworkAttachmentConfig, ...] = ()
    log_driver: Driver | None = None
    force_update: int
    runtime: str = ""


class Replicated(Record, frozen=True, kw_only=True):
    """A number of equal tasks."""

    replicas: int | None = None


class Global(Record, frozen=True, kw_only=True):
    """A task on every node that fits."""


class ReplicatedJob(Record, frozen=True, kw_only=True):
    """A number of tasks that run to completion."""

    max_concurrent: int | None = None
    total_completions: int | None = None


class GlobalJob(Record, frozen=True, kw_only=True):
    """A task on every node that runs to completion."""


class ServiceMode(Record, frozen=True, kw_only=True):
    """Exactly one is set."""

    replicated: Replicated | None = None
    global_: Global | None = None
    replicated_job: ReplicatedJob | None = None
    global_job: GlobalJob | None = None


class FailureAction(StrEnum):
    """What a failing update does."""

    PAUSE = "pause"
    CONTINUE = "continue"
    ROLLBACK = "rollback"


class UpdateOrder(StrEnum):
    """Which of the old and the new task of a slot goes first."""

    STOP_FIRST = "stop-first"
    START_FIRST = "start-first"


class UpdateConfig(Record, frozen=True, kw_only=True):
    """How an update proceeds (defaults: swarmkit api/defaults)."""

    parallelism: int
    delay: int = 0
    failure_action: FailureAction = FailureAction.PAUSE
    monitor: int | None = None
    max_failure_ratio: float
    order: UpdateOrder = UpdateOrder.STOP_FIRST


class PortConfig(Record, frozen=True, kw_only=True):
    """A published port; `published_port` 0 asks for one."""

    name: str = ""
    protocol: str = ""
    target_port: int = 0
    published_port: int = 0
    publish_mode: str = ""

    @property
    def is_ingress(self) -> bool:
        """Answered by every node; otherwise by the node of the task (mode=host)."""
        return self.publish_mode != "host"


class EndpointSpec(Record, frozen=True, kw_only=True):
    """How a service is reached; `mode` is vip | dnsrr."""

    mode: str = ""
    ports: tuple[PortConfig, ...] = ()


class ServiceSpec(Record, frozen=True, kw_only=True):
    """What a service is to be."""

    name: str
    labels: Labels
    task_template: TaskSpec
    mode: ServiceMode
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    #: deprecated form of `task_template.networks` (API < 1.44); moved there when stored
    networks: tuple[NetworkAttachmentConfig, ...] = ()
    endpoint_spec: EndpointSpec | None = None

    @property
    def is_replicated(self) -> bool:
        """Docker's default when no mode is given."""
        return self.mode.global_ is None and not self.is_job

    @property
    def is_job(self) -> bool:
        """Runs to completion."""
        return self.mode.replicated_job is not None or self.mode.global_job is not None

    @property
    def replicas(self) -> int:
        """Wanted slots of a replicated service; 1 unless said otherwise."""
        mode = self.mode.replicated
        return 1 if mode is None or mode.replicas is None else mode.replicas

    @property
    def ports(self) -> tuple[PortConfig, ...]:
        """All published ports, of both modes."""
        return self.endpoint_spec.ports if self.endpoint_spec else ()

    @property
    def uses_vip(self) -> bool:
        """Whether names resolve to one virtual address."""
        return self.endpoint_spec is None or self.endpoint_spec.mode in ("", "vip")
