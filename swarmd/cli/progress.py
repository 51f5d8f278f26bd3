"""How far a service has come: a snapshot of it, its tasks and nodes → lines and a verdict.  Pure.

A service has converged when every task it wants is running and no update is under way.  Docker's
own client then waits five more seconds "to verify that tasks are stable"; that is the update
monitor's work, which the cluster does itself and reports as a paused update or a rollback, so
nothing is waited for here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.cli.output import Json, short_id

#: States in the order in which a task goes through them, from 1; those after running are ends.
STATES = {
    state: number
    for number, state in enumerate(
        (
            "new",
            "allocated",
            "pending",
            "assigned",
            "accepted",
            "preparing",
            "ready",
            "starting",
            "running",
            "complete",
            "shutdown",
            "failed",
            "rejected",
        ),
        start=1,
    )
}
RUNNING = STATES["running"]

_MAX_BARS = 20
_BAR_WIDTH = 50
_ERROR_WIDTH = 75
_STATE_WIDTH = max(map(len, STATES))
_UPDATING = ("updating", "rollback_started")
_PAUSED = {"paused": "service update paused", "rollback_paused": "service rollback paused"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the display; a later line with the same name takes its place."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class Progress:
    """What to show now.

    Attributes:
        lines: overall progress first, then a line for each task if they are few.
        is_done: the service has converged, or its rollback has ended.
        error: why the wait is over without success; empty while there is hope.
    """

    lines: tuple[Line, ...]
    is_done: bool
    error: str = ""


def progress(service: Json, tasks: Sequence[Json], nodes: Sequence[Json]) -> Progress:
    """Judge one snapshot.

    `tasks` are those up to date with the service's spec; `nodes` all of the cluster.
    """
    status = service.get("UpdateStatus") or {}
    state, message = status.get("State", ""), status.get("Message", "")
    if state in _PAUSED:
        return Progress((), is_done=False, error=f"{_PAUSED[state]}: {message}")
    is_rolling_back = state.startswith("rollback")
    mode = service["Spec"]["Mode"]
    active = {node["ID"] for node in nodes if node.get("Status", {}).get("State", "") != "down"}
    if "ReplicatedJob" in mode or "GlobalJob" in mode:
        found = _job(service, tasks)
    elif "Replicated" in mode:
        found = _replicated(mode["Replicated"], tasks, active, is_rolling_back=is_rolling_back)
    else:
        found = _global(tasks, active, is_rolling_back=is_rolling_back)
    rollback = (Line("rollback", message),) if is_rolling_back and message else ()
    return Progress(found.lines + rollback, found.is_done and state not in _UPDATING)


def _replicated(
    mode: Json, tasks: Sequence[Json], active: set[str], *, is_rolling_back: bool
) -> Progress:
    replicas = mode.get("Replicas", 1)
    usable = [task for task in tasks if not task.get("NodeID") or task["NodeID"] in active]
    by_slot = _foremost(usable, "Slot")
    running = sum(map(_is_running, by_slot.values()))
    overall = _overall(running, replicas, is_rolling_back=is_rolling_back)
    bars: list[Line] = []
    if replicas <= _MAX_BARS:
        slots = [by_slot[slot] for slot in sorted(by_slot)][:replicas]
        texts = [_bar(task) for task in slots] + [" "] * (replicas - len(slots))
        bars = [Line(f"{n}/{replicas}", text) for n, text in enumerate(texts, start=1)]
    return Progress((overall, *bars), running == replicas)


def _global(tasks: Sequence[Json], active: set[str], *, is_rolling_back: bool) -> Progress:
    """Which nodes are eligible only the scheduler knows: those that got a task are."""
    by_node = _foremost([task for task in tasks if task.get("NodeID") in active], "NodeID")
    if not by_node:
        return Progress((Line("overall progress", "waiting for new tasks"),), is_done=False)
    running = sum(map(_is_running, by_node.values()))
    overall = _overall(running, len(by_node), is_rolling_back=is_rolling_back)
    bars: list[Line] = []
    if len(by_node) <= _MAX_BARS:
        bars = [Line(short_id(str(node)), _bar(by_node[node])) for node in sorted(by_node)]
    return Progress((overall, *bars), running == len(by_node))


def _job(service: Json, tasks: Sequence[Json]) -> Progress:
    iteration = _iteration(service.get("JobStatus"))
    current = [task for task in tasks if _iteration(task) == iteration]
    completed = sum(task["Status"]["State"] == "complete" for task in current)
    running = sum(STATES.get(task["Status"]["State"], 99) <= RUNNING for task in current)
    mode = service["Spec"]["Mode"].get("ReplicatedJob")
    total = len(current) if mode is None else mode.get("TotalCompletions", 1)
    most = total if mode is None else mode.get("MaxConcurrent", 1)
    lines = (
        Line("job progress", f"{completed:{len(str(total))}} out of {total} complete"),
        Line("active tasks", f"{running} out of {min(most, total - completed)} tasks"),
    )
    return Progress(lines, is_done=bool(current or not total) and completed >= total)


def _iteration(holder: Json | None) -> int:
    index = ((holder or {}).get("JobIteration") or {}).get("Index", 0)
    assert isinstance(index, int)
    return index


def _foremost(tasks: Sequence[Json], key: str) -> Mapping[int | str, Json]:
    """Of the tasks of a slot or node the one with the lowest desired, then observed, state.

    There are several after a failure, and during an update that starts the new task first.
    """
    found: dict[int | str, Json] = {}
    for task in tasks:
        place, rank = task.get(key, 0), _rank(task)
        if 0 not in rank and (place not in found or rank < _rank(found[place])):
            found[place] = task
    return found


def _rank(task: Json) -> tuple[int, int]:
    return STATES.get(task["DesiredState"], 0), STATES.get(task["Status"]["State"], 0)


def _is_running(task: Json) -> bool:
    return STATES[task["DesiredState"]] <= RUNNING and task["Status"]["State"] == "running"


def _overall(running: int, wanted: int, *, is_rolling_back: bool) -> Line:
    prefix = "rolling back update: " if is_rolling_back else ""
    return Line("overall progress", f"{prefix}{running} out of {wanted} tasks")


def _bar(task: Json) -> str:
    error: str = task["Status"].get("Err", "").replace("\n", " ")
    if error:
        return error if len(error) <= _ERROR_WIDTH else error[: _ERROR_WIDTH - 1] + "…"
    state: str = task["Status"]["State"]
    if max(_rank(task)) > RUNNING:
        return " "
    filled = _BAR_WIDTH * STATES[state] // RUNNING
    return f"{state:<{_STATE_WIDTH}} [{'=' * filled}>{' ' * (_BAR_WIDTH - filled)}]"
