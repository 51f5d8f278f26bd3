import pytest

from swarmd.compose import ComposeError, NotYetError, load
from swarmd.errors import InvalidArgumentError
from tests.unit.compose.files import FOLDER, container, loaded, refusal, service, stack


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("foo: 1", "services.web Additional property foo is not allowed"),
        ("hostname: 3", "services.web.hostname must be a string"),
        ("tty: 'yes'", "services.web.tty must be a boolean"),
        ("ports: 80", "services.web.ports must be a list"),
        ("ports: [{target: 1, published: x}]", "services.web.ports.0.published must be a integer"),
        ("ports: [true]", "services.web.ports.0 must be a number, string or mapping"),
        ("environment: {A: true}", "services.web.environment.A must be a string, number or null"),
        ("environment: A=1", "services.web.environment must be a mapping or list"),
        ("environment:", "services.web.environment must be a mapping or list"),
        ("command: 3", "services.web.command must be a string or list"),
        ("command: [sleep, 3]", "services.web.command.1 must be a string"),
        ("dns: 3", "services.web.dns must be a string or list"),
        ("cap_add: [A, B, A]", "services.web.cap_add array items[0,2] must be unique"),
        ("networks: 3", "services.web.networks must be a mapping or list"),
        ("volumes: [3]", "services.web.volumes.0 must be a string or mapping"),
        ("volumes: [{target: /a}]", "services.web.volumes.0 type is required"),
        ("ulimits: {nofile: {soft: 1}}", "services.web.ulimits.nofile hard is required"),
        ("stop_grace_period: 3", "services.web.stop_grace_period must be a string"),
        ("logging:", "services.web.logging must be a mapping"),
        ("deploy: {replicas: 1.5}", "services.web.deploy.replicas must be a integer"),
        ("deploy: {replicas: true}", "services.web.deploy.replicas must be a integer"),
        ("deploy: {replicas: -1}", "services.web.deploy.replicas must not be negative"),
        ("deploy: {foo: 1}", "services.web.deploy Additional property foo is not allowed"),
        (
            "deploy: {update_config: {order: fast}}",
            (
                "services.web.deploy.update_config.order must be one of the following: "
                '"start-first", "stop-first"'
            ),
        ),
        (
            "deploy: {update_config: {max_failure_ratio: x}}",
            "services.web.deploy.update_config.max_failure_ratio must be a number",
        ),
        ("deploy: {resources: {limits: {cpus: []}}}", "must be a string or number"),
        ("stop_grace_period: '10'", 'stop_grace_period: time: missing unit in duration "10"'),
        ("deploy: {resources: {limits: {memory: x}}}", "memory: invalid size: 'x'"),
        ("deploy: {resources: {limits: {cpus: x}}}", "failed to parse x as a rational number"),
        ('command: "a \'b"', "service web: command: EOF found when expecting closing quote"),
        ("extra_hosts: [a]", "service web: extra_hosts.0: bad format: 'a'"),
    ],
)
def test_what_the_format_does_not_allow_is_refused_with_its_place(body: str, problem: str) -> None:
    error = refusal(service(body))
    assert error.problem.endswith(problem)
    assert (error.file, error.line, error.service) == ("one.yml", 4, "web")
    assert str(error) == f"one.yml:4: {error.problem}"
    assert error.key


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("foo: 1", 1, "(root) Additional property foo is not allowed"),
        ("include: [a.yml]", 1, "(root) Additional property include is not allowed"),
        ("services:", 1, "services must be a mapping"),
        ("services:\n  web:", 2, "services.web must be a mapping"),
        ("services:\n  we b: {image: x}", 2, "services Additional property we b is not allowed"),
        ("version: 3.8\nservices: {}", 1, "version must be a string"),
        ("version: '2.4'\nservices: {}", 1, "unsupported Compose file version: 2.4"),
        ("version: '3.14'\nservices: {}", 1, "unsupported Compose file version: 3.14"),
        ("networks:\n  a:\n    foo: 1", 3, "networks.a Additional property foo is not allowed"),
        (
            "networks:\n  n: {name: a, external: {name: b}}",
            2,
            "network n: network.external.name and network.name conflict; only use network.name",
        ),
        (
            "volumes:\n  v:\n    external: true\n    driver: local",
            4,
            'conflicting parameters "external" and "driver" specified for volume "v"',
        ),
        (
            "secrets:\n  s: {driver: d, file: f}",
            2,
            "secret s: secret.driver and secret.file conflict; only use secret.driver",
        ),
    ],
)
def test_a_file_that_is_wrong_at_the_top_is_refused(text: str, line: int, problem: str) -> None:
    error = refusal(text)
    assert (error.problem, error.line) == (problem, line)


@pytest.mark.parametrize("version", ["3", "3.0", "3.8", "3.13", ""])
def test_all_versions_of_the_format_are_read_alike(version: str) -> None:
    expected = "3.13" if version in ("3", "") else version
    assert loaded(f"version: '{version}'\nservices: {{}}").model["version"] == expected


def test_files_of_different_versions_do_not_mix() -> None:
    error = refusal("version: '3.1'", "version: '3.2'")
    assert error.problem == "version mismatched between two composefiles : 3.1 and 3.2"
    assert error.file == "two.yml"


def test_no_file_is_refused_in_dockers_words() -> None:
    with pytest.raises(InvalidArgumentError, match="Specify a Compose file"):
        load([], {})


def test_forbidden_keys_are_all_listed_with_advice_file_line_and_service() -> None:
    text = """
    services:
      a:
        image: x
        mem_limit: 1
      b:
        image: x
        extends: a
    """
    error = refusal(text)
    assert error.problem == (
        "Compose file contains unsupported options:\n\n"
        "mem_limit: Set resource limits using deploy.resources (one.yml:5, service a)\n\n"
        "extends: Support for `extends` is not implemented yet. (one.yml:8, service b)"
    )
    assert (error.line, error.service, error.key) == (5, "a", "mem_limit")


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("extends", "Support for `extends` is not implemented yet."),
        (
            "volume_driver",
            (
                "Instead of setting the volume driver on the service, define a volume using the "
                "top-level `volumes` option and specify the driver there."
            ),
        ),
        (
            "volumes_from",
            (
                "To share a volume between services, define it using the top-level `volumes` option "
                "and reference it from each service that shares it using the service-level `volumes` "
                "option."
            ),
        ),
        ("cpu_quota", "Set resource limits using deploy.resources"),
        ("cpu_shares", "Set resource limits using deploy.resources"),
        ("cpuset", "Set resource limits using deploy.resources"),
        ("mem_limit", "Set resource limits using deploy.resources"),
        ("memswap_limit", "Set resource limits using deploy.resources"),
    ],
)
def test_forbidden_keys_have_dockers_advice(key: str, advice: str) -> None:
    assert f"{key}: {advice} (one.yml:4, service web)" in refusal(service(f"{key}: 1")).problem


@pytest.mark.parametrize(
    ("body", "severity", "key", "why"),
    [
        *(
            (f"{key}: x", "unsupported", key, "")
            for key in (
                *("build", "cgroupns_mode", "cgroup_parent", "devices", "domainname"),
                *("external_links", "ipc", "links", "mac_address", "network_mode", "pid"),
                *("privileged", "security_opt", "shm_size", "userns_mode"),
            )
        ),
        (
            "container_name: x",
            "deprecated",
            "container_name",
            "Setting the container name is not supported.",
        ),
        (
            "expose: [80, '90']",
            "deprecated",
            "expose",
            (
                "Exposing ports is unnecessary - services on the same network can access each other's "
                "containers on any port."
            ),
        ),
        ("depends_on: [db]", "ignored", "depends_on", "services of a swarm start in no order"),
        ("depends_on: {db: {condition: service_healthy}}", "ignored", "depends_on", "in no order"),
        ("tmpfs: /run", "ignored", "tmpfs", "use `volumes` with `type: tmpfs`"),
        ("profiles: [debug]", "ignored", "profiles", "all services of the file are deployed"),
        ("platform: linux/amd64", "ignored", "platform", ""),
        ("pull_policy: always", "ignored", "pull_policy", ""),
        ("develop: {watch: []}", "ignored", "develop", ""),
        ("gpus: all", "unsupported", "gpus", "generic_resources"),
        (
            "networks: {default: {ipv4_address: 10.0.0.9}}",
            "ignored",
            "networks.default.ipv4_address",
            "addresses are chosen by the swarm",
        ),
        (
            "ports: ['127.0.0.1:8080:80']",
            "ignored",
            "ports.0",
            "ignoring IP-address (127.0.0.1:8080:80/tcp) service will listen on '0.0.0.0'",
        ),
        ("volumes: ['aa:/b:z']", "ignored", "volumes.0", "unknown volume option z"),
        (
            "volumes: ['~/a:/b']",
            "ignored",
            "volumes.0",
            "cannot expand '~', because the environment lacks HOME",
        ),
    ],
)
def test_what_has_no_effect_is_noted_with_its_place_and_why(
    body: str, severity: str, key: str, why: str
) -> None:
    found = loaded(service(body, more="volumes: {aa: }"))
    [note] = found.notes
    assert (note.severity, note.file, note.line) == (severity, "one.yml", 4)
    assert (note.service, note.key) == ("web", key)
    assert note.text
    assert why in note.text
    assert str(note) == f"one.yml:4: service web: {key} ({severity}): {note.text}"


def test_notes_come_by_file_and_line() -> None:
    found = loaded(
        "name: shop\nservices:\n  a: {image: x, privileged: true}\n",
        "services:\n  b: {image: x, ipc: host, devices: [x]}\n",
    )
    assert [(note.file, note.line, note.key) for note in found.notes] == [
        ("one.yml", 1, "name"),
        ("one.yml", 3, "privileged"),
        ("two.yml", 2, "devices"),
        ("two.yml", 2, "ipc"),
    ]


def test_restart_is_noted_only_if_a_policy_takes_its_place() -> None:
    assert loaded(service("restart: always")).notes == ()
    [note] = loaded(service("restart: always\ndeploy: {restart_policy: {}}")).notes
    assert (note.key, note.text) == ("restart", "deploy.restart_policy is given")


def test_the_old_way_to_name_an_external_network_is_noted() -> None:
    found = loaded("networks:\n  n:\n    external: {name: real}\n")
    assert found.model["networks"] == {"n": {"name": "real", "external": True}}
    [note] = found.notes
    assert note.text == ("network n: network.external.name is deprecated in favor of network.name")


def test_keys_that_begin_with_x_may_stand_anywhere() -> None:
    text = "x-a: {b: [1]}\nservices: {web: {image: x, x-b: 1, deploy: {x-c: 2}}}\n"
    assert loaded(text).notes == ()
    assert stack(text).services


def test_newer_keys_that_mean_something_in_a_swarm_are_taken() -> None:
    body = """
    scale: 4
    dns_opt: [ndots:1]
    group_add: [7, staff]
    ports: [{name: http, target: 80, published: "8080"}]
    volumes: [{type: bind, source: ./a, target: /a, bind: {create_host_path: true}}]
    """
    assert container(body, "DNSConfig") == {"Options": ["ndots:1"]}
    assert container(body, "Groups") == ["7", "staff"]
    assert container(body, "Mounts", 0) == {
        "Type": "bind",
        "Source": f"{FOLDER}/a",
        "Target": "/a",
        "BindOptions": {"CreateMountpoint": True},
    }
    found = stack(service(body)).services["shop_web"]
    assert found["Mode"] == {"Replicated": {"Replicas": 4}}
    assert found["EndpointSpec"] == {
        "Ports": [{"Name": "http", "TargetPort": 80, "PublishedPort": 8080}]
    }


@pytest.mark.parametrize(
    ("body", "more", "line", "problem"),
    [
        (
            "secrets: [db]",
            "secrets: {db: {file: f}}",
            4,
            'secrets are not supported yet: service web, secret "db"',
        ),
        (
            "configs: [{source: c, target: /c}]",
            "configs: {c: {external: true}}",
            4,
            'configs are not supported yet: service web, config "c"',
        ),
        (
            "credential_spec: {config: c}",
            "",
            4,
            "configs are not supported yet: service web, credential_spec",
        ),
        ("tty: true", "secrets: {db: {file: f}}", 5, 'secrets are not supported yet: secret "db"'),
    ],
)
def test_secrets_and_configs_are_checked_and_refused(
    body: str, more: str, line: int, problem: str
) -> None:
    text = service(body, more=more)
    loaded(text)
    with pytest.raises(NotYetError) as caught:
        stack(text)
    assert (caught.value.problem, caught.value.line) == (problem, line)
    assert caught.value.kind in problem


@pytest.mark.parametrize(
    ("body", "more", "line", "problem"),
    [
        (
            "deploy:\n  update_config:\n    failure_action: rollback",
            "",
            6,
            (
                "service web: deploy.update_config.failure_action: rollback is not supported yet: "
                "use pause or continue"
            ),
        ),
        (
            "ports: [{target: 80, published: 80, protocol: sctp}]",
            "",
            4,
            "service web: ports: sctp on every node is not supported yet: publish with mode host",
        ),
        (
            "networks: [back]",
            "networks:\n  back:\n    driver: macvlan",
            7,
            "networks.back.driver: the driver macvlan is not supported yet: use overlay",
        ),
        (
            "networks: [back]",
            'networks:\n  back:\n    driver_opts:\n      encrypted: ""',
            8,
            "networks.back.driver_opts.encrypted: encryption is not supported yet: leave it out",
        ),
        (
            "tty: true",
            "networks:\n  default:\n    enable_ipv6: true",
            7,
            "networks.default.enable_ipv6: IPv6 is not supported yet: leave it out",
        ),
    ],
)
def test_what_a_manager_would_refuse_is_refused_with_its_place(
    body: str, more: str, line: int, problem: str
) -> None:
    text = service(body, more=more)
    loaded(text)
    with pytest.raises(NotYetError) as caught:
        stack(text)
    assert (caught.value.problem, caught.value.line) == (problem, line)


def test_what_is_not_supported_yet_is_no_hindrance_where_nobody_uses_it() -> None:
    """Of a network that is not made, and of ports that their node alone publishes."""
    ports = "ports: [{target: 80, published: 80, protocol: sctp, mode: host}]"
    assert stack(service(ports, more="networks: {back: {driver: macvlan}}")).services
    assert stack(service("networks: [n]", more="networks: {n: {external: true}}")).services


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_an_undefined_secret_or_config_is_refused_as_such(kind: str) -> None:
    error = refusal(service(f"{kind}s: [x]"))
    assert error.problem == f'service web: undefined {kind} "x"'
    assert not isinstance(error, NotYetError)


def test_an_external_secret_that_nobody_uses_is_no_hindrance() -> None:
    assert stack(service("", more="secrets: {s: {external: true}}")).services


def test_every_error_of_a_compose_file_is_an_invalid_argument() -> None:
    assert issubclass(ComposeError, InvalidArgumentError)
