"""`docker events`: what happens in a swarm is told alike by both daemons."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.compat.twins import Twin, Twins

pytestmark = pytest.mark.real

_SLEEP = """busybox sh -c 'trap "exit 0" TERM; sleep 100000 & wait'"""
_OF_EVWEB = "-f label=com.docker.swarm.service.name=evweb"


@pytest.fixture(scope="module")
def told(twins: Twins) -> Mapping[str, str]:
    """A short life of a network, a service and a node, on both; url → when it began."""
    began = {}
    for twin in twins:
        began[twin.url] = _now(twin)
        twin.ok("network create -d overlay evnet")
        twin.ok(f"service create -d --no-resolve-image --name evweb --network evnet {_SLEEP}")
        twin.settle(lambda t=twin: bool(t.ok(f"ps -q {_OF_EVWEB}")))  # type: ignore[misc]  # mypy knows no defaults of lambdas
        twin.ok("service scale -d evweb=2")
        twin.ok(f"node update --availability pause {twin.host}")
        twin.ok(f"node update --availability active {twin.host}")
        twin.ok("service rm evweb")
        twin.settle(lambda t=twin: not t.ok(f"ps -q {_OF_EVWEB}"))  # type: ignore[misc]  # likewise
        twin.ok("network rm evnet")
    return began


def _now(twin: Twin) -> str:
    return twin.ok("info -f '{{.SystemTime}}'").strip()


def _events(twin: Twin, began: str, *filters: str) -> Sequence[str]:
    given = " ".join(f"-f {one}" for one in filters)
    line = "{{.Type}} {{.Action}} {{.Scope}} {{json .Actor.Attributes}}"
    ran = twin.docker(f"events --since {began} --until {_now(twin)} {given} --format '{line}'")
    assert ran.code == 0, ran.err
    return ran.out.splitlines()


@pytest.mark.parametrize(
    "filters",
    [
        ("type=service", "event=create"), ("type=service", "event=remove"), ("type=network", "event=create", "scope=swarm"),
        ("network=evnet", "event=remove", "scope=swarm"), ("service=evw", "event=remove"),
        ("type=service", "label=name=evweb", "label=replicas.new=2"), ("type=service", "service=nope"),
        ("type=node", "label=availability.new"), ("scope=swarm", "container=evweb", "event=create"),
        ("scope=swarm", "image=busybox"), ("type=foo",), ("scope=swarm", "type=container"),
    ],
)  # fmt: skip
def test_what_happened_is_told_alike(
    twins: Twins, told: Mapping[str, str], filters: tuple[str, ...]
) -> None:
    ours, reference = (_events(twin, told[twin.url], *filters) for twin in twins)
    assert ours == reference


def test_the_engine_s_own_events_are_among_them_in_their_order(
    twins: Twins, told: Mapping[str, str]
) -> None:
    for twin in twins:
        lines = [line.split()[:2] for line in _events(twin, told[twin.url])]
        firsts: dict[str, int] = {}
        for place, (kind, action) in enumerate(lines):
            firsts.setdefault(f"{kind} {action}", place)
        assert firsts["service create"] < firsts["container create"] < firsts["container start"]
        assert firsts["container start"] < firsts["service remove"]


def test_an_event_s_document_is_docker_s(twins: Twins, told: Mapping[str, str]) -> None:
    documents: list[Any] = []
    for twin in twins:
        args = f"events --since {told[twin.url]} --until {_now(twin)} --format json"
        line = twin.docker(f"{args} -f type=service -f event=create").out
        documents.append(line.partition('"time"')[0])
    assert documents[0] == documents[1]
