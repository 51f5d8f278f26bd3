"""Specs over the bare API: what a client may leave out, say twice, or get wrong.

The same body must be stored and shown alike by both daemons, or refused with the same status and
sentence.  Clients that are not the docker CLI depend on it.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from tests.compat.twins import Twin, Twins

pytestmark = pytest.mark.real

_CONTAINERS: list[dict[str, object]] = [
    {}, {"Env": []}, {"Env": ["A", "=x", "", "B=1"]}, {"Command": [], "Args": []}, {"Labels": None},
    {"DNSConfig": {}}, {"DNSConfig": {"Nameservers": ["8.8.8.8"], "Options": ["ndots:2"]}},
    {"Hosts": ["1.2.3.4 a"]}, {"Healthcheck": {}}, {"Healthcheck": {"Test": ["NONE"]}},
    {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 5}},
    {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 5 * 10**9, "Retries": -1}},
    {"StopGracePeriod": 0}, {"StopSignal": "SIGTERM"}, {"Privileges": {}},
    {"Privileges": {"NoNewPrivileges": True}}, {"Privileges": {"Seccomp": {"Mode": "unconfined"}}},
    {"Privileges": {"AppArmor": {"Mode": "disabled"}}}, {"Isolation": "foo"}, {"Init": None},
    {"Init": True}, {"Sysctls": {"a": "b"}}, {"CapabilityAdd": ["NET_ADMIN", "all"]},
    {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}]}, {"OomScoreAdj": 5}, {"Groups": ["1"]},
    {"Hostname": "a_b"}, {"TTY": True, "OpenStdin": True, "ReadOnly": True}, {"Image": ""},
    {"Image": "x:y:z"}, {"Secrets": []}, {"Configs": []}, {"Unknown": 1}, {"image": "busybox"},
]  # fmt: skip
_MOUNTS: list[dict[str, object]] = [
    {"Type": "bind", "Source": "/x", "Target": "/y", "BindOptions": {}},
    {"Type": "bind", "Source": "/x", "Target": "/y", "BindOptions": {"Propagation": "rprivate"}},
    {"Type": "bind", "Source": "/x", "Target": "/y", "BindOptions": {"Propagation": "foo"}},
    {"Type": "volume", "Source": "v", "Target": "/y", "VolumeOptions": {}},
    {"Type": "volume", "Source": "v", "Target": "/y", "VolumeOptions": {"DriverConfig": {}}},
    {
        "Type": "volume",
        "Source": "v",
        "Target": "/y",
        "VolumeOptions": {
            "DriverConfig": {"Name": "local", "Options": {"a": "b"}},
            "Labels": {"x": "y"},
            "NoCopy": True,
            "Subpath": "z",
        },
    },
    {"Type": "volume", "Target": "/y"},
    {"Type": "tmpfs", "Target": "/y", "TmpfsOptions": {}},
    {"Type": "tmpfs", "Target": "/y", "TmpfsOptions": {"SizeBytes": 5, "Mode": 511}},
    {"Type": "foo", "Target": "/y"},
    {"Type": "bind", "Target": "/y"},
]
_TEMPLATES: list[dict[str, object]] = [
    {"Resources": {}}, {"Resources": {"Limits": {}}}, {"Resources": {"Limits": None}},
    {"Resources": {"Limits": {"NanoCPUs": -1}}}, {"Resources": {"Limits": {"MemoryBytes": 5}}},
    {"Resources": {"Limits": {"Pids": -1}}}, {"Resources": {"Reservations": {"NanoCPUs": 5}}},
    {"Resources": {"Reservations": {"GenericResources": []}}}, {"RestartPolicy": {}},
    {"RestartPolicy": {"Condition": "foo"}}, {"RestartPolicy": {"Condition": "none"}},
    {"RestartPolicy": {"Delay": -1}}, {"RestartPolicy": {"Window": -1}},
    {"RestartPolicy": {"MaxAttempts": 0, "Window": 0, "Delay": 0}}, {"Placement": {}},
    {"Placement": {"Constraints": []}}, {"Placement": {"Constraints": ["x"]}},
    {"Placement": {"Constraints": ["node.id=="]}}, {"Placement": {"Constraints": ["node.id== x"]}},
    {"Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": "x"}}], "MaxReplicas": 3}},
    {"Placement": {"Platforms": [{"Architecture": "amd64", "OS": "linux"}, {}]}}, {"LogDriver": {}},
    {"LogDriver": {"Name": "json-file", "Options": {}}}, {"ForceUpdate": 7}, {"Networks": []},
    {"Runtime": "container"}, {"Networks": [{"Target": "nope"}]}, {"Networks": [{"Target": "ingress"}]},
]  # fmt: skip
_SPECS: list[dict[str, object]] = [
    {"Name": "a b"}, {"Name": "-x"}, {"Name": "x" * 64}, {"Name": "a_b.c-d"}, {"Labels": None},
    {"Labels": {"": "x"}}, {"Mode": {}}, {"Mode": None}, {"Mode": {"Replicated": {}}},
    {"Mode": {"Global": {}, "Replicated": {}}}, {"Mode": {"Replicated": None}}, {"TaskTemplate": {}},
    {"EndpointSpec": {}}, {"EndpointSpec": {"Mode": "foo"}}, {"EndpointSpec": {"Mode": "dnsrr"}},
    {"EndpointSpec": {"Mode": "dnsrr", "Ports": [{"TargetPort": 80}]}}, {"EndpointSpec": {"Ports": []}},
    {"EndpointSpec": {"Ports": [{"TargetPort": 80}]}},
    {"EndpointSpec": {"Ports": [{"TargetPort": 80, "PublishMode": "host", "Name": "x"}]}},
    {"EndpointSpec": {"Ports": [{"TargetPort": n, "PublishedPort": 9998} for n in (80, 81)]}},
    {"EndpointSpec": {"Ports": [{"TargetPort": 80, "PublishedPort": 9998, "Protocol": p} for p in ("", "udp")]}},
    {"UpdateConfig": {}}, {"UpdateConfig": {"Parallelism": 0}}, {"UpdateConfig": {"Delay": -1}},
    {"UpdateConfig": {"FailureAction": "foo"}}, {"UpdateConfig": {"Order": "foo"}},
    {"UpdateConfig": {"Monitor": -1}}, {"UpdateConfig": {"MaxFailureRatio": 1.5}},
    {"UpdateConfig": {"Monitor": 0, "Order": "start-first", "FailureAction": "continue"}},
    {"RollbackConfig": {}}, {"RollbackConfig": {"Order": "start-first"}},
]  # fmt: skip
_BODIES = [
    *({"TaskTemplate": {"ContainerSpec": {"Image": "busybox", **one}}} for one in _CONTAINERS),
    *(
        {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Mounts": [one]}}}
        for one in _MOUNTS
    ),
    *({"TaskTemplate": {"ContainerSpec": {"Image": "busybox"}, **one}} for one in _TEMPLATES),
    *({"TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}, **one} for one in _SPECS),
]


def _stored(twin: Twin, body: Mapping[str, object]) -> tuple[int, Any]:
    """(status, the spec as stored and with defaults, or the refusal)."""
    whole = {"Name": "raw", "Mode": {"Replicated": {"Replicas": 0}}, **body}
    status, answer = twin.ask("POST", "/services/create", whole)
    if status != 201:
        return status, answer
    path = f"/services/{answer['ID']}"
    shown = [twin.ask("GET", path + query)[1]["Spec"] for query in ("", "?insertDefaults=true")]
    assert twin.ask("DELETE", path)[0] == 200
    return status, shown


@pytest.mark.parametrize("body", _BODIES, ids=map("{:03}".format, itertools.count()))
def test_a_spec_is_stored_and_shown_alike_or_refused_alike(
    twins: Twins, body: Mapping[str, object]
) -> None:
    assert _stored(twins.ours, body) == _stored(twins.docker, body)


@pytest.mark.parametrize(
    "config",
    [
        [{"Subnet": "foo"}, {"Subnet": "bar"}], [{"Subnet": "10.9.0.5/24"}], [{}],
        [{"Subnet": "10.9.0.0/24", "IPRange": "x"}], [{"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.5/25"}],
        [{"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.0/16"}],
        [{"Subnet": "10.9.0.0/24", "IPRange": "10.8.0.0/25"}], [{"Subnet": "10.9.0.0/24", "Gateway": "x"}],
        [{"Subnet": "10.9.0.0/24", "Gateway": "10.8.0.1"}], [{"Gateway": "10.9.0.1"}],
        [{"Subnet": "10.9.0.0/24", "AuxiliaryAddresses": {"a": "x", "b": "10.8.0.1"}}],
        [{"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.128/25", "Gateway": None}],
        [{"Subnet": "10.9.0.0/24"}, {"Subnet": "10.8.0.0/24", "Gateway": "10.8.0.200"}],
    ],
)  # fmt: skip
def test_a_network_s_subnets_are_read_alike(twins: Twins, config: list[object]) -> None:
    shown = []
    for twin in twins:
        asked = {"Name": "raw", "Driver": "overlay", "IPAM": {"Config": config}}
        status, answer = twin.ask("POST", "/networks/create", asked)
        if status == 201:
            identity = answer["Id"]
            twin.settle(lambda t=twin, i=identity: _is_allocated(t, i))  # type: ignore[misc]  # mypy knows no defaults of lambdas
            answer = twin.ask("GET", f"/networks/{identity}")[1]["IPAM"]["Config"]
            assert twin.ask("DELETE", f"/networks/{identity}")[0] == 204
        shown.append((status, answer))
    assert shown[0] == shown[1]


def _is_allocated(twin: Twin, identity: str) -> bool:
    options = twin.ask("GET", f"/networks/{identity}")[1]["Options"] or {}
    return any("vxlanid" in name for name in options)
