"""Bugs that the simulator must find: each is planted outside the product, and a fixed seed meets it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import pytest

from swarmd.dispatcher.assignments import AssignmentFeed
from swarmd.dispatcher.control import addresses, allocate
from swarmd.dispatcher.scheduler import filters, place
from swarmd.dispatcher.sessions import Sessions
from swarmd.dns import server
from swarmd.dns.packets import NOERROR, REFUSED, Answer
from swarmd.dns.zone import Found, Zone
from swarmd.ingress import balance, rules
from swarmd.model.assignment import Assignments
from swarmd.model.ids import NO_NODE
from swarmd.model.network import Network
from swarmd.model.node import Node, NodeState
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.ports import Timestamp
from swarmd.sim.run import MIX, Mix, run
from swarmd.sim.world import World
from swarmd.store.view import Tables, View

#: Each bug has to be met within these.
SEEDS = range(6)


def violations(
    prepare: Callable[[World], None] = lambda _world: None, mix: Mix = MIX
) -> Iterator[str]:
    """The first of each seed; empty where none was met."""
    for seed in SEEDS:
        yield run(seed, prepare, mix).violation


def found(prepare: Callable[[World], None] = lambda _world: None, mix: Mix = MIX) -> str:
    """The first within the seeds."""
    return next(filter(None, violations(prepare, mix)), "")


def test_acknowledging_before_the_disk_has_it_is_found_as_a_missing_write() -> None:
    """A disk whose syncs do nothing: hosts that lost power have forgotten what they promised."""

    def lie(world: World) -> None:
        for machine in world.machines:
            machine.host.disk.lies = True

    blackouts = Mix(faults=("blackout",))
    assert any("which was acknowledged at" in violation for violation in violations(lie, blackouts))


def test_forgetting_a_task_s_node_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    observed = Task.observed

    def forgetful(task: Task, status: TaskStatus, now: Timestamp) -> Task:
        after = observed(task, status, now)
        if status.state is TaskState.RUNNING:
            return msgspec.structs.replace(after, node_id=NO_NODE)
        return after

    monkeypatch.setattr(Task, "observed", forgetful)
    assert "moved from" in found()


def test_judging_expiry_before_the_input_was_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that was not run for a while takes its own silence for that of the nodes.

    One manager: where there are others, they have elected one of them long before.
    """
    monkeypatch.setattr(Sessions, "_forgive_lateness", lambda _sessions, _now: None)
    stalls = Mix(managers=1, workers=4, faults=("stall",))
    assert "was held to be down, and was not disturbed" in found(mix=stalls)


def test_removing_containers_on_an_incomplete_set_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    following = AssignmentFeed.next

    def complete(feed: AssignmentFeed, view: View) -> Assignments | None:
        message = following(feed, view)
        if message is None:
            return None
        return msgspec.structs.replace(message, is_complete=True, sequence=1)

    monkeypatch.setattr(AssignmentFeed, "next", complete)
    assert "removed the running container of task" in found()


def test_an_address_that_is_given_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    given = addresses.free_addresses

    def careless(network: Network, _taken: Mapping[str, str]) -> Iterator[str]:
        return given(msgspec.structs.replace(network, last_address=""), {})

    monkeypatch.setattr(allocate, "free_addresses", careless)
    assert "is held by" in found()


def test_a_task_on_a_node_that_takes_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that drains, or is paused."""
    rules = filters.pipeline

    def careless(spec: ServiceSpec) -> list[filters.Filter]:
        ready, *others = rules(spec)
        lives = msgspec.structs.replace(ready, passes=lambda c: _lives(c.node))
        return [lives, *others]

    monkeypatch.setattr(place, "pipeline", careless)
    assert re.search("was placed on h., (drain|pause), where", found())


def _lives(node: Node) -> bool:
    return node.status.state is NodeState.READY and node.status.engine_reachable


@pytest.mark.parametrize(
    ("where", "bug", "words"),
    [
        (filters, {"_resource": lambda _spec: None}, "reserve more than it has"),
        (filters, {"_host_port": lambda _spec: None}, "bind one port twice"),
        (filters, {"_constraint": lambda _spec: None}, "where it may not be"),
        (Tables, {"answered": lambda _tables, _request_id: None}, "a retry of the acknowledged"),
        (Tables, {"remember": lambda _tables, _request_id, _index: None}, "does not have it"),
    ],
)
def test_a_rule_that_is_left_out_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, bug: dict[str, object], words: str
) -> None:
    """Of the scheduler's filters, and of what is remembered about requests."""
    for name, other in bug.items():
        monkeypatch.setattr(where, name, other)
    assert words in found()


def test_a_mesh_that_leads_to_some_of_the_tasks_only_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = balance.to_ports

    def part(chain: str, protocol: str, addresses: Sequence[str], port: int) -> Iterator[str]:
        return whole(chain, protocol, addresses[:1], port)

    monkeypatch.setattr(rules, "to_ports", part)
    assert "published ports lead to" in found()


def test_names_that_are_told_to_everybody_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not look from which network it is asked."""

    def everywhere(zone: Zone, _source: str, name: str) -> Found:
        for names in zone.names.values():
            if name in names:
                return Found(NOERROR, Answer(names[name]))
        return Found(REFUSED)

    monkeypatch.setattr(server, "resolve", everywhere)
    assert "resolves to" in found()
