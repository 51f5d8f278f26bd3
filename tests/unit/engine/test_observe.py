"""The engine's JSON as the port's structs."""

import msgspec
import pytest

from swarmd.engine import observe
from swarmd.errors import EngineError
from swarmd.ports import Container, EngineEvent, EngineNetwork

INSPECTED = {
    "Id": "c1",
    "Name": "/web.1.abc",
    "State": {
        "Status": "running",
        "Pid": 4242,
        "ExitCode": 0,
        "OOMKilled": False,
        "Error": "",
        "StartedAt": "2026-11-24T09:22:47.123456789Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {"Status": "healthy", "FailingStreak": 0, "Log": None},
    },
    "Config": {"Image": "busybox:latest", "Tty": False, "Labels": {"a": "b"}},
    "NetworkSettings": {
        "Ports": {
            "80/tcp": [
                {"HostIp": "0.0.0.0", "HostPort": "8080"},
                {"HostIp": "::", "HostPort": "8080"},
            ],
            "53/udp": [{"HostIp": "", "HostPort": "53"}],
            "90/tcp": None,
        },
        "Networks": {"net1": {"IPAddress": "10.0.1.3"}, "none": {"IPAddress": ""}, "x": None},
    },
    "SomethingNew": {"nobody": ["knows"]},
}


def inspected(**state: object) -> Container:
    document = {**INSPECTED, "State": {**INSPECTED["State"], **state}}  # type: ignore[dict-item] # a literal above
    return observe.container(msgspec.json.encode(document))


def test_an_inspected_container_has_what_the_agent_reads() -> None:
    assert inspected() == Container(
        id="c1",
        name="web.1.abc",
        labels={"a": "b"},
        status="running",
        pid=4242,
        health="healthy",
        started_at=1795512167_123456789,
        finished_at=0,
        image="busybox:latest",
        addresses={"net1": "10.0.1.3"},
        ports=(("tcp", 80, 8080), ("udp", 53, 53)),
    )


@pytest.mark.parametrize(
    ("health", "seen"),
    [(None, ""), ({"Status": "none"}, ""), ({"Status": "unhealthy"}, "unhealthy")],
)
def test_a_check_that_is_switched_off_is_no_check(health: object, seen: str) -> None:
    assert inspected(Health=health).health == seen


def test_go_writes_null_for_what_is_empty() -> None:
    seen = observe.container(
        b'{"Id":"c","Name":"/c","State":{"Status":"created"},"Config":{"Labels":null},'
        b'"NetworkSettings":{"Ports":null,"Networks":null}}'
    )
    assert (seen.labels, seen.ports, seen.addresses) == ({}, (), {})


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:01.000000001+01:00", 1_000_000_001),
        ("2026-11-24T09:22:47.123456789Z", 1795512167_123456789),
        ("0001-01-01T00:00:00Z", 0),
        ("", 0),
        ("yesterday", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    assert observe.timestamp(text) == nanoseconds


def test_info_tells_resources_labels_and_plugins_sorted() -> None:
    info = observe.info(
        msgspec.json.encode(
            {
                "ID": "e1",
                "Name": "host1",
                "OSType": "linux",
                "Architecture": "x86_64",
                "NCPU": 2,
                "MemTotal": 1024,
                "ServerVersion": "28.5.2",
                "Labels": ["disk=ssd", "bare"],
                "Plugins": {"Volume": ["local"], "Network": ["host", "bridge"], "Log": None},
                "Swarm": {"LocalNodeState": "active"},
            }
        ),
        b'{"ApiVersion":"1.52","MinAPIVersion":"1.44"}',
        "1.51",
    )
    assert (info.nano_cpus, info.memory_bytes) == (2_000_000_000, 1024)
    assert info.labels == {"disk": "ssd", "bare": ""}
    assert info.plugins == (("Network", "bridge"), ("Network", "host"), ("Volume", "local"))
    assert (info.api_version, info.min_api_version) == ("1.51", "1.44")
    assert info.swarm_state == "active"


def test_an_engine_that_was_never_in_a_swarm_is_inactive() -> None:
    assert observe.info(b'{"Swarm":{"LocalNodeState":""}}', b"{}", "1.51").swarm_state == "inactive"


def test_an_event_carries_the_attributes_of_its_actor() -> None:
    line = (
        b'{"status":"die","id":"c1","Type":"container","Action":"die","Actor":{"ID":"c1",'
        b'"Attributes":{"exitCode":"3","com.docker.swarm.task.id":"t"}},"timeNano":17}'
    )
    labels = {"exitCode": "3", "com.docker.swarm.task.id": "t"}
    assert observe.event(line) == EngineEvent(
        type="container", action="die", id="c1", labels=labels, at=17
    )


def test_networks_are_read_with_labels_and_options() -> None:
    data = b'[{"Id":"n","Name":"x","Driver":"bridge","Labels":null,"Options":{"o":"1"}}]'
    network = EngineNetwork(id="n", name="x", driver="bridge", options={"o": "1"})
    assert observe.networks(data) == (network,)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"No such container: x"}', "No such container: x"),
        (b"a proxy's page\n", "a proxy's page"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_refusal_is_told_in_its_own_words(body: bytes, message: str) -> None:
    assert observe.problem(body) == message


def test_an_answer_that_is_not_the_engines_is_an_engine_error() -> None:
    with pytest.raises(EngineError) as caught:
        observe.container(b"<html>")
    assert caught.value.status == 502
