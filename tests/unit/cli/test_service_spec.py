"""Flags of `service create` and `update` → the spec that Docker's client would send."""

from typing import Any

import click
import pytest

from swarmd.cli.command import Session
from swarmd.cli.service_create import create as create_command
from swarmd.cli.service_create import update as update_command
from swarmd.cli.service_spec import create_spec, merged_env
from swarmd.cli.service_update import updated_spec
from swarmd.errors import InvalidArgumentError

S = 1_000_000_000


def flags(command: click.Command, args: str) -> dict[str, Any]:
    """What a command line means."""
    with command.make_context("x", [*args.split(), "IMAGE"], obj=Session("")) as ctx:
        return ctx.params


def created(args: str, *command: str) -> dict[str, Any]:
    found = flags(create_command, args)
    return create_spec("nginx:1", command, found, found["env"])


def updated(spec: dict[str, Any], args: str) -> dict[str, Any]:
    return updated_spec(spec, flags(update_command, args))


def container(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["TaskTemplate"]["ContainerSpec"]
    return found


BARE = {
    "Labels": {},
    "TaskTemplate": {
        "ContainerSpec": {"Image": "nginx:1", "Init": False, "DNSConfig": {}},
        "Resources": {"Limits": {}, "Reservations": {}},
        "Placement": {},
        "ForceUpdate": 0,
    },
    "Mode": {"Replicated": {}},
    "EndpointSpec": {"Mode": "vip"},
}


def test_a_bare_service_says_no_more_than_dockers_client_does() -> None:
    assert created("") == BARE


def test_arguments_behind_the_image_are_the_commands_whatever_they_look_like() -> None:
    assert container(created("", "sh", "--mode", "x"))["Args"] == ["sh", "--mode", "x"]


@pytest.mark.parametrize(
    ("args", "part", "wanted"),
    [
        ("--name web", "Name", "web"),
        ("-l a=b --label c", "Labels", {"a": "b", "c": ""}),
        ("--replicas 0", "Mode", {"Replicated": {"Replicas": 0}}),
        ("--mode global", "Mode", {"Global": {}}),
        (
            "--mode replicated-job --replicas 3 --max-concurrent 2",
            "Mode",
            {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 3}},
        ),
        ("--mode replicated-job", "Mode", {"ReplicatedJob": {}}),
        ("--endpoint-mode dnsrr", "EndpointSpec", {"Mode": "dnsrr"}),
        (
            "-p 80:8080",
            "EndpointSpec",
            {
                "Mode": "vip",
                "Ports": [
                    {
                        "Protocol": "tcp",
                        "TargetPort": 8080,
                        "PublishMode": "ingress",
                        "PublishedPort": 80,
                    }
                ],
            },
        ),
        (
            "--update-parallelism 0 --update-delay 3s",
            "UpdateConfig",
            {
                "Parallelism": 0,
                "Delay": 3 * S,
                "Monitor": 5 * S,
                "FailureAction": "pause",
                "MaxFailureRatio": 0,
                "Order": "stop-first",
            },
        ),
    ],
)
def test_a_flag_changes_its_member_of_the_spec(args: str, part: str, wanted: object) -> None:
    assert created(args) == {**BARE, part: wanted}


@pytest.mark.parametrize(
    ("args", "part", "wanted"),
    [
        (
            "--limit-cpu .5 --limit-memory 64m --reserve-memory 1g --generic-resource gpu=2",
            "Resources",
            {
                "Limits": {"NanoCPUs": S // 2, "MemoryBytes": 64 * 1024**2},
                "Reservations": {
                    "MemoryBytes": 1024**3,
                    "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}],
                },
            },
        ),
        (
            "--restart-delay 0s",
            "RestartPolicy",
            {"Condition": "any", "Delay": 0, "MaxAttempts": 0},
        ),
        (
            "--constraint node.role==manager --placement-pref spread=x --replicas-max-per-node 2",
            "Placement",
            {
                "Constraints": ["node.role==manager"],
                "Preferences": [{"Spread": {"SpreadDescriptor": "x"}}],
                "MaxReplicas": 2,
            },
        ),
        (
            "--log-driver syslog --log-opt a=b",
            "LogDriver",
            {"Name": "syslog", "Options": {"a": "b"}},
        ),
        ("--network b --network a", "Networks", [{"Target": "a"}, {"Target": "b"}]),
    ],
)
def test_a_flag_changes_its_member_of_the_task(args: str, part: str, wanted: object) -> None:
    assert created(args)["TaskTemplate"] == {**BARE["TaskTemplate"], part: wanted}  # type: ignore[dict-item]  # a dict, whose values differ


@pytest.mark.parametrize(
    ("args", "part", "wanted"),
    [
        ("-e A=1 -e B=2 -e A=3", "Env", ["B=2", "A=3"]),
        ("--container-label a=b", "Labels", {"a": "b"}),
        ("--entrypoint sh", "Command", ["sh"]),
        ("-t", "TTY", True),
        ("--init", "Init", True),
        ("--stop-grace-period 0s", "StopGracePeriod", 0),
        ("--host a:1.2.3.4", "Hosts", ["1.2.3.4 a"]),
        ("--sysctl a=1", "Sysctls", {"a": "1"}),
        (
            "--health-cmd true --health-retries 2",
            "Healthcheck",
            {"Test": ["CMD-SHELL", "true"], "Retries": 2},
        ),
        ("--no-healthcheck", "Healthcheck", {"Test": ["NONE"]}),
        ("--dns 1.1.1.1 --dns-search x", "DNSConfig", {"Nameservers": ["1.1.1.1"], "Search": ["x"]}),
        ("--cap-add net_admin --cap-add CAP_NET_ADMIN", "CapabilityAdd", ["CAP_NET_ADMIN"]),
        ("--cap-drop all --cap-drop chown", "CapabilityDrop", ["ALL"]),
        (
            "--credential-spec file://x",
            "Privileges",
            {"CredentialSpec": {"File": "x"}},
        ),
    ],
)  # fmt: skip
def test_a_flag_changes_its_member_of_the_container(args: str, part: str, wanted: object) -> None:
    assert container(created(args))[part] == wanted


def test_what_is_added_is_not_dropped() -> None:
    found = container(created("--cap-add chown --cap-drop chown --cap-drop kill --cap-add RESET"))
    assert found["CapabilityAdd"] == ["CAP_CHOWN"]
    assert found["CapabilityDrop"] == ["CAP_KILL"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ("--mode x", "Unknown mode: x, only replicated and global supported"),
        ("--mode global --replicas 2", "replicas can only be used with replicated"),
        ("--mode global-job --replicas-max-per-node 2", "replicas-max-per-node can only be used"),
        ("--max-concurrent 2", "max-concurrent can only be used with replicated-job mode"),
        ("--mode global-job --update-delay 1s", "not supported for jobs"),
        ("--no-healthcheck --health-cmd x", "--no-healthcheck conflicts with --health-* options"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(args: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        created(args)
    assert problem in str(caught.value)


def test_of_a_variable_the_last_assignment_counts() -> None:
    assert merged_env(["A=1", "B", "A=2", "B=3"]) == ["A=2", "B=3"]


FULL = {
    "Name": "web",
    "Labels": {"a": "b", "keep": ""},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "nginx:1",
            "Env": ["A=1", "B=2"],
            "Hosts": ["1.2.3.4 a b", "5.6.7.8 a"],
            "Groups": ["5"],
            "Mounts": [{"Type": "tmpfs", "Target": "/d"}, {"Type": "volume", "Target": "/e"}],
            "Secrets": [{"SecretName": "s", "SecretID": "sid", "File": {"Name": "s"}}],
            "CapabilityAdd": ["CAP_KILL"],
            "CapabilityDrop": ["CAP_CHOWN"],
            "Ulimits": [{"Name": "core", "Soft": 1, "Hard": 1}],
            "DNSConfig": {"Nameservers": ["8.8.8.8"]},
            "Healthcheck": {"Test": ["NONE"]},
        },
        "Resources": {"Limits": {"MemoryBytes": 5}},
        "Placement": {
            "Constraints": ["x==1"],
            "Preferences": [{"Spread": {"SpreadDescriptor": "p"}}],
        },
        "Networks": [{"Target": "n2"}, {"Target": "n1"}],
        "ForceUpdate": 3,
    },
    "Mode": {"Replicated": {"Replicas": 2}},
    "EndpointSpec": {
        "Mode": "vip",
        "Ports": [
            {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 80, "PublishMode": "ingress"}
        ],
    },
}


def test_an_update_without_flags_changes_nothing_that_restarts_a_task() -> None:
    found = updated(FULL, "")
    assert found == {**FULL, "TaskTemplate": found["TaskTemplate"]}
    assert container(found) == {**container(FULL), "Labels": {}}


@pytest.mark.parametrize(
    ("args", "part", "wanted"),
    [
        ("--image nginx:2", "Image", "nginx:2"),
        ("--args a", "Args", ["a"]),
        ("--tty=false", "TTY", False),
        ("--env-add B=3 --env-add C=4 --env-rm A", "Env", ["B=3", "C=4"]),
        ("--group-add 9 --group-rm 5", "Groups", ["9"]),
        ("--host-rm a --host-add c:9.9.9.9", "Hosts", ["1.2.3.4 b", "9.9.9.9 c"]),
        ("--host-rm a:5.6.7.8", "Hosts", ["1.2.3.4 a b"]),
        (
            "--mount-rm /d --mount-add dst=/f,src=v",
            "Mounts",
            [
                {"Type": "volume", "Target": "/e"},
                {"Type": "volume", "Source": "v", "Target": "/f"},
            ],
        ),
        ("--secret-rm s", "Secrets", []),
        ("--cap-drop kill", "CapabilityAdd", []),
        ("--cap-drop kill", "CapabilityDrop", ["CAP_CHOWN"]),
        ("--cap-add chown", "CapabilityDrop", []),
        ("--cap-add sys_time", "CapabilityAdd", ["CAP_KILL", "CAP_SYS_TIME"]),
        ("--cap-add RESET --cap-add ALL", "CapabilityAdd", ["ALL"]),
        ("--ulimit-rm core --ulimit-add x=1", "Ulimits", [{"Name": "x", "Soft": 1, "Hard": 1}]),
        (
            "--dns-rm 8.8.8.8 --dns-option-add x",
            "DNSConfig",
            {"Nameservers": [], "Search": [], "Options": ["x"]},
        ),
        ("--health-retries 2", "Healthcheck", {"Retries": 2}),
        ("--health-cmd x", "Healthcheck", {"Test": ["CMD-SHELL", "x"]}),
        ("--sysctl-add a=1", "Sysctls", {"a": "1"}),
        ("--container-label-add a=b", "Labels", {"a": "b"}),
        ("--credential-spec file://x", "Privileges", {"CredentialSpec": {"File": "x"}}),
        ("--stop-grace-period 3s", "StopGracePeriod", 3 * S),
    ],
)
def test_an_update_changes_a_member_of_the_container(args: str, part: str, wanted: object) -> None:
    assert container(updated(FULL, args))[part] == wanted


@pytest.mark.parametrize(
    ("args", "part", "wanted"),
    [
        ("--force", "ForceUpdate", 4),
        ("--limit-cpu 1", "Resources", {"Limits": {"MemoryBytes": 5, "NanoCPUs": S}, "Reservations": {}}),
        (
            "--generic-resource-add gpu=1",
            "Resources",
            {
                "Limits": {"MemoryBytes": 5},
                "Reservations": {
                    "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}]
                },
            },
        ),
        (
            "--constraint-add a==1 --constraint-rm x==1 --placement-pref-rm spread=p",
            "Placement",
            {"Constraints": ["a==1"], "Preferences": []},
        ),
        ("--network-rm n2", "Networks", [{"Target": "n1"}]),
        ("--network-add n0", "Networks", [{"Target": "n0"}, {"Target": "n1"}, {"Target": "n2"}]),
        (
            "--restart-condition none",
            "RestartPolicy",
            {"Condition": "none", "Delay": 5 * S, "MaxAttempts": 0},
        ),
        ("--log-driver none", "LogDriver", {"Name": "none", "Options": {}}),
    ],
)  # fmt: skip
def test_an_update_changes_a_member_of_the_task(args: str, part: str, wanted: object) -> None:
    assert updated(FULL, args)["TaskTemplate"][part] == wanted


def test_an_update_changes_labels_replicas_policies_and_ports() -> None:
    found = updated(
        FULL,
        "--label-rm a --label-add c=d --replicas 5 --update-order start-first --endpoint-mode dnsrr "
        "--publish-rm 80 --publish-add published=90,target=9,mode=host",
    )
    assert found["Labels"] == {"keep": "", "c": "d"}
    assert found["Mode"] == {"Replicated": {"Replicas": 5}}
    assert found["UpdateConfig"]["Order"] == "start-first"
    assert found["UpdateConfig"]["Parallelism"] == 1
    assert found["EndpointSpec"] == {
        "Mode": "dnsrr",
        "Ports": [{"Protocol": "tcp", "PublishMode": "host", "PublishedPort": 90, "TargetPort": 9}],
    }


def test_a_port_that_is_published_already_is_not_published_twice() -> None:
    assert updated(FULL, "--publish-add 80:80")["EndpointSpec"] == FULL["EndpointSpec"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ("--network-add n1", "service is already attached to network n1"),
        ("--generic-resource-rm gpu", "could not find generic-resource `gpu` to remove it"),
        ("--mount-add dst=/a --mount-add dst=/a", "duplicate mount target"),
        ("--no-healthcheck --health-retries 1", "conflicts with --health-* options"),
    ],
)
def test_an_update_that_cannot_be_made_is_refused(args: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        updated(FULL, args)
    assert problem in str(caught.value)


def test_a_global_service_has_no_replicas_to_change() -> None:
    with pytest.raises(InvalidArgumentError, match="only be used with replicated mode"):
        updated({**FULL, "Mode": {"Global": {}}}, "--replicas 2")
