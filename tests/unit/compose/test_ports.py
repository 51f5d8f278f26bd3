import pytest

from swarmd.compose.document import Json
from tests.unit.compose.files import loaded, refusal, service, spec


def _ports(*written: str) -> list[tuple[int, int, str, str]]:
    found = loaded(service(f"ports: [{', '.join(written)}]")).model["services"]["web"]["ports"]
    return [
        (
            port.get("published", 0),
            port["target"],
            port.get("protocol", ""),
            port.get("mode", ""),
        )
        for port in found
    ]


@pytest.mark.parametrize(
    ("written", "ports"),
    [
        ("80", [(0, 80, "tcp")]),
        ("'80'", [(0, 80, "tcp")]),
        ("'8080:80'", [(8080, 80, "tcp")]),
        ("8080:80", [(8080, 80, "tcp")]),
        ("'53:53/udp'", [(53, 53, "udp")]),
        ("'53:53/UDP'", [(53, 53, "udp")]),
        ("'9:9/sctp'", [(9, 9, "sctp")]),
        ("'127.0.0.1:8080:80'", [(8080, 80, "tcp")]),
        ("'127.0.0.1::80'", [(0, 80, "tcp")]),
        ("'[::1]:8080:80'", [(8080, 80, "tcp")]),
        ("'0.0.0.0:8080:80'", [(8080, 80, "tcp")]),
        ("'3000-3002'", [(0, 3000, "tcp"), (0, 3001, "tcp"), (0, 3002, "tcp")]),
        ("'9090-9091:8080-8081'", [(9090, 8080, "tcp"), (9091, 8081, "tcp")]),
        ("'8000-8002:80'", [(8000, 80, "tcp"), (8001, 80, "tcp"), (8002, 80, "tcp")]),
        ("22:22", [(22, 22, "tcp")]),
    ],
)
def test_short_ports_become_long(written: str, ports: list[tuple[int, int, str]]) -> None:
    assert _ports(written) == [(*port, "ingress") for port in ports]


def test_long_ports_stay_as_written() -> None:
    assert _ports("{target: 80, published: 8080, mode: host}", "{target: 1, protocol: udp}") == [
        (8080, 80, "", "host"),
        (0, 1, "udp", ""),
    ]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("a", "invalid containerPort: a"),
        ("'80:a'", "invalid containerPort: a"),
        ("'a:80'", "invalid hostPort: a"),
        ("'80:'", "no port specified: 80:<empty>"),
        ("'70000'", "invalid containerPort: 70000"),
        ("0", "invalid containerPort: 0"),
        ("'2-1:80'", "invalid hostPort: 2-1"),
        ("'80/icmp'", "invalid proto: icmp"),
        ("'1:2:3:4'", "invalid port: 1:2:3:4"),
        (
            "'1-3:1-2'",
            "invalid ranges specified for container and host Ports: 1-2 and 1-3",
        ),
        ("{published: 80}", "missing mandatory field 'target'"),
        ("{target: 0}", "missing mandatory field 'target'"),
        ("{target: 70000}", "invalid port: 70000"),
        ("{target: 80, published: '" + "9" * 5000 + "'}", "published must be a integer"),
        ("{target: 80, mode: x}", 'must be one of the following: "ingress", "host"'),
        ("{target: 80, foo: x}", "Additional property foo is not allowed"),
    ],
)
def test_other_ports_are_refused(written: str, problem: str) -> None:
    error = refusal(service(f"ports: [{written}]"))
    assert error.problem.endswith(problem)
    assert (error.service, error.line, error.key.startswith("ports.0")) == ("web", 4, True)


def test_ports_of_an_endpoint_are_sorted_by_published_port() -> None:
    wanted: Json = [
        {"Protocol": "tcp", "TargetPort": 9, "PublishMode": "ingress"},
        {"Protocol": "tcp", "TargetPort": 2, "PublishedPort": 20, "PublishMode": "ingress"},
        {"Protocol": "tcp", "TargetPort": 1, "PublishedPort": 100, "PublishMode": "ingress"},
    ]
    assert spec("ports: ['100:1', '20:2', '9']", "EndpointSpec", "Ports") == wanted
