"""Bodies that the API takes, and every way to spoil one of their values."""

import copy
from collections.abc import Iterator
from typing import Any

#: A service that says everything a spec can say.
SERVICE: dict[str, Any] = {
    "Name": "web",
    "Labels": {"a": "b"},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "busybox:latest",
            "Labels": {"c": "d"},
            "Command": ["sh"],
            "Args": ["-c", "sleep 1"],
            "Hostname": "{{.Node.Hostname}}",
            "Env": ["A=1"],
            "Dir": "/tmp",
            "User": "root",
            "Groups": ["x"],
            "Privileges": {
                "SELinuxContext": {"Disable": True, "User": "u"},
                "Seccomp": {"Mode": "default", "Profile": ""},
                "AppArmor": {"Mode": "default"},
                "NoNewPrivileges": True,
            },
            "StopSignal": "SIGTERM",
            "TTY": True,
            "OpenStdin": False,
            "ReadOnly": True,
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "v",
                    "Target": "/v",
                    "ReadOnly": True,
                    "VolumeOptions": {
                        "NoCopy": True,
                        "Labels": {"a": "b"},
                        "Subpath": "s",
                        "DriverConfig": {"Name": "local", "Options": {"o": "p"}},
                    },
                },
                {
                    "Type": "bind",
                    "Source": "/s",
                    "Target": "/t",
                    "BindOptions": {"Propagation": "rprivate", "NonRecursive": True},
                },
                {
                    "Type": "tmpfs",
                    "Target": "/m",
                    "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1777, "Options": [["exec"]]},
                },
            ],
            "StopGracePeriod": 10**10,
            "Healthcheck": {
                "Test": ["CMD", "true"],
                "Interval": 10**9,
                "Timeout": 10**9,
                "StartPeriod": 10**9,
                "StartInterval": 10**9,
                "Retries": 3,
            },
            "Hosts": ["1.2.3.4 name"],
            "DNSConfig": {"Nameservers": ["1.1.1.1"], "Search": ["s"], "Options": ["o"]},
            "Isolation": "default",
            "Init": True,
            "Sysctls": {"net.ipv4.ip_forward": "1"},
            "CapabilityAdd": ["CAP_NET_ADMIN"],
            "CapabilityDrop": ["CAP_CHOWN"],
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
            "OomScoreAdj": 1,
        },
        "Resources": {
            "Limits": {"NanoCPUs": 10**9, "MemoryBytes": 1 << 26, "Pids": 10},
            "Reservations": {
                "NanoCPUs": 10**8,
                "MemoryBytes": 1 << 24,
                "GenericResources": [
                    {"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}},
                ],
            },
        },
        "RestartPolicy": {
            "Condition": "on-failure",
            "Delay": 10**9,
            "MaxAttempts": 3,
            "Window": 10**9,
        },
        "Placement": {
            "Constraints": ["node.role==manager"],
            "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.rack"}}],
            "MaxReplicas": 1,
            "Platforms": [{"Architecture": "x86_64", "OS": "linux"}],
        },
        "Networks": [{"Target": "net", "Aliases": ["w"], "DriverOpts": {"a": "b"}}],
        "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
        "ForceUpdate": 1,
        "Runtime": "container",
    },
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {
        "Parallelism": 1,
        "Delay": 10**9,
        "FailureAction": "pause",
        "Monitor": 10**9,
        "MaxFailureRatio": 0.1,
        "Order": "stop-first",
    },
    "RollbackConfig": {"Parallelism": 1, "FailureAction": "pause", "Order": "start-first"},
    "EndpointSpec": {
        "Mode": "vip",
        "Ports": [
            {
                "Name": "http",
                "Protocol": "tcp",
                "TargetPort": 80,
                "PublishedPort": 8080,
                "PublishMode": "ingress",
            },
            {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 5353, "PublishMode": "host"},
        ],
    },
}
NODE: dict[str, Any] = {
    "Name": "n",
    "Labels": {"a": "b"},
    "Role": "manager",
    "Availability": "active",
}
NETWORK: dict[str, Any] = {
    "Name": "other",
    "Driver": "overlay",
    "Scope": "swarm",
    "Internal": False,
    "Attachable": False,
    "Ingress": False,
    "EnableIPv6": False,
    "CheckDuplicate": True,
    "ConfigOnly": False,
    "ConfigFrom": {"Network": ""},
    "IPAM": {
        "Driver": "default",
        "Options": {},
        "Config": [{"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.0/25", "Gateway": "10.9.0.1"}],
    },
    "Options": {"com.docker.network.driver.mtu": "1400"},
    "Labels": {"a": "b"},
}
SWARM: dict[str, Any] = {
    "Name": "default",
    "Labels": {"a": "b"},
    "Orchestration": {"TaskHistoryRetentionLimit": 5},
    "Raft": {
        "SnapshotInterval": 10000,
        "KeepOldSnapshots": 0,
        "LogEntriesForSlowFollowers": 500,
        "ElectionTick": 10,
        "HeartbeatTick": 1,
    },
    "Dispatcher": {"HeartbeatPeriod": 5 * 10**9},
    "CAConfig": {
        "NodeCertExpiry": 90 * 86_400 * 10**9,
        "ExternalCAs": [],
        "ForceRotate": 0,
    },
    "TaskDefaults": {"LogDriver": {"Name": "json-file", "Options": {}}},
    "EncryptionConfig": {"AutoLockManagers": False},
}
INIT: dict[str, Any] = {
    "ListenAddr": "0.0.0.0:2377",
    "AdvertiseAddr": "10.1.0.1:2377",
    "DataPathAddr": "10.1.0.1",
    "DataPathPort": 4789,
    "DefaultAddrPool": ["10.0.0.0/8"],
    "SubnetSize": 24,
    "ForceNewCluster": False,
    "Spec": SWARM,
    "AutoLockManagers": False,
    "Availability": "active",
}
JOIN: dict[str, Any] = {
    "ListenAddr": "0.0.0.0:2377",
    "AdvertiseAddr": "10.1.0.1:2377",
    "DataPathAddr": "10.1.0.1",
    "RemoteAddrs": ["10.1.0.2:2377"],
    "JoinToken": "SWMTKN-1-" + "0" * 50 + "-" + "0" * 25,
    "Availability": "active",
}

#: What takes the place of a value: other types, and the ends of each type's range.
_WRONG: tuple[Any, ...] = (
    None,
    True,
    "",
    "x",
    "ü\0\n/" * 50,
    "99999999999999999999",
    -1,
    0,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
    10**400,
    1.5,
    1e308,
    [],
    ["x"],
    [None],
    [[]],
    {},
    {"x": "y"},
    {"": None},
)


def spoilt(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every variant of a body in which one value is wrong or missing, with what was done to it."""
    for path in _paths(body):
        for wrong in _WRONG:
            yield f"{path} = {str(wrong)[:30]!r}", _changed(body, path, wrong)
        yield f"no {path}", _changed(body, path)


def _paths(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where each value below this one is."""
    if isinstance(value, dict):
        items: list[tuple[str | int, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return
    for key, below in items:
        yield (*above, key)
        yield from _paths(below, (*above, key))


def _changed(body: Any, path: tuple[str | int, ...], *values: Any) -> Any:
    """A copy with the value in that place, or with nothing there."""
    changed = copy.deepcopy(body)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if values:
        holder[path[-1]] = values[0]
    else:
        del holder[path[-1]]
    return changed
