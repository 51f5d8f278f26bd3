"""The engine's JSON, read into the port's structs.

Only the fields that somebody asks for are declared: what else an engine says, now or in a later
version, is skipped without being built.  Go writes `null` for an empty list or map and leaves out
what `omitempty` allows, so each such field is optional here and never outside.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from swarmd.errors import EngineError
from swarmd.ports import Container, EngineEvent, EngineInfo, EngineNetwork, Timestamp
from swarmd.wire.times import parse_rfc3339

S = TypeVar("S")

_NANO = 1_000_000_000


class _Health(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    status: str = ""


class _State(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    status: str = ""
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = msgspec.field(default=False, name="OOMKilled")
    started_at: str = ""
    finished_at: str = ""
    health: _Health | None = None


class _Config(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    image: str = ""
    stop_signal: str = ""
    tty: bool = False
    labels: dict[str, str] | None = None


class _Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    ip_address: str = msgspec.field(default="", name="IPAddress")


class _Binding(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    host_port: str = ""


class _NetworkSettings(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    networks: dict[str, _Endpoint | None] | None = None
    ports: dict[str, list[_Binding] | None] | None = None


class _Inspected(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    id: str
    name: str = ""
    state: _State = _State()
    config: _Config = _Config()
    network_settings: _NetworkSettings = _NetworkSettings()


class _Identified(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    id: str


class _Swarm(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    local_node_state: str = ""


class _Info(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    id: str = msgspec.field(default="", name="ID")
    name: str = ""
    os_type: str = msgspec.field(default="", name="OSType")
    architecture: str = ""
    cpus: int = msgspec.field(default=0, name="NCPU")
    mem_total: int = 0
    server_version: str = ""
    labels: list[str] | None = None
    plugins: dict[str, list[str] | None] | None = None
    swarm: _Swarm | None = None


class _Version(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    api_version: str = ""
    min_api_version: str = msgspec.field(default="", name="MinAPIVersion")


class _Actor(msgspec.Struct, frozen=True, kw_only=True):
    id: str = msgspec.field(default="", name="ID")
    attributes: dict[str, str] | None = msgspec.field(default=None, name="Attributes")


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    type: str = msgspec.field(default="", name="Type")
    action: str = msgspec.field(default="", name="Action")
    actor: _Actor = msgspec.field(default=_Actor(), name="Actor")
    time_nano: int = msgspec.field(default=0, name="timeNano")


class _Network(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    id: str
    name: str = ""
    driver: str = ""
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    message: str = ""


class _Progress(msgspec.Struct, frozen=True, kw_only=True):
    error: str = ""


def decoded(data: bytes, kind: type[S]) -> S:
    """`data` as a `kind`.  Raises EngineError (502) if it is no such thing."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError(502, f"the engine's answer cannot be read: {error}") from error


def timestamp(text: str) -> Timestamp:
    """RFC 3339 in nanoseconds since 1970; 0 for Go's zero time and for what is no time."""
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0


def container(data: bytes) -> Container:
    """`GET /containers/{id}/json`."""
    seen = decoded(data, _Inspected)
    state, networks = seen.state, seen.network_settings.networks or {}
    return Container(
        id=seen.id,
        name=seen.name.removeprefix("/"),
        labels=seen.config.labels or {},
        status=state.status,
        pid=state.pid,
        exit_code=state.exit_code,
        error=state.error,
        oom_killed=state.oom_killed,
        # "none" is the engine's word for a check that is switched off.
        health="" if state.health is None or state.health.status == "none" else state.health.status,
        started_at=timestamp(state.started_at),
        finished_at=timestamp(state.finished_at),
        image=seen.config.image,
        stop_signal=seen.config.stop_signal,
        addresses={n: e.ip_address for n, e in networks.items() if e and e.ip_address},
        ports=_bound_ports(seen.network_settings.ports or {}),
    )


def _bound_ports(
    ports: Mapping[str, list[_Binding] | None],
) -> tuple[tuple[str, int, int], ...]:
    """(protocol, target, published), sorted; IPv4 and IPv6 bindings of one port count once."""
    found = set()
    for name, bindings in ports.items():
        target, _, protocol = name.partition("/")
        for binding in bindings or ():
            if binding.host_port.isdecimal() and target.isdecimal():
                found.add((protocol or "tcp", int(target), int(binding.host_port)))
    return tuple(sorted(found))


def is_tty(data: bytes) -> bool:
    """Whether an inspected container has a terminal, and so an unframed log."""
    return decoded(data, _Inspected).config.tty


def identifier(data: bytes) -> str:
    """The `Id` of what was created."""
    return decoded(data, _Identified).id


def identifiers(data: bytes) -> tuple[str, ...]:
    """The `Id`s of a list."""
    return tuple(item.id for item in decoded(data, list[_Identified]))


def info(data: bytes, version: bytes, api_version: str) -> EngineInfo:
    """`GET /info` and `GET /version`; `api_version` is the version in use with this engine."""
    seen, said = decoded(data, _Info), decoded(version, _Version)
    pairs = (label.partition("=") for label in seen.labels or ())
    return EngineInfo(
        id=seen.id,
        hostname=seen.name,
        os=seen.os_type,
        architecture=seen.architecture,
        nano_cpus=seen.cpus * _NANO,
        memory_bytes=seen.mem_total,
        engine_version=seen.server_version,
        api_version=api_version,
        min_api_version=said.min_api_version,
        labels={key: value for key, _, value in pairs},
        plugins=tuple(
            sorted(
                (kind, name) for kind, names in (seen.plugins or {}).items() for name in names or ()
            )
        ),
        swarm_state=(seen.swarm.local_node_state if seen.swarm else "") or "inactive",
    )


def event(line: bytes) -> EngineEvent:
    """One line of `GET /events`; the labels are the actor's attributes, `name` and `image` too."""
    seen = decoded(line, _Event)
    return EngineEvent(
        type=seen.type,
        action=seen.action,
        id=seen.actor.id,
        labels=seen.actor.attributes or {},
        at=seen.time_nano,
    )


def networks(data: bytes) -> tuple[EngineNetwork, ...]:
    """`GET /networks`."""
    return tuple(
        EngineNetwork(
            id=seen.id,
            name=seen.name,
            driver=seen.driver,
            labels=seen.labels or {},
            options=seen.options or {},
        )
        for seen in decoded(data, list[_Network])
    )


def problem(data: bytes) -> str:
    """The message of a refusal; its text if it is not Docker's JSON."""
    try:
        return msgspec.json.decode(data, type=_Problem).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data.decode(errors="replace").strip()


def pull_error(line: bytes) -> str:
    """The error that a line of a pull's progress tells, or empty."""
    return decoded(line, _Progress).error
