"""`/services/{id}/logs` and `/tasks/{id}/logs`: lines from the agents, through the leader's broker.

Without `follow` the tasks that have run are read to their end, and tasks whose node cannot be asked
are named at the end of the stream; with it later tasks join as they appear.
Source: moby daemon/cluster/services.go (ServiceLogs), swarmkit manager/logbroker.
"""

import contextlib
import re
from collections.abc import AsyncGenerator, Iterable, Mapping

import msgspec

from swarmd.api import respond
from swarmd.api.cluster import Call, CallHandler, Cluster, SelectTasks
from swarmd.api.message import Request, Response
from swarmd.errors import SwarmError, UnclassifiedError
from swarmd.model.assignment import LogBatch, LogMessage, LogOptions
from swarmd.model.ids import ServiceID, TaskID
from swarmd.model.node import NodeState
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task, TaskState
from swarmd.store.find import find_service, find_task
from swarmd.store.view import View
from swarmd.wire import logs as wire

_SINCE = re.compile(r"\d+(\.\d{1,9})?")
_INCOMPLETE = (
    "warning: incomplete log stream. some logs could not be retrieved for the following reasons: "
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of logs asked for."""

    options: LogOptions
    timestamps: bool
    details: bool


def read_options(request: Request) -> Asked:
    """Raises UnclassifiedError: Docker answers 500 to all of these."""
    options = LogOptions(
        follow=request.flag("follow"),
        stdout=request.flag("stdout"),
        stderr=request.flag("stderr"),
        tail=request.query.get("tail", "") or "all",
        since=request.query.get("since", ""),
    )
    if not (options.stdout or options.stderr):
        raise UnclassifiedError("Bad parameters: you must choose at least one stream")
    if options.since and not _SINCE.fullmatch(options.since):
        raise UnclassifiedError(f"could not parse since timestamp: {options.since}")
    if options.tail != "all":
        _check_tail(options.tail)
    return Asked(
        options=options, timestamps=request.flag("timestamps"), details=request.flag("details")
    )


def _check_tail(tail: str) -> None:
    if re.fullmatch(r"-\d+", tail):
        raise UnclassifiedError("negative tail values not supported")
    if not (tail.isascii() and tail.isdecimal()):
        raise UnclassifiedError('tail value must be a positive integer or "all"')


async def service_logs(call: Call) -> Response:
    """Of a service's tasks."""
    asked = read_options(call.request)
    service = find_service(call.view, call.request.params["id"])
    follows = asked.options.follow

    def select(view: View) -> Iterable[Task]:
        tasks = view.tasks_of(service.id).values()
        return [task for task in tasks if follows or _may_have_lines(task)]

    reading = _Reading(call.cluster, asked, select, service.id)
    return _stream(call, reading, call.view.spec(service))


def _may_have_lines(task: Task) -> bool:
    """It has begun, and not only to be rejected before there was a container."""
    is_begun = task.state.rank >= TaskState.RUNNING.rank
    return is_begun and (task.state is not TaskState.REJECTED or task.status.container is not None)


async def task_logs(call: Call) -> Response:
    """Of one task."""
    asked = read_options(call.request)
    task = find_task(call.view, call.request.params["id"])

    def select(view: View) -> Iterable[Task]:
        found = view.task(task.id)
        return () if found is None else (found,)

    reading = _Reading(call.cluster, asked, select, None)
    return _stream(call, reading, call.view.spec_of(task))


HANDLERS: Mapping[str, CallHandler] = {"service_logs": service_logs, "task_logs": task_logs}


def _stream(call: Call, reading: "_Reading", spec: ServiceSpec) -> Response:
    container = spec.task_template.container_spec
    is_tty = container is not None and container.tty
    names_frames = not is_tty and call.request.version >= wire.MULTIPLEXED_SINCE
    content_type = wire.MULTIPLEXED if names_frames else wire.RAW
    return respond.stream(reading.pieces(is_tty=is_tty), content_type)


class _Reading:
    """One reader, from the first line to the last word about what is missing."""

    def __init__(
        self, cluster: Cluster, asked: Asked, select: SelectTasks, service_id: ServiceID | None
    ) -> None:
        self._cluster, self._asked, self._select = cluster, asked, select
        #: whose later tasks belong to it, too; None for the logs of one task
        self._service_id = service_id
        self._ended: set[TaskID] = set()
        #: why something is missing, in the order in which it was found out
        self._reasons: dict[str, None] = {}
        #: selected tasks as last seen: what their lines are marked with
        self._tasks: dict[TaskID, Task] = {}

    async def pieces(self, *, is_tty: bool) -> AsyncGenerator[bytes, None]:
        """The body: frames, or bare lines of a terminal."""
        try:
            if not self._is_done():
                batches = self._cluster.read_logs(self._select, self._asked.options)
                async with contextlib.aclosing(batches):
                    async for batch in batches:
                        if batch.messages:
                            yield b"".join(self._piece(m, is_tty=is_tty) for m in batch.messages)
                        self._note(batch)
                        if self._is_done():
                            break
        except SwarmError as error:
            # The head is long gone; the client reads this as the stream's error.
            self._reasons[str(error)] = None
        if self._reasons:
            yield wire.error_frame(_INCOMPLETE + ", ".join(self._reasons))

    def _piece(self, message: LogMessage, *, is_tty: bool) -> bytes:
        task = self._tasks.get(message.task_id) or self._cluster.view().task(message.task_id)
        line = wire.line(
            message, task, timestamps=self._asked.timestamps, details=self._asked.details
        )
        return line if is_tty else wire.frame(message.stream, line)

    def _note(self, batch: LogBatch) -> None:
        self._ended.update(batch.ended)
        self._reasons.update(dict.fromkeys(batch.errors.values()))

    def _is_done(self) -> bool:
        """Nothing more will come: all that is selected has ended, or cannot be asked."""
        view = self._cluster.view()
        self._tasks |= {task.id: task for task in self._select(view)}
        if self._asked.options.follow:
            may_grow = self._service_id is not None and view.service(self._service_id) is not None
            return not may_grow and self._tasks.keys() <= self._ended
        for task in self._tasks.values():
            if task.id not in self._ended:
                reason = _unreachable(view, task)
                if reason is not None:
                    self._ended.add(task.id)
                    self._reasons[reason] = None
        return self._tasks.keys() <= self._ended


def _unreachable(view: View, task: Task) -> str | None:
    """Why a task's log cannot be had; None if its node is there to be asked."""
    if not task.node_id:
        return f"task {task.id} has not been scheduled"
    node = view.node(task.node_id)
    if node is None or node.status.state is not NodeState.READY:
        return f"node {task.node_id} is not available"
    return None
