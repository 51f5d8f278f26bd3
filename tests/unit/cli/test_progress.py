"""When a service has come to rest, and what is shown until then."""

from typing import Any

import pytest

from swarmd.cli.progress import progress
from tests.unit.cli.objects import Json, node, service, task


def seen(lines: Any) -> list[str]:
    return [str(line).rstrip() for line in lines]


def updating(state: str, message: str = "") -> Json:
    return service(UpdateStatus={"State": state, "Message": message})


def test_a_service_without_tasks_shows_an_empty_line_for_each_replica() -> None:
    found = progress(service(), [], [node()])
    assert seen(found.lines) == ["overall progress: 0 out of 2 tasks", "1/2:", "2/2:"]
    assert not found.is_done


def test_a_bar_grows_with_the_tasks_state() -> None:
    found = progress(service(), [task(1, "preparing"), task(2)], [node()])
    assert seen(found.lines) == [
        "overall progress: 1 out of 2 tasks",
        f"1/2: preparing [{'=' * 33}>{' ' * 17}]",
        f"2/2: running   [{'=' * 50}>]",
    ]


def test_a_service_is_done_as_soon_as_every_task_runs() -> None:
    assert progress(service(), [task(1), task(2)], [node()]).is_done


def test_a_service_that_runs_is_not_done_while_its_update_goes_on() -> None:
    tasks = [task(1), task(2)]
    assert not progress(updating("updating"), tasks, [node()]).is_done
    assert progress(updating("completed"), tasks, [node()]).is_done


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("paused", "service update paused: too many failures"),
        ("rollback_paused", "service rollback paused: too many failures"),
    ],
)
def test_a_paused_update_ends_the_wait_with_its_reason(state: str, error: str) -> None:
    assert progress(updating(state, "too many failures"), [], [node()]).error == error


def test_a_rollback_says_so_and_is_done_when_it_has_ended() -> None:
    tasks = [task(1), task(2)]
    during = progress(updating("rollback_started", "update failed"), tasks, [node()])
    assert seen(during.lines)[0] == "overall progress: rolling back update: 2 out of 2 tasks"
    assert seen(during.lines)[-1] == "rollback: update failed"
    assert not during.is_done
    assert progress(updating("rollback_completed", "done"), tasks, [node()]).is_done


def test_of_two_tasks_in_a_slot_the_one_that_is_to_run_counts() -> None:
    """A task has failed, and its successor is starting."""
    old, new = task(1, "failed", "shutdown"), task(1, "starting")
    found = progress(service(replicas=1), [old, new], [node()])
    assert seen(found.lines)[1].startswith("1/1: starting")


def test_an_error_is_shown_in_place_of_the_bar_on_one_line() -> None:
    """The scheduler explains why a task stays pending."""
    status = {"State": "pending", "Err": "no suitable node\n" + "x" * 100}
    found = progress(service(replicas=1), [task(1, Status=status)], [node()])
    text = seen(found.lines)[1]
    assert text.startswith("1/1: no suitable node x")
    assert text.endswith("…")
    assert len(text) == 80


def test_tasks_on_a_node_that_is_down_do_not_count() -> None:
    down = node(Status={"State": "down"})
    assert not progress(service(), [task(1), task(2)], [down]).is_done


def test_more_than_twenty_tasks_have_no_bars() -> None:
    assert len(progress(service(replicas=21), [task(1)], [node()]).lines) == 1


def test_zero_replicas_are_done_when_nothing_is_left() -> None:
    assert progress(service(replicas=0), [], [node()]).is_done


def test_a_global_service_waits_for_tasks_and_has_a_line_for_each_node() -> None:
    everywhere = service(Spec={**service()["Spec"], "Mode": {"Global": {}}})
    waiting = progress(everywhere, [], [node()])
    assert seen(waiting.lines) == ["overall progress: waiting for new tasks"]
    assert not waiting.is_done
    here = task(0, NodeID=node(1)["ID"])
    there = task(0, "ready", NodeID=node(2)["ID"])
    found = progress(everywhere, [here, there], [node(1), node(2)])
    assert seen(found.lines)[0] == "overall progress: 1 out of 2 tasks"
    assert seen(found.lines)[1].startswith("node01000000: running")
    assert not found.is_done
    there = task(0, NodeID=node(2)["ID"])
    assert progress(everywhere, [here, there], [node(1), node(2)]).is_done


def test_a_job_is_done_when_its_tasks_have_completed() -> None:
    mode = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}}
    job = service(
        Spec={**service()["Spec"], "Mode": mode}, JobStatus={"JobIteration": {"Index": 5}}
    )
    now: Any = {"JobIteration": {"Index": 5}}
    before = task(1, "complete", "complete", JobIteration={"Index": 4})
    tasks = [before, task(1, "complete", "complete", **now), task(2, **now)]
    found = progress(job, tasks, [node()])
    assert seen(found.lines) == [
        "job progress: 1 out of 2 complete",
        "active tasks: 1 out of 1 tasks",
    ]
    assert not found.is_done
    tasks[2] = task(2, "complete", "complete", **now)
    assert progress(job, tasks, [node()]).is_done


def test_a_job_on_every_node_is_done_when_each_has_completed_it() -> None:
    job = service(Spec={**service()["Spec"], "Mode": {"GlobalJob": {}}}, JobStatus={})
    assert progress(job, [task(0, "complete", "complete")], [node()]).is_done
    assert not progress(job, [task(0, "running", "complete")], [node()]).is_done
