"""What `inspect` templates see: the API's JSON as values of the docker CLI's Go types.

The API leaves empty members out; in Go they are there, with their type's zero value: a template may
name them, and one that names no member is wrong.  Structs are printed as `{a b}`, durations as
`1m30s`, times as Go's.  `json` gives what the API said.

Source: moby api/types/swarm (API 1.51), whose order the members have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from swarmd.cli.go_values import NIL, GoList, GoMap, GoStruct
from swarmd.cli.output import Json, go_duration, go_time


@dataclass(frozen=True)
class Plain:
    """A string, a number, a truth: as it is in JSON, or its zero value."""

    zero: str | int | bool = ""

    def value(self, raw: object) -> object:
        """The value of what the API said, None if it said nothing."""
        return self.zero if raw is None else raw


@dataclass(frozen=True)
class Untyped:
    """What nobody has spelled out here: members that the API leaves out have no value."""

    def value(self, raw: object) -> object:
        """Maps, lists and plain values."""
        if isinstance(raw, Mapping):
            return GoMap(raw, {key: self.value(item) for key, item in raw.items()})
        if isinstance(raw, list):
            return GoList(raw, [self.value(item) for item in raw])
        return raw


@dataclass(frozen=True)
class Duration:
    """Nanoseconds."""

    def value(self, raw: object) -> object:
        """As Go prints it."""
        return go_duration(raw if isinstance(raw, int) else 0)


@dataclass(frozen=True)
class Time:
    """A moment."""

    def value(self, raw: object) -> object:
        """As Go prints it."""
        return go_time(raw if isinstance(raw, str) else "0001-01-01T00:00:00Z")


@dataclass(frozen=True)
class Listed:
    """A slice."""

    of: "GoType"

    def value(self, raw: object) -> object:
        """A list of values; nothing is an empty one."""
        items = raw if isinstance(raw, list) else []
        return GoList(items, [self.of.value(item) for item in items])


@dataclass(frozen=True)
class Mapped:
    """A map from strings, whose missing elements are what `index` says of them."""

    of: "GoType" = field(default_factory=Plain)

    def value(self, raw: object) -> object:
        """A mapping of values; nothing is an empty one."""
        items = raw if isinstance(raw, Mapping) else {}
        return GoMap(items, {key: self.of.value(item) for key, item in items.items()})


@dataclass(frozen=True)
class Pointer:
    """A struct, or whatever, that need not be there."""

    to: "GoType"

    def value(self, raw: object) -> object:
        """The value, or NIL."""
        return NIL if raw is None else self.to.value(raw)


@dataclass(frozen=True)
class Struct:
    """A struct; its name is said in errors."""

    name: str
    members: "Mapping[str, GoType]"

    def value(self, raw: object) -> object:
        """All members, in their order."""
        given = raw if isinstance(raw, Mapping) else {}
        members = {name: of.value(given.get(name)) for name, of in self.members.items()}
        return GoStruct(self.name, given, members)


GoType: TypeAlias = "Plain | Untyped | Duration | Time | Listed | Mapped | Pointer | Struct"


def node_value(found: Json) -> object:
    """A node of the API."""
    return _NODE.value(found)


def service_value(found: Json) -> object:
    """A service of the API."""
    return _SERVICE.value(found)


# ---- the types

_TEXT, _NUMBER, _TRUTH, _DURATION, _TIME = Plain(), Plain(0), Plain(zero=False), Duration(), Time()
_TEXTS, _LABELS = Listed(_TEXT), Mapped()
_ANY = Untyped()

_META: Mapping[str, GoType] = {
    "ID": _TEXT,
    "Version": Struct("swarm.Version", {"Index": _NUMBER}),
    "CreatedAt": _TIME,
    "UpdatedAt": _TIME,
}
_ANNOTATIONS: Mapping[str, GoType] = {"Name": _TEXT, "Labels": _LABELS}
_PLATFORM = Struct("swarm.Platform", {"Architecture": _TEXT, "OS": _TEXT})
_RESOURCES = Struct(
    "swarm.Resources",
    {"NanoCPUs": _NUMBER, "MemoryBytes": _NUMBER, "GenericResources": Listed(_ANY)},
)

_NODE = Struct(
    "swarm.Node",
    {
        **_META,
        "Spec": Struct("swarm.NodeSpec", {**_ANNOTATIONS, "Role": _TEXT, "Availability": _TEXT}),
        "Description": Struct(
            "swarm.NodeDescription",
            {
                "Hostname": _TEXT,
                "Platform": _PLATFORM,
                "Resources": _RESOURCES,
                "Engine": Struct(
                    "swarm.EngineDescription",
                    {
                        "EngineVersion": _TEXT,
                        "Labels": _LABELS,
                        "Plugins": Listed(
                            Struct("swarm.PluginDescription", {"Type": _TEXT, "Name": _TEXT})
                        ),
                    },
                ),
                "TLSInfo": Struct(
                    "swarm.TLSInfo",
                    {
                        "TrustRoot": _TEXT,
                        "CertIssuerSubject": _TEXT,
                        "CertIssuerPublicKey": _TEXT,
                    },
                ),
                "CSIInfo": Listed(_ANY),
            },
        ),
        "Status": Struct("swarm.NodeStatus", {"State": _TEXT, "Message": _TEXT, "Addr": _TEXT}),
        "ManagerStatus": Pointer(
            Struct("swarm.ManagerStatus", {"Leader": _TRUTH, "Reachability": _TEXT, "Addr": _TEXT})
        ),
    },
)

_HEALTH = Struct(
    "container.HealthConfig",
    {
        "Test": _TEXTS,
        "Interval": _DURATION,
        "Timeout": _DURATION,
        "StartPeriod": _DURATION,
        "StartInterval": _DURATION,
        "Retries": _NUMBER,
    },
)
_CONTAINER = Struct(
    "swarm.ContainerSpec",
    {
        "Image": _TEXT,
        "Labels": _LABELS,
        **dict.fromkeys(("Command", "Args"), _TEXTS),
        "Hostname": _TEXT,
        "Env": _TEXTS,
        **dict.fromkeys(("Dir", "User"), _TEXT),
        "Groups": _TEXTS,
        "Privileges": Pointer(_ANY),
        "Init": Pointer(_TRUTH),
        "StopSignal": _TEXT,
        **dict.fromkeys(("TTY", "OpenStdin", "ReadOnly"), _TRUTH),
        "Mounts": Listed(_ANY),
        "StopGracePeriod": Pointer(_DURATION),
        "Healthcheck": Pointer(_HEALTH),
        "Hosts": _TEXTS,
        "DNSConfig": Pointer(
            Struct(
                "swarm.DNSConfig",
                dict.fromkeys(("Nameservers", "Search", "Options"), _TEXTS),
            )
        ),
        **dict.fromkeys(("Secrets", "Configs"), Listed(_ANY)),
        "Isolation": _TEXT,
        "Sysctls": _LABELS,
        **dict.fromkeys(("CapabilityAdd", "CapabilityDrop"), _TEXTS),
        "Ulimits": Listed(_ANY),
        "OomScoreAdj": _NUMBER,
    },
)
_LIMITS = Struct("swarm.Limit", dict.fromkeys(("NanoCPUs", "MemoryBytes", "Pids"), _NUMBER))
_NETWORKS = Listed(
    Struct(
        "swarm.NetworkAttachmentConfig",
        {"Target": _TEXT, "Aliases": _TEXTS, "DriverOpts": _LABELS},
    )
)
_TASK = Struct(
    "swarm.TaskSpec",
    {
        "ContainerSpec": Pointer(_CONTAINER),
        **dict.fromkeys(("PluginSpec", "NetworkAttachmentSpec"), Pointer(_ANY)),
        "Resources": Pointer(
            Struct(
                "swarm.ResourceRequirements",
                {"Limits": Pointer(_LIMITS), "Reservations": Pointer(_RESOURCES)},
            )
        ),
        "RestartPolicy": Pointer(
            Struct(
                "swarm.RestartPolicy",
                {
                    "Condition": _TEXT,
                    "Delay": Pointer(_DURATION),
                    "MaxAttempts": Pointer(_NUMBER),
                    "Window": Pointer(_DURATION),
                },
            )
        ),
        "Placement": Pointer(
            Struct(
                "swarm.Placement",
                {
                    "Constraints": _TEXTS,
                    "Preferences": Listed(_ANY),
                    "MaxReplicas": _NUMBER,
                    "Platforms": Listed(_PLATFORM),
                },
            )
        ),
        "Networks": _NETWORKS,
        "LogDriver": Pointer(Struct("swarm.Driver", {"Name": _TEXT, "Options": _LABELS})),
        "ForceUpdate": _NUMBER,
        "Runtime": _TEXT,
    },
)
_UPDATE = Pointer(
    Struct(
        "swarm.UpdateConfig",
        {
            "Parallelism": _NUMBER,
            "Delay": _DURATION,
            "FailureAction": _TEXT,
            "Monitor": _DURATION,
            "MaxFailureRatio": _NUMBER,
            "Order": _TEXT,
        },
    )
)
_JOB = dict.fromkeys(("MaxConcurrent", "TotalCompletions"), Pointer(_NUMBER))
_MODE = Struct(
    "swarm.ServiceMode",
    {
        "Replicated": Pointer(Struct("swarm.ReplicatedService", {"Replicas": Pointer(_NUMBER)})),
        "Global": Pointer(Struct("swarm.GlobalService", {})),
        "ReplicatedJob": Pointer(Struct("swarm.ReplicatedJob", _JOB)),
        "GlobalJob": Pointer(Struct("swarm.GlobalJob", {})),
    },
)
_PORTS = Listed(
    Struct(
        "swarm.PortConfig",
        {
            **dict.fromkeys(("Name", "Protocol"), _TEXT),
            **dict.fromkeys(("TargetPort", "PublishedPort"), _NUMBER),
            "PublishMode": _TEXT,
        },
    )
)
_ENDPOINT_SPEC = Struct("swarm.EndpointSpec", {"Mode": _TEXT, "Ports": _PORTS})
_SERVICE_SPEC = Struct(
    "swarm.ServiceSpec",
    {
        **_ANNOTATIONS,
        "TaskTemplate": _TASK,
        "Mode": _MODE,
        **dict.fromkeys(("UpdateConfig", "RollbackConfig"), _UPDATE),
        "Networks": _NETWORKS,
        "EndpointSpec": Pointer(_ENDPOINT_SPEC),
    },
)
_SERVICE = Struct(
    "swarm.Service",
    {
        **_META,
        "Spec": _SERVICE_SPEC,
        "PreviousSpec": Pointer(_SERVICE_SPEC),
        "Endpoint": Struct(
            "swarm.Endpoint",
            {
                "Spec": _ENDPOINT_SPEC,
                "Ports": _PORTS,
                "VirtualIPs": Listed(
                    Struct("swarm.EndpointVirtualIP", {"NetworkID": _TEXT, "Addr": _TEXT})
                ),
            },
        ),
        "UpdateStatus": Pointer(
            Struct(
                "swarm.UpdateStatus",
                {
                    "State": _TEXT,
                    **dict.fromkeys(("StartedAt", "CompletedAt"), Pointer(_TIME)),
                    "Message": _TEXT,
                },
            )
        ),
        "ServiceStatus": Pointer(
            Struct(
                "swarm.ServiceStatus",
                dict.fromkeys(("RunningTasks", "DesiredTasks", "CompletedTasks"), _NUMBER),
            )
        ),
        "JobStatus": Pointer(_ANY),
    },
)
