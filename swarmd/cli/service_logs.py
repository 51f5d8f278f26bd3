"""`swarmd service logs`: many tasks' output in one stream, each line with its origin.

The daemon sends frames (stream number, length, line); with `details` each line begins with the ids
of the task, service and node it comes from, which are printed as names.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click

from swarmd.cli.client import ApiError, Client, path
from swarmd.cli.command import Session, command, switch
from swarmd.cli.output import Json, short_id
from swarmd.cli.parse import since as since_time
from swarmd.cli.tasks import Names
from swarmd.errors import InvalidArgumentError, UnavailableError, WireError

_STDERR, _SYSTEM_ERROR = 2, 3
_IDS = ("com.docker.swarm.node.id", "com.docker.swarm.service.id", "com.docker.swarm.task.id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a line is shown."""

    has_timestamps: bool
    has_details: bool
    has_task_ids: bool
    is_truncating: bool


@command("logs", "SERVICE|TASK", count=(1, 1))
@switch("--details", text="Show extra details provided to logs")
@switch("-f", "--follow", text="Follow log output")
@switch("--no-resolve", text="Do not map IDs to Names in output")
@switch("--no-task-ids", text="Do not include task IDs in output")
@switch("--no-trunc", text="Do not truncate output")
@switch("--raw", text="Do not neatly format logs")
@click.option(
    "--since",
    default="",
    help='Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")',
)
@click.option(
    "-n", "--tail", default="all", help="Number of lines to show from the end of the logs"
)
@switch("-t", "--timestamps", text="Show timestamps")
def logs(session: Session, args: list[str], **flags: bool | str) -> None:
    """Fetch the logs of a service or task."""
    client, target = session.client, args[0]
    place, width, is_tty = _target(client, target)
    if is_tty and not flags["raw"]:
        raise InvalidArgumentError("tty service logs only supported with --raw")
    query = {"stdout": "1", "stderr": "1", "tail": str(flags["tail"])}
    query |= {name: "1" for name in ("follow", "timestamps") if flags[name]}
    query |= {"details": "1"} if flags["details"] or not flags["raw"] else {}
    query |= {"since": since_time(str(flags["since"]))} if flags["since"] else {}
    body = client.call("GET", f"{place}/logs", query).chunks()
    if is_tty:
        for data in body:
            _write(1, data)
        return
    style = Style(
        has_timestamps=bool(flags["timestamps"]),
        has_details=bool(flags["details"]),
        has_task_ids=not flags["no_task_ids"],
        is_truncating=not flags["no_trunc"],
    )
    names = _Origins(client, Names(client, is_resolving=not flags["no_resolve"]), style, width)
    for stream, line in frames(body):
        if stream == _SYSTEM_ERROR:
            raise UnavailableError(f"error from daemon in stream: {line.decode().strip()}")
        _write(stream, line if flags["raw"] else shown(line, style, names))


def _target(client: Client, reference: str) -> tuple[str, int, bool]:
    """The path of a service or task, the digits of its highest slot, whether it has a terminal."""
    service = client.find(path("services", reference))
    if service is not None:
        replicas = (service["Spec"]["Mode"].get("Replicated") or {}).get("Replicas", 1)
        container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
        return path("services", reference), len(str(replicas)), bool(container.get("TTY"))
    try:
        task = client.get(path("tasks", reference))
    except ApiError as error:
        if error.is_not_found:
            raise InvalidArgumentError(f"no such task or service: {reference}") from error
        raise
    container = task["Spec"].get("ContainerSpec") or {}
    return path("tasks", reference), len(str(task.get("Slot", 0))), bool(container.get("TTY"))


def frames(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """(stream, payload) of each frame, however the chunks cut them.

    Raises:
        WireError: the stream ended within a frame.
    """
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 8 and len(buffer) >= 8 + (size := int.from_bytes(buffer[4:8], "big")):
            yield buffer[0], buffer[8 : 8 + size]
            buffer = buffer[8 + size :]
    if buffer:
        raise WireError("the log stream ended within a frame")


class _Origins:
    """Where lines come from, asked for once for each task."""

    def __init__(self, client: Client, names: Names, style: Style, width: int) -> None:
        self._client = client
        self._names = names
        self._style = style
        self._width = width
        self._known: dict[str, str] = {}

    def of(self, details: Mapping[str, str]) -> str:
        """The like of "web.1.abcdefghijkl@node1", padded so that replicas line up."""
        task_id = details[_IDS[2]]
        if task_id not in self._known:
            task: Json = self._client.get(path("tasks", task_id))
            slot = task.get("Slot", 0)
            name = f"{self._names.service(details[_IDS[1]])}.{slot}"
            if self._style.has_task_ids:
                name += "." + (short_id(task_id) if self._style.is_truncating else task_id)
            padding = " " * (self._width - len(str(slot)))
            self._known[task_id] = f"{name}@{self._names.node(details[_IDS[0]])}{padding}"
        return self._known[task_id]


def shown(line: bytes, style: Style, origins: _Origins) -> bytes:
    """A line with its origin, and with what else was asked for.

    Raises:
        WireError: the daemon did not say where it comes from.
    """
    parts = line.split(b" ", 2 if style.has_timestamps else 1)
    if len(parts) != (3 if style.has_timestamps else 2):
        raise WireError(f"invalid context in log message: {line.decode(errors='replace')}")
    details = parsed_details(parts[-2].decode())
    if any(name not in details for name in _IDS):
        raise WireError(f"missing ids in details: {parts[-2].decode(errors='replace')}")
    stamp = parts[0] + b" " if style.has_timestamps else b""
    extra = b""
    if style.has_details:
        others = sorted(f"{key}={value}" for key, value in details.items() if key not in _IDS)
        extra = (",".join(others) + " ").encode()
    return stamp + f"{origins.of(details)}    | ".encode() + extra + parts[-1]


def parsed_details(text: str) -> dict[str, str]:
    """`a=b,c=d`, both sides query-escaped."""
    from urllib.parse import unquote_plus  # noqa: PLC0415 - only logs need it

    pairs = (part.partition("=") for part in text.split(",") if part)
    return {unquote_plus(key): unquote_plus(value) for key, _, value in pairs}


def _write(stream: int, data: bytes) -> None:
    output = sys.stderr if stream == _STDERR else sys.stdout
    output.buffer.write(data)
    output.flush()
