"""One task, level-triggered: from what is wanted, seen and remembered to the next thing to do.

`next_step` is a pass: (the task and its spec, what the engine last said of its container, what the
agent remembers, now) → the status to report and at most one action.  `after` is its other half: what
an action's outcome changes in what is seen and remembered.  Neither waits, and neither believes
anything that the engine did not say: a call that was lost makes the container unknown, and unknown
means look again.  So it does not matter how a task came to be where it is — a fresh assignment, a
restart of swarmd, an engine that was away — the same rules bring it on.

Three rules are kept through any crash.  A container is started at most once per task: STARTING is on
disk before the start goes out, and only a container that has never run is started.  An engine that
does not answer fails nothing.  A stop is a signal, a deadline on disk, then a kill.

States, messages and texts: swarmkit agent/exec/controller.go, moby daemon/cluster/executor/container.
"""

from enum import Enum

import msgspec

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Inspect,
    Kill,
    LeadAway,
    Pull,
    Remove,
    Signal,
    Start,
)
from swarmd.model.base import Record
from swarmd.model.ids import ClusterID, TaskID
from swarmd.model.spec import SECOND, ContainerSpec, ServiceSpec
from swarmd.model.task import ContainerStatus, HostPort, Task, TaskState, TaskStatus
from swarmd.ports import Container, Timestamp
from swarmd.wire.container import TaskNetworks, container_name

#: Docker's grace between the stop signal and the kill.
DEFAULT_GRACE = 10 * SECOND
#: Between two kills of a container that does not die (a process stuck in the kernel).
KILL_AGAIN = SECOND

UNHEALTHY = "dockerexec: unhealthy container"
DESTROYED = "dockerexec: container destroyed"

_ALIVE = ("running", "paused", "restarting")
#: Somebody removes it, or could not to the end; its name is taken until it is gone.
_GOING = ("removing", "dead")


class Rules(Record, frozen=True, kw_only=True):
    """What is the same for all tasks of a node."""

    cluster_id: ClusterID
    #: least nanoseconds between "it serves no more" and the stop signal, for tasks in cluster networks
    withdraw: int = 0


class Stopping(Record, frozen=True, kw_only=True):
    """A stop under way, on disk."""

    #: before it, connections under way may end
    signal_at: Timestamp
    kill_at: Timestamp
    #: no node sends new connections any more, as far as that can be known; no signal before
    is_led_away: bool = True
    #: the engine took the signal
    is_signalled: bool = False
    #: the container failed its check; the task will be FAILED, not SHUTDOWN
    is_unhealthy: bool = False


class Memory(Record, frozen=True, kw_only=True):
    """What the agent keeps on disk of one task."""

    task_id: TaskID
    status: TaskStatus
    #: of the container made for it; empty = none was
    container_id: str = ""
    stopping: Stopping | None = None


class Image(Enum):
    """Where the task's image is."""

    #: taken to be here: a create that misses it says so, and no task pays for a look of its own
    ASSUMED = "assumed"
    MISSING = "missing"
    #: pulled, or not: the create decides
    TRIED = "tried"


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine last said of the container; None = there is none."""

    container: Container | None


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """One task on this node: what is wanted, seen and remembered."""

    task: Task
    spec: ServiceSpec
    memory: Memory
    #: None = look before doing anything
    sighting: Sighting | None = None
    #: no longer assigned: its container is to go
    is_condemned: bool = False
    image: Image = Image.ASSUMED
    pull_error: str = ""
    #: value of X-Registry-Auth; None = needed, but lost with the last process
    registry_auth: str | None = ""
    networks: TaskNetworks | None = None
    #: the engine's words when the container's name was taken
    conflict: str = ""
    #: what has our container's name is not ours
    is_name_foreign: bool = False
    #: the container may lack networks: made by a process that died before it was done
    is_doubtful: bool = False
    #: actions that failed in a row, and the time before which none is tried again
    failures: int = 0
    retry_at: Timestamp = 0

    @property
    def state(self) -> TaskState:
        """As it will be reported."""
        return self.memory.status.state

    @property
    def container(self) -> Container | None:
        """As last seen, if it was."""
        return self.sighting.container if self.sighting else None

    @property
    def is_wanted(self) -> bool:
        """Still assigned, and still to run."""
        return not self.is_condemned and self.task.desired_state.rank < TaskState.SHUTDOWN.rank

    @property
    def reference(self) -> str:
        """What the engine knows the container by."""
        if self.conflict or not self.memory.container_id:
            return container_name(self.task, self.spec.name)
        return self.memory.container_id


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What follows for one task."""

    memory: Memory
    action: Action | None = None
    #: look at the task again then, whatever happens
    wake_at: Timestamp | None = None
    #: nothing of it is left here
    is_forgotten: bool = False


def next_step(local: Local, now: Timestamp, rules: Rules) -> Step:
    """The status that the task has now, and what to do next; never more than one action."""
    if local.is_condemned:
        return _remove(local)
    local = at_least(local, TaskState.ACCEPTED, "accepted")
    if local.state.is_terminal:
        return _rest(local, now, rules)
    if not local.is_wanted:
        return _shut_down(local, now, rules)
    if local.state.rank >= TaskState.STARTING.rank:
        return _run(local, now, rules)
    return _prepare(local, now, rules)


def _prepare(local: Local, now: Timestamp, rules: Rules) -> Step:
    """Up to READY: image, networks, container; beyond it once the manager wants it to run."""
    local = at_least(local, TaskState.PREPARING, "preparing")
    if local.sighting is None:
        return _step(local, Inspect(reference=local.reference))
    container = local.container
    if container is None:
        return _make(local)
    if local.is_doubtful or container.status in _GOING:
        return _step(local, Remove(container_id=container.id))
    local = at_least(local, TaskState.READY, "prepared")
    if local.task.desired_state.rank < TaskState.RUNNING.rank:
        return _step(local)
    return _run(at_least(local, TaskState.STARTING, "starting"), now, rules)


def _make(local: Local) -> Step:
    """There is no container: the next action on the way to one."""
    if local.conflict and local.is_name_foreign:
        return _step(ended(local, TaskState.REJECTED, local.conflict))
    if local.image is Image.MISSING:
        if local.registry_auth is None:
            # A manager has the credentials; its next set of assignments brings them.
            return _step(local)
        image = container_spec(local.spec).image
        return _step(local, Pull(image=image, registry_auth=local.registry_auth))
    if local.networks is None:
        return _step(local, AwaitNetworks(task=local.task))
    return _step(local, Create(task=local.task, spec=local.spec, networks=local.networks))


def _run(local: Local, now: Timestamp, rules: Rules) -> Step:
    """STARTING and RUNNING."""
    if local.sighting is None:
        return _step(local, Inspect(reference=local.reference))
    container = local.container
    if container is None or _never_ran(local, container):
        return _step(ended(local, TaskState.FAILED, DESTROYED))
    if container.status == "created":
        return _start(local, container)
    if not is_alive(container):
        return _step(_exited(local, container))
    if local.memory.stopping or container.health == "unhealthy":
        return _stop(local, container, now, rules)
    return _step(_alive(local, container))


def _never_ran(local: Local, container: Container) -> bool:
    """It was removed before its start; its exit code, 0, says nothing."""
    is_going = container.status in _GOING and not container.started_at
    return is_going and local.state is TaskState.STARTING


def _alive(local: Local, container: Container) -> Local:
    """The process runs; a task that has a check is RUNNING once it has passed."""
    if container.health == "starting" and local.state is TaskState.STARTING:
        return local
    running = TaskStatus(
        state=TaskState.RUNNING,
        message="started",
        container=ContainerStatus(container_id=container.id, pid=container.pid),
        host_ports=_host_ports(local.spec, container),
    )
    return with_status(local, running)


def _start(local: Local, container: Container) -> Step:
    """A container that has never run: start it, unless that was tried."""
    if container.error:
        text = f"starting container failed: {container.error}"
        return _step(ended(local, TaskState.FAILED, text, container))
    if local.state is TaskState.RUNNING:
        # Another container than the one that ran: somebody removed that and made this.
        return _step(ended(local, TaskState.FAILED, DESTROYED))
    return _step(local, Start(container_id=container.id))


def _exited(local: Local, container: Container) -> Local:
    """The process ended by itself, or because its check failed."""
    code = container.exit_code
    stopping = local.memory.stopping
    is_unhealthy = stopping is not None and stopping.is_unhealthy
    if code == 0 and not is_unhealthy:
        status = TaskStatus(
            state=TaskState.COMPLETE,
            message="finished",
            container=ContainerStatus(container_id=container.id),
        )
        return with_status(local, status)
    if is_unhealthy and (code == 0 or local.state is TaskState.STARTING):
        return ended(local, TaskState.FAILED, UNHEALTHY, container)
    cause = UNHEALTHY if is_unhealthy else container.error
    cause = cause or ("out of memory" if container.oom_killed else "")
    text = f"task: non-zero exit ({code})" + (f": {cause}" if cause else "")
    return ended(local, TaskState.FAILED, text, container)


def _shut_down(local: Local, now: Timestamp, rules: Rules) -> Step:
    """The manager wants it stopped."""
    if local.sighting is None:
        return _step(local, Inspect(reference=local.reference))
    container = local.container
    if container is not None and is_alive(container):
        return _stop(local, container, now, rules)
    seen = None
    if container is not None and container.status != "created":
        seen = ContainerStatus(container_id=container.id, exit_code=container.exit_code)
    status = TaskStatus(state=TaskState.SHUTDOWN, message="shutdown", container=seen)
    return _step(with_status(local, status))


def _rest(local: Local, now: Timestamp, rules: Rules) -> Step:
    """It has ended; its container stays for its logs, and must not run (again)."""
    if local.sighting is None:
        return _step(local, Inspect(reference=local.reference))
    container = local.container
    if container is not None and is_alive(container):
        return _stop(local, container, now, rules)
    return _step(_with_memory(local, stopping=None))


def _remove(local: Local) -> Step:
    """Unassigned: the container goes at once, a stop under way or not."""
    if local.sighting is None:
        return _step(local, Inspect(reference=local.reference))
    if local.container is None:
        return Step(memory=local.memory, is_forgotten=True)
    return _step(local, Remove(container_id=local.container.id))


def _stop(local: Local, container: Container, now: Timestamp, rules: Rules) -> Step:
    """Signal, deadline, kill; what is next of it."""
    grace = container_spec(local.spec).stop_grace_period
    grace = DEFAULT_GRACE if grace is None else grace
    stopping = local.memory.stopping
    if stopping is None:
        is_serving = local.state is TaskState.RUNNING and bool(local.task.attachments)
        signal_at = now + (rules.withdraw if is_serving else 0)
        is_unhealthy = local.is_wanted and container.health == "unhealthy"
        stopping = Stopping(
            signal_at=signal_at,
            kill_at=signal_at + grace,
            is_led_away=not is_serving,
            is_unhealthy=is_unhealthy,
        )
    # A clock that was set back while swarmd was down must not stretch the grace.
    latest = now + rules.withdraw + grace + KILL_AGAIN
    stopping = msgspec.structs.replace(
        stopping, signal_at=min(stopping.signal_at, latest), kill_at=min(stopping.kill_at, latest)
    )
    local = _with_memory(local, stopping=stopping)
    if now >= stopping.kill_at:
        return _step(local, Kill(container_id=container.id))
    if not stopping.is_led_away:
        return _step(local, LeadAway(task=local.task))
    if now < stopping.signal_at:
        return Step(memory=local.memory, wake_at=stopping.signal_at)
    if not stopping.is_signalled:
        signal = container.stop_signal or "SIGTERM"
        return _step(local, Signal(container_id=container.id, signal=signal))
    return Step(memory=local.memory, wake_at=stopping.kill_at)


def is_alive(container: Container | None) -> bool:
    """Whether it has a process, as far as was seen."""
    return container is not None and container.status in _ALIVE


def at_least(local: Local, state: TaskState, message: str) -> Local:
    """Moved up to `state`, if it is not there yet."""
    if local.state.rank >= state.rank:
        return local
    return with_status(local, TaskStatus(state=state, message=message))


def ended(local: Local, state: TaskState, err: str, container: Container | None = None) -> Local:
    """Failed or rejected: the message stays what it was, `err` says why."""
    before = local.memory.status
    seen = before.container
    if container is not None:
        seen = ContainerStatus(container_id=container.id, exit_code=container.exit_code)
    elif seen is not None:
        seen = msgspec.structs.replace(seen, pid=0)
    return with_status(
        local, TaskStatus(state=state, message=before.message, err=err, container=seen)
    )


def with_status(local: Local, status: TaskStatus) -> Local:
    """With another status, never a lower one; one that differs in its time only is the same."""
    before = local.memory.status
    if status.state.rank < before.state.rank:
        return local
    if msgspec.structs.replace(status, timestamp=before.timestamp) == before:
        return local
    return _with_memory(local, status=status)


def container_spec(spec: ServiceSpec) -> ContainerSpec:
    """The container of a service; one without an image cannot be made, and the create says so."""
    return spec.task_template.container_spec or ContainerSpec()


def _with_memory(local: Local, **changes: object) -> Local:
    memory = msgspec.structs.replace(local.memory, **changes)
    return msgspec.structs.replace(local, memory=memory)


def _step(local: Local, action: Action | None = None) -> Step:
    return Step(memory=local.memory, action=action)


def _host_ports(spec: ServiceSpec, container: Container) -> tuple[HostPort, ...]:
    """The ports of mode=host as the engine bound them."""
    wanted = {(p.protocol or "tcp", p.target_port) for p in spec.ports if not p.is_ingress}
    return tuple(
        HostPort(protocol=protocol, target_port=target, published_port=published)
        for protocol, target, published in container.ports
        if (protocol, target) in wanted
    )
