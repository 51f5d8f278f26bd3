import json

import msgspec
import pytest

from swarmd.compose import specs
from swarmd.compose.document import Json
from swarmd.errors import InvalidArgumentError
from swarmd.model.network import NetworkSpec
from swarmd.model.spec import ServiceSpec
from tests.unit.compose.files import container, loaded, refusal, service, spec, stack

SECOND = 1_000_000_000
NAMESPACE = "com.docker.stack.namespace"


def test_the_smallest_service_is_what_docker_sends_for_it() -> None:
    found = stack("services: {web: {image: busybox}}")
    assert found.services == {
        "shop_web": {
            "Name": "shop_web",
            "Labels": {NAMESPACE: "shop", "com.docker.stack.image": "busybox"},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": "busybox",
                    "Labels": {NAMESPACE: "shop"},
                    "Privileges": {},
                },
                "Resources": {},
                "Placement": {},
                "Networks": [{"Target": "shop_default", "Aliases": ["web"]}],
                "ForceUpdate": 0,
            },
            "Mode": {"Replicated": {}},
            "EndpointSpec": {},
        }
    }
    assert found.networks == {
        "shop_default": {"Name": "shop_default", "Driver": "overlay", "Labels": {NAMESPACE: "shop"}}
    }
    assert not found.external_networks


@pytest.mark.parametrize(
    ("body", "part", "value"),
    [
        ("command: sh -c 'a b'", "Args", ["sh", "-c", "a b"]),
        ("entrypoint: [a, b]", "Command", ["a", "b"]),
        ("environment: {B: 2, A: x, C: 1.50}", "Env", ["A=x", "B=2", "C=1.5"]),
        ("environment: [B, A=]", "Env", ["A=", "B"]),
        ("labels: [a=1, b]", "Labels", {"a": "1", "b": "", NAMESPACE: "shop"}),
        ("hostname: h", "Hostname", "h"),
        ("user: '1000'", "User", "1000"),
        ("working_dir: /w", "Dir", "/w"),
        ("init: false", "Init", False),
        ("tty: true", "TTY", True),
        ("stdin_open: true", "OpenStdin", True),
        ("read_only: true", "ReadOnly", True),
        ("stop_signal: SIGINT", "StopSignal", "SIGINT"),
        ("stop_grace_period: 1m", "StopGracePeriod", 60 * SECOND),
        ("stop_grace_period: 0s", "StopGracePeriod", 0),
        ("isolation: default", "Isolation", "default"),
        ("oom_score_adj: -5", "OomScoreAdj", -5),
        ("sysctls: [net.core.somaxconn=1]", "Sysctls", {"net.core.somaxconn": "1"}),
        (
            "extra_hosts: ['a:1.1.1.1', 'b=2.2.2.2', 'c:[::1]', 'd:::2']",
            "Hosts",
            ["1.1.1.1 a", "2.2.2.2 b", "::1 c", "::2 d"],
        ),
        ("extra_hosts: {b: 2.2.2.2, a: 1.1.1.1}", "Hosts", ["1.1.1.1 a", "2.2.2.2 b"]),
        (
            "dns: 1.1.1.1\ndns_search: [x.org]",
            "DNSConfig",
            {"Nameservers": ["1.1.1.1"], "Search": ["x.org"]},
        ),
        ("cap_add: [net_admin, CAP_CHOWN]", "CapabilityAdd", ["CAP_CHOWN", "CAP_NET_ADMIN"]),
        ("cap_add: [all, chown]", "CapabilityAdd", ["ALL"]),
        ("cap_add: [chown]\ncap_drop: [ALL]", "CapabilityDrop", ["ALL"]),
        ("cap_add: [chown]\ncap_drop: [chown, kill]", "CapabilityDrop", ["CAP_KILL"]),
        (
            "ulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}",
            "Ulimits",
            [{"Name": "nofile", "Hard": 2, "Soft": 1}, {"Name": "nproc", "Hard": 5, "Soft": 5}],
        ),
        ("credential_spec: {file: f}", "Privileges", {"CredentialSpec": {"File": "f"}}),
        ("credential_spec: {registry: r}", "Privileges", {"CredentialSpec": {"Registry": "r"}}),
        ("healthcheck: {disable: true}", "Healthcheck", {"Test": ["NONE"]}),
        (
            (
                "healthcheck: {test: curl x, interval: 1s, timeout: 2s, retries: 3, start_period: 4s, "
                "start_interval: 5s}"
            ),
            "Healthcheck",
            {
                "Test": ["CMD-SHELL", "curl x"],
                "Interval": SECOND,
                "Timeout": 2 * SECOND,
                "StartPeriod": 4 * SECOND,
                "StartInterval": 5 * SECOND,
                "Retries": 3,
            },
        ),
    ],
)
def test_keys_of_a_service_become_parts_of_its_container(body: str, part: str, value: Json) -> None:
    assert container(body, part) == value


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        ("replicas: 3", {"Replicated": {"Replicas": 3}}),
        ("replicas: 0", {"Replicated": {"Replicas": 0}}),
        ("mode: replicated", {"Replicated": {}}),
        ("mode: global", {"Global": {}}),
        ("mode: global-job", {"GlobalJob": {}}),
        ("mode: replicated-job", {"ReplicatedJob": {}}),
        (
            "mode: replicated-job, replicas: 2",
            {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 2}},
        ),
    ],
)
def test_modes(body: str, mode: Json) -> None:
    assert spec(f"deploy: {{{body}}}", "Mode") == mode


def test_update_and_rollback_have_dockers_defaults_only_if_they_are_there() -> None:
    body = """
    deploy:
      update_config: {}
      rollback_config:
        parallelism: 0
        delay: 5s
        failure_action: continue
        monitor: 1m
        max_failure_ratio: 0.3
        order: start-first
    """
    assert spec(body, "UpdateConfig") == {"Parallelism": 1, "MaxFailureRatio": 0.0}
    assert spec(body, "RollbackConfig") == {
        "Parallelism": 0,
        "Delay": 5 * SECOND,
        "FailureAction": "continue",
        "Monitor": 60 * SECOND,
        "MaxFailureRatio": 0.3,
        "Order": "start-first",
    }


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        ("deploy: {restart_policy: {}}", {"Condition": "any"}),
        (
            "deploy: {restart_policy: {condition: on-failure, delay: 0s, max_attempts: 0, window: 2m}}",
            {"Condition": "on-failure", "Delay": 0, "MaxAttempts": 0, "Window": 120 * SECOND},
        ),
        ("restart: always", {"Condition": "any"}),
        ("restart: unless-stopped", {"Condition": "any"}),
        ("restart: on-failure", {"Condition": "on-failure"}),
        ("restart: on-failure:3", {"Condition": "on-failure", "MaxAttempts": 3}),
        ("restart: always\ndeploy: {restart_policy: {condition: none}}", {"Condition": "none"}),
    ],
)
def test_restart_policies(body: str, policy: Json) -> None:
    assert spec(body, "TaskTemplate", "RestartPolicy") == policy


def test_restart_no_is_no_policy() -> None:
    template = spec("restart: 'no'", "TaskTemplate")
    assert isinstance(template, dict)
    assert "RestartPolicy" not in template


def test_resources_placement_and_logging() -> None:
    body = """
    logging: {driver: json-file, options: {max-size: 1m, max-file: 3}}
    deploy:
      resources:
        limits: {cpus: 0.5, memory: 64M, pids: 9}
        reservations:
          cpus: '0.25'
          memory: 1G
          generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]
      placement:
        constraints: [node.role == worker]
        preferences: [{spread: node.labels.zone}]
        max_replicas_per_node: 2
    """
    template = spec(body, "TaskTemplate")
    assert isinstance(template, dict)
    assert template["LogDriver"] == {
        "Name": "json-file",
        "Options": {"max-file": "3", "max-size": "1m"},
    }
    assert template["Resources"] == {
        "Limits": {"NanoCPUs": SECOND // 2, "MemoryBytes": 64 << 20, "Pids": 9},
        "Reservations": {
            "NanoCPUs": SECOND // 4,
            "MemoryBytes": 1 << 30,
            "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}],
        },
    }
    assert template["Placement"] == {
        "Constraints": ["node.role == worker"],
        "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
        "MaxReplicas": 2,
    }


def test_labels_of_deploy_are_the_services() -> None:
    labels = spec("deploy: {labels: {a: b}, endpoint_mode: DNSRR}", "Labels")
    assert labels == {"a": "b", NAMESPACE: "shop", "com.docker.stack.image": "busybox"}
    assert spec("deploy: {endpoint_mode: DNSRR}", "EndpointSpec") == {"Mode": "dnsrr"}


NETWORKS = """
networks:
  front: {driver_opts: {mtu: 1400}, attachable: true, internal: true, labels: [a=b]}
  back: {name: real, ipam: {driver: default, config: [{subnet: 10.9.0.0/24, gateway: 10.9.0.1}]}}
  six: {enable_ipv6: true}
  unused:
  outside: {external: true, name: shared}
  host: {external: true, name: host}
"""


def test_networks_get_the_stacks_name_and_services_are_called_by_their_short_one() -> None:
    body = """
    networks:
      front: {aliases: [www], driver_opts: {x: 1}}
      back:
      outside:
      host:
    """
    assert spec(body, "TaskTemplate", "Networks", more=NETWORKS) == [
        {"Target": "host"},
        {"Target": "real", "Aliases": ["web"]},
        {"Target": "shared", "Aliases": ["web"]},
        {"Target": "shop_front", "Aliases": ["www", "web"], "DriverOpts": {"x": "1"}},
    ]


def test_only_networks_that_a_service_uses_are_made() -> None:
    found = stack(service("networks: [front, back, outside]", more=NETWORKS))
    assert found.networks == {
        "real": {
            "Name": "real",
            "Driver": "overlay",
            "IPAM": {
                "Driver": "default",
                "Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}],
            },
            "Labels": {NAMESPACE: "shop"},
        },
        "shop_front": {
            "Name": "shop_front",
            "Driver": "overlay",
            "Options": {"mtu": "1400"},
            "Internal": True,
            "Attachable": True,
            "Labels": {"a": "b", NAMESPACE: "shop"},
        },
    }
    assert list(found.external_networks) == ["shared"]


@pytest.mark.parametrize(
    ("body", "key", "problem"),
    [
        ("networks: [x]", "networks.x", 'service web: undefined network "x"'),
        ("deploy: {mode: x}", "deploy.mode", "service web: deploy.mode: Unknown mode: x"),
        (
            "deploy: {mode: global, replicas: 1}",
            "deploy.replicas",
            (
                "service web: deploy.replicas: "
                "replicas can only be used with replicated or replicated-job mode"
            ),
        ),
        (
            "healthcheck: {test: [a], disable: true}",
            "healthcheck",
            "service web: healthcheck: test and disable can't be set at the same time",
        ),
        (
            "credential_spec: {file: f, registry: r}",
            "credential_spec",
            (
                "service web: credential_spec: "
                'invalid credential spec: cannot specify both "File" and "Registry"'
            ),
        ),
        (
            "restart: sometimes",
            "restart",
            (
                "service web: restart: invalid restart policy: unknown policy 'sometimes' (must be "
                "one of 'no', 'always', 'unless-stopped', or 'on-failure')"
            ),
        ),
    ],
)
def test_contradictions_are_refused_in_dockers_words(body: str, key: str, problem: str) -> None:
    error = refusal(service(body))
    assert (error.problem, error.service, error.key, error.line) == (problem, "web", key, 4)


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "a/b:1.0",
        "localhost:5000/a-b/c__d",
        "Reg.org/x",
        "x@sha256:" + "0" * 64,
        "[::1]:5/x",
    ],
)
def test_images_may_be_any_reference(image: str) -> None:
    found = stack(f"services: {{web: {{image: '{image}'}}}}")
    assert found.services["shop_web"]["Labels"] == {
        NAMESPACE: "shop",
        "com.docker.stack.image": image,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("build: .", "no image specified"),
        ("image: ''", "no image specified"),
        ("image: Foo", "repository name must be lowercase"),
        ("image: 'a b'", "invalid reference format"),
        ("image: 'a:'", "invalid reference format"),
    ],
)
def test_other_images_are_refused_in_dockers_words(text: str, reason: str) -> None:
    error = refusal(f"services:\n  web:\n    {text}\n")
    assert error.problem == f"invalid image reference for service web: {reason}"
    assert (error.service, error.key) == ("web", "image")


@pytest.mark.parametrize("name", ["", " ", "'\"", "\t"])
def test_a_stack_without_a_name_is_refused_in_dockers_words(name: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        specs(loaded("services: {}"), name)
    assert str(caught.value) == f'invalid stack name: "{name}"'


def test_the_model_reads_what_is_sent() -> None:
    body = """
    command: a b
    healthcheck: {test: x, interval: 1s}
    volumes: ['/a', '/b:/c:ro', {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
    ports: ['80:80', '1-3:1-3/udp']
    ulimits: {nofile: 5}
    networks: {front: {aliases: [a]}}
    deploy:
      mode: global
      update_config: {order: start-first, failure_action: continue}
      restart_policy: {condition: on-failure}
      resources: {limits: {cpus: '1'}}
    """
    found = stack(service(body, more=NETWORKS))
    read = msgspec.json.decode(json.dumps(found.services["shop_web"]), type=ServiceSpec)
    assert read.mode.global_ is not None
    assert read.task_template.container_spec is not None
    assert len(read.ports) == 4
    network = msgspec.json.decode(json.dumps(found.networks["shop_front"]), type=NetworkSpec)
    assert network.attachable
