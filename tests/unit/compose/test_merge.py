import pytest

from swarmd.compose.document import Json
from tests.unit.compose.files import loaded, refusal, service


def _merged(first: str, second: str) -> dict[str, object]:
    web: dict[str, object] = {**loaded(service(first), service(second)).model["services"]["web"]}
    del web["image"]
    return web


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ("hostname: a", "hostname: b", {"hostname": "b"}),
        ("hostname: a", "hostname: ''", {"hostname": "a"}),
        ("tty: true", "tty: false", {"tty": True}),
        ("init: true", "init: false", {"init": False}),
        ("deploy: {replicas: 3}", "deploy: {replicas: 0}", {"deploy": {"replicas": 0}}),
        (
            "environment: {A: 1, B: 2}",
            "environment: [B=3, C]",
            {"environment": {"A": "1", "B": "3", "C": None}},
        ),
        ("environment: {A: 1}", "environment: {A: }", {"environment": {"A": "1"}}),
        ("labels: [a=1]", "labels: {b: 2}", {"labels": {"a": "1", "b": "2"}}),
        ("dns: 1.1.1.1", "dns: [2.2.2.2]", {"dns": ["1.1.1.1", "2.2.2.2"]}),
        ("command: a b", "command: c", {"command": ["c"]}),
        ("command: a b", "command: []", {"command": ["a", "b"]}),
        ("entrypoint: a b", "entrypoint: [c]", {"entrypoint": ["c"]}),
        (
            "healthcheck: {test: a, interval: 1s}",
            "healthcheck: {test: b}",
            {"healthcheck": {"test": ["CMD-SHELL", "b"], "interval": "1s"}},
        ),
        (
            "deploy: {placement: {constraints: [a==1]}}",
            "deploy: {placement: {constraints: [b==2]}, mode: global}",
            {"deploy": {"placement": {"constraints": ["a==1", "b==2"]}, "mode": "global"}},
        ),
        (
            "ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}",
            "ulimits: {nofile: 9}",
            {"ulimits": {"nofile": 9, "nproc": 3}},
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {driver: a, options: {y: 2}}",
            {"logging": {"driver": "a", "options": {"x": "1", "y": "2"}}},
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {options: {y: 2}}",
            {"logging": {"driver": "a", "options": {"x": "1", "y": "2"}}},
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {driver: b}",
            {"logging": {"driver": "b"}},
        ),
        (
            "networks: {default: {aliases: [a], driver_opts: {x: 1}}}",
            "networks: {default: {aliases: [b]}, more: }",
            {
                "networks": {
                    "default": {"aliases": ["b"], "driver_opts": {"x": "1"}},
                    "more": None,
                }
            },
        ),
    ],
)
def test_a_later_file_adds_and_replaces(first: str, second: str, merged: dict[str, Json]) -> None:
    assert _merged(first, second) == merged


def test_ports_replace_those_with_the_same_published_port_and_protocol() -> None:
    found = loaded(
        service("ports: ['8080:80', '53:53/tcp', '53:53/udp', '1', '2']"),
        service("ports: ['8080:81', '443:443']"),
    )
    assert [
        (port.get("published", 0), port["target"])
        for port in found.model["services"]["web"]["ports"]
    ] == [(0, 1), (0, 2), (53, 53), (53, 53), (443, 443), (8080, 81)]


def test_mounts_replace_those_with_the_same_target_and_are_sorted_by_it() -> None:
    found = loaded(service("volumes: ['/a:/x', '/b:/c']"), service("volumes: ['/d:/x:ro']"))
    assert found.model["services"]["web"]["volumes"] == [
        {"type": "bind", "source": "/b", "target": "/c"},
        {"type": "bind", "source": "/d", "target": "/x", "read_only": True},
    ]


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_secrets_and_configs_replace_those_with_the_same_source(kind: str) -> None:
    web = _merged(f"{kind}: [b, a]", f"{kind}: [{{source: b, mode: 0400}}]")
    assert web[kind] == [{"source": "a"}, {"source": "b", "mode": 256}]


def test_services_of_all_files_are_sorted_and_other_entries_replaced_whole() -> None:
    found = loaded(
        "services: {b: {image: x}}\nnetworks: {n: {driver: a, internal: true}}",
        "services: {a: {image: y}}\nnetworks: {n: {driver: b}, m: }",
    )
    assert list(found.model["services"]) == ["a", "b"]
    assert found.model["networks"] == {"m": {}, "n": {"driver": "b"}}


def test_an_error_in_what_was_merged_names_the_file_that_said_it() -> None:
    error = refusal(service("deploy: {mode: global}"), service("deploy:\n  replicas: 2"))
    assert str(error) == (
        "two.yml:5: service web: deploy.replicas: "
        "replicas can only be used with replicated or replicated-job mode"
    )


def test_three_files_are_merged_in_order() -> None:
    texts = [service(f"hostname: h{number}\ncap_add: [C{number}]") for number in range(3)]
    web = loaded(*texts).model["services"]["web"]
    assert (web["hostname"], web["cap_add"]) == ("h2", ["C0", "C1", "C2"])
