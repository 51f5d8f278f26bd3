"""What the outcome of an action changes in what is seen and remembered of its task.

The other half of `task.next_step`, and as pure.  Refusals of the engine end a task only where they
say something about the task itself (its image, its mounts, its start); a refused look, kill or
removal is tried again, later each time.
"""

from typing import assert_never

import msgspec

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Created,
    Done,
    Inspected,
    Kill,
    LeadAway,
    Lost,
    NetworksReady,
    Outcome,
    Pull,
    Pulled,
    Refused,
    Remove,
    Signal,
    Start,
)
from swarmd.agent.task import KILL_AGAIN, Image, Local, Memory, Rules, Sighting, ended
from swarmd.model.spec import SECOND
from swarmd.model.task import TaskState
from swarmd.ports import Container, Timestamp
from swarmd.wire.container import CLUSTER_LABEL, TASK_ID_LABEL

#: Longest pause between two tries of an action that fails.
_LONGEST_PAUSE = 30 * SECOND

_ABSENT = Sighting(container=None)


def after(local: Local, action: Action, outcome: Outcome, *, now: Timestamp, rules: Rules) -> Local:
    """The task once `action` has ended with `outcome`."""
    if isinstance(action, LeadAway):
        return _led_away(local, now)
    match outcome:
        case Refused():
            return _refused(local, action, outcome, now)
        case Lost():
            return _lost(local, action, now)
        case Pulled(error=error):
            change: dict[str, object] = {"image": Image.TRIED, "pull_error": error}
        case NetworksReady(networks=networks):
            change = {"networks": networks}
        case Created(container_id=container_id):
            change = _created(local, container_id)
        case Inspected(container=container):
            change = _inspected(local, container, rules)
        case Done():
            change = _done(local, action, now)
        case _:
            assert_never(outcome)
    return msgspec.structs.replace(local, failures=0, **change)


def _created(local: Local, container_id: str) -> dict[str, object]:
    # What the engine just said of it; a look of its own would cost a call per task.
    seen = Container(id=container_id, name="", labels={}, status="created")
    spec = local.spec.task_template.container_spec
    if spec is not None and spec.stop_signal:
        seen = msgspec.structs.replace(seen, stop_signal=spec.stop_signal)
    return {
        "memory": _remembering(local, container_id=container_id),
        "sighting": Sighting(container=seen),
        "conflict": "",
        "is_doubtful": False,
    }


def _inspected(local: Local, container: Container | None, rules: Rules) -> dict[str, object]:
    known = local.memory.container_id
    if container is None or not is_of(container, local, rules):
        change: dict[str, object] = {
            "sighting": _ABSENT,
            "is_name_foreign": container is not None,
        }
        if local.state.rank < TaskState.STARTING.rank:
            # It never ran, so another may be made in its place, under a new id.
            change["memory"] = _remembering(local, container_id="")
        return change
    is_half_made = container.status == "created" and len(local.task.attachments) > 1
    return {
        "sighting": Sighting(container=container),
        "memory": _remembering(local, container_id=container.id),
        "conflict": "",
        "is_name_foreign": False,
        "is_doubtful": not known and is_half_made,
    }


def is_of(container: Container, local: Local, rules: Rules) -> bool:
    """Whether a container is this task's: by the labels it was made with, and the recorded id."""
    labels = container.labels
    return (
        labels.get(TASK_ID_LABEL) == local.task.id
        and labels.get(CLUSTER_LABEL) == rules.cluster_id
        and local.memory.container_id in ("", container.id)
    )


def _led_away(local: Local, now: Timestamp) -> Local:
    """However the wait has ended: a stop waits for nobody any longer."""
    stopping = local.memory.stopping
    if stopping is None:
        return local
    # What was waited for beyond the least pause is not taken off the grace.
    late = max(0, now - stopping.signal_at)
    stopping = msgspec.structs.replace(
        stopping,
        is_led_away=True,
        signal_at=stopping.signal_at + late,
        kill_at=stopping.kill_at + late,
    )
    return msgspec.structs.replace(local, memory=_remembering(local, stopping=stopping))


def _done(local: Local, action: Action, now: Timestamp) -> dict[str, object]:
    """A start, signal or kill makes the container unknown; a removal makes it absent."""
    stopping = local.memory.stopping
    match action:
        case Signal() if stopping is not None:
            stopping = msgspec.structs.replace(stopping, is_signalled=True)
        case Kill() if stopping is not None:
            stopping = msgspec.structs.replace(
                stopping, is_signalled=True, kill_at=now + KILL_AGAIN
            )
        case Remove():
            memory = _remembering(local, container_id="")
            return {"sighting": _ABSENT, "memory": memory, "is_doubtful": False}
        case _:
            pass
    return {"sighting": None, "memory": _remembering(local, stopping=stopping)}


def _refused(local: Local, action: Action, refused: Refused, now: Timestamp) -> Local:
    match action:
        case Create() if refused.status == 409 and "already in use" in refused.message:
            local = msgspec.structs.replace(local, conflict=refused.message, sighting=None)
            return _later(local, now)
        case Create() if _misses_image(refused) and local.image is Image.ASSUMED:
            return msgspec.structs.replace(local, image=Image.MISSING, failures=0)
        case Create() | AwaitNetworks():
            return ended(local, TaskState.REJECTED, _why_not_created(local, refused))
        case Start():
            text = f"starting container failed: {refused.message}"
            return ended(local, TaskState.FAILED, text, local.container)
        case Signal():
            # A signal that the engine does not know: the deadline will end it.
            return msgspec.structs.replace(local, failures=0, **_done(local, action, now))
    return _later(msgspec.structs.replace(local, sighting=None), now)


def _why_not_created(local: Local, refused: Refused) -> str:
    """The engine's words; if the image is missing, also why it could not be pulled."""
    if _misses_image(refused) and local.pull_error:
        return f"{refused.message}: {local.pull_error}"
    return refused.message


def _misses_image(refused: Refused) -> bool:
    """A network or volume that is missing is a 404 too."""
    return refused.status == 404 and "no such image" in refused.message.lower()


def _lost(local: Local, action: Action, now: Timestamp) -> Local:
    """Nothing is known of the container, unless the action had nothing to do with it."""
    if not isinstance(action, Pull | AwaitNetworks):
        local = msgspec.structs.replace(local, sighting=None)
    if isinstance(action, Create):
        # By the next try the node's part of the networks may have been made anew.
        local = msgspec.structs.replace(local, networks=None)
    return _later(local, now)


def _later(local: Local, now: Timestamp) -> Local:
    """Try again, after a pause that doubles with each failure."""
    pause = min(SECOND << min(local.failures, 10), _LONGEST_PAUSE)
    return msgspec.structs.replace(local, failures=local.failures + 1, retry_at=now + pause)


def _remembering(local: Local, **changes: object) -> Memory:
    return msgspec.structs.replace(local.memory, **changes)
