"""Bugs that the simulator must find: each is planted outside the product, and a fixed seed meets it."""

from collections.abc import Callable

import msgspec
import pytest

from swarmd.dispatcher.assignments import AssignmentFeed
from swarmd.dispatcher.sessions import Sessions
from swarmd.model.assignment import Assignments
from swarmd.model.ids import NO_NODE
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.ports import Timestamp
from swarmd.sim.run import MIX, Mix, run
from swarmd.sim.world import World
from swarmd.store.view import View

#: Each bug has to be met within these.
SEEDS = range(6)


def found(prepare: Callable[[World], None] = lambda _world: None, mix: Mix = MIX) -> str:
    """The first violation within the seeds."""
    for seed in SEEDS:
        outcome = run(seed, prepare, mix)
        if outcome.violation:
            return outcome.violation
    return ""


def test_acknowledging_before_the_disk_has_it_is_found() -> None:
    """A disk whose syncs do nothing: a host that lost power has forgotten what it promised."""

    def lie(world: World) -> None:
        for machine in world.machines:
            machine.host.disk.lies = True

    assert found(lie)


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
    assert found()
