"""Docker's JSON, read as Go reads it and written as Docker writes it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.errors import BadRequestError, UnsupportedError
from swarmd.model.cluster import ClusterSpec
from swarmd.model.node import Availability, NodeSpec, Role
from swarmd.model.spec import (
    ContainerSpec,
    ResourceRequirements,
    ServiceSpec,
    TaskSpec,
    UpdateConfig,
)
from swarmd.wire.codec import at_path, convert, decode, parse, to_docker
from swarmd.wire.service import decode_spec

#: `docker service create` with every flag that ends up in a spec, as CLI 28 sends it.
FULL: dict[str, Any] = {
    "Name": "web",
    "Labels": {"a": "b"},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "busybox:latest@sha256:" + "0" * 64,
            "Labels": {"c": "d"},
            "Command": ["/bin/sh"],
            "Args": ["-c", "httpd -f"],
            "Hostname": "{{.Node.Hostname}}-{{.Task.Slot}}",
            "Env": ["A=1"],
            "Dir": "/srv",
            "User": "nobody",
            "Groups": ["1000"],
            "Privileges": {
                "CredentialSpec": None,
                "SELinuxContext": None,
                "Seccomp": {"Mode": "custom", "Profile": "e30="},
                "AppArmor": {"Mode": "disabled"},
                "NoNewPrivileges": True,
            },
            "Init": False,
            "StopSignal": "SIGTERM",
            "TTY": True,
            "ReadOnly": True,
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "data",
                    "Target": "/data",
                    "VolumeOptions": {
                        "NoCopy": True,
                        "Labels": {"x": "y"},
                        "DriverConfig": {"Name": "local", "Options": {"type": "nfs"}},
                    },
                },
                {"Type": "tmpfs", "Target": "/tmp", "TmpfsOptions": {"SizeBytes": 1024}},
                {
                    "Type": "bind",
                    "Source": "/srv",
                    "Target": "/srv",
                    "BindOptions": {"Propagation": "rslave", "CreateMountpoint": True},
                },
            ],
            "StopGracePeriod": 3_000_000_000,
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 1_000_000_000},
            "Hosts": ["1.2.3.4 h"],
            "DNSConfig": {"Nameservers": ["8.8.8.8"], "Search": ["x"], "Options": ["ndots:1"]},
            "Isolation": "default",
            "Sysctls": {"net.core.somaxconn": "10"},
            "CapabilityAdd": ["CAP_NET_ADMIN"],
            "CapabilityDrop": ["CAP_CHOWN"],
            "Ulimits": [{"Name": "nofile", "Hard": 20, "Soft": 10}],
            "OomScoreAdj": 5,
        },
        "Resources": {
            "Limits": {"NanoCPUs": 1_000_000_000, "MemoryBytes": 1 << 26, "Pids": 10},
            "Reservations": {
                "NanoCPUs": 500_000_000,
                "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}],
            },
        },
        "RestartPolicy": {
            "Condition": "on-failure",
            "Delay": 5_000_000_000,
            "MaxAttempts": 3,
            "Window": 1,
        },
        "Placement": {
            "Constraints": ["node.role==worker"],
            "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
            "MaxReplicas": 2,
            "Platforms": [{"Architecture": "amd64", "OS": "linux"}, {"OS": "linux"}],
        },
        "Networks": [{"Target": "net1", "Aliases": ["db"], "DriverOpts": {"k": "v"}}],
        "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
        "ForceUpdate": 2,
        "Runtime": "container",
    },
    "Mode": {"Replicated": {"Replicas": 0}},
    "UpdateConfig": {
        "Parallelism": 0,
        "Delay": 1_000_000_000,
        "FailureAction": "continue",
        "Monitor": 5_000_000_000,
        "MaxFailureRatio": 0.25,
        "Order": "start-first",
    },
    "RollbackConfig": {
        "Parallelism": 1,
        "FailureAction": "pause",
        "MaxFailureRatio": 0,
        "Order": "stop-first",
    },
    "EndpointSpec": {
        "Mode": "vip",
        "Ports": [
            {
                "Name": "http",
                "Protocol": "tcp",
                "TargetPort": 80,
                "PublishedPort": 8080,
                "PublishMode": "ingress",
            }
        ],
    },
}


def through(value: object) -> object:
    """Sent to us and inspected."""
    spec = decode_spec(msgspec.json.encode(value), (1, 51))
    return msgspec.json.decode(msgspec.json.encode(to_docker(spec)))


def test_every_part_of_a_spec_comes_back_as_it_was_sent() -> None:
    assert through(FULL) == FULL


def test_empty_parts_come_back_empty_and_absent_ones_stay_absent() -> None:
    sent = {
        "Name": "web",
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "x", "Init": False, "DNSConfig": {}},
            "Resources": {"Limits": {}, "Reservations": {}},
            "Placement": {},
            "ForceUpdate": 0,
        },
        "Mode": {"Global": {}},
    }
    assert through(sent) == sent


def test_null_and_absent_are_go_s_zero_value() -> None:
    sent = {"Name": None, "Labels": None, "TaskTemplate": {"Networks": None}, "Mode": {}}
    assert through(sent) == {
        "Name": "",
        "Labels": {},
        "TaskTemplate": {"ForceUpdate": 0},
        "Mode": {},
    }


def test_names_match_in_any_case_and_unknown_ones_are_ignored() -> None:
    sent = {"name": "web", "LABELS": {"Case": "kept"}, "Bogus": 1, "mode": {"global": {}}}
    assert through(sent) == {
        "Name": "web",
        "Labels": {"Case": "kept"},
        "TaskTemplate": {"ForceUpdate": 0},
        "Mode": {"Global": {}},
    }


def test_an_empty_word_is_the_default() -> None:
    """Go's clients send "" for what they left out."""
    config = convert({"FailureAction": "", "Order": "", "Parallelism": 1}, UpdateConfig)
    assert to_docker(config) == {
        "Parallelism": 1,
        "FailureAction": "pause",
        "MaxFailureRatio": 0,
        "Order": "stop-first",
    }


@pytest.mark.parametrize(
    ("sent", "kind", "message"),
    [
        ({"Role": "boss"}, NodeSpec, 'invalid Role: "boss"'),
        ({"Role": "worker", "Availability": ""}, NodeSpec, 'invalid Availability: ""'),
        ({"RestartPolicy": {"Condition": "x"}}, TaskSpec, 'invalid RestartCondition: "x"'),
        ({"FailureAction": "x"}, UpdateConfig, "unrecognized update failure action x"),
        ({"Order": "x"}, UpdateConfig, "unrecognized update order x"),
    ],
)
def test_an_unknown_word_is_refused_in_docker_s_words(
    sent: object, kind: type[msgspec.Struct], message: str
) -> None:
    with pytest.raises(BadRequestError) as raised:
        convert(sent, kind)
    assert str(raised.value) == message


def test_roles_are_known_in_any_case() -> None:
    spec = decode(b'{"Role":"MANAGER","Availability":"Drain"}', NodeSpec)
    assert (spec.role, spec.availability) == (Role.MANAGER, Availability.DRAIN)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"TaskTemplate":[]}', "Expected `object`, got `array` - at `$.TaskTemplate`"),
        (b'{"Labels":{"a":1}}', "Expected `str`, got `int`"),
        (b'{"Labels":["a"]}', "Expected `object`, got `array`"),
        (b'{"Networks":"x"}', "Expected `array`, got `str`"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"UpdateConfig":{"Order":5}}', "got `int`"),
        (b"", "truncated"),
    ],
)
def test_what_is_no_such_json_says_where(body: bytes, words: str) -> None:
    with pytest.raises(msgspec.DecodeError, match="(?s)" + words.replace("$", r"\$")):
        decode(body, ServiceSpec)


def test_settings_of_the_swarm_are_written_whole() -> None:
    """The CLI sends back what it read: what is missing there would be zero."""
    spec = ClusterSpec(name="default", labels={})
    assert convert(to_docker(spec), ClusterSpec) == spec
    assert set(to_docker(spec)) == {
        "Name",
        "Labels",
        "Orchestration",
        "Raft",
        "Dispatcher",
        "CAConfig",
        "TaskDefaults",
        "EncryptionConfig",
    }


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"ContainerSpec": {"Mounts": [{"ImageOptions": {"Subpath": "x"}}]}}, "subpath"),
        ({"ContainerSpec": {"Mounts": [{"ClusterOptions": {"x": 1}}]}}, "cluster volume"),
        ({"PluginSpec": {}}, "PluginSpec"),
        ({"NetworkAttachmentSpec": {}}, "NetworkAttachmentSpec"),
    ],
)
def test_what_no_record_holds_is_refused_and_not_lost(part: object, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        decode_spec(msgspec.json.encode({"TaskTemplate": part}), (1, 51))


def test_paths_lead_into_lists() -> None:
    value = {"a": {"b": [{"c": 1}, {"c": None}, {"d": 2}, 5]}}
    assert [holder[key] for holder, key in at_path(value, "a.b[].c")] == [1]
    assert at_path({"a": {"b": 3}}, "a.b[].c") == []
    assert at_path([], "a") == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Image", "Mounts", "Labels", "Limits", "NanoCPUs", "Type", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_a_record_or_a_refusal(value: object) -> None:
    """Never another exception: the API would answer 500."""
    for kind in (ContainerSpec, ResourceRequirements):
        try:
            record = convert(value, kind)
        except (msgspec.ValidationError, BadRequestError):
            continue
        assert convert(to_docker(record), kind) == record


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 100_000,
        b'{"a": "\xff"}',
        b'{"a": [18446744073709551616]}',
        b"-9223372036854775809",
    ],
)
def test_what_no_record_can_hold_is_not_parsed(body: bytes) -> None:
    """Nested without end, no UTF-8, or with a number that Go's types and the log do not know."""
    with pytest.raises(msgspec.DecodeError):
        parse(body)


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1])
def test_the_ends_of_gos_numbers_are_parsed(number: int) -> None:
    assert parse(b'{"a": %d}' % number) == {"a": number}
