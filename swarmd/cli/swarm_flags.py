"""The flags that several `swarm` commands share, and what they change in the swarm's spec."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from swarmd.cli.command import Parsed
from swarmd.cli.output import Json
from swarmd.cli.parse import csv_fields, duration, integer, unsigned
from swarmd.errors import InvalidArgumentError

AVAILABILITIES = ("active", "pause", "drain")


def swarm_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Flags of `init` and `update`; None = not given."""
    for option in (
        click.option(
            "--task-history-limit",
            type=Parsed("int", integer),
            help="Task history retention limit (default 5)",
        ),
        click.option(
            "--dispatcher-heartbeat",
            type=Parsed("duration", duration),
            help="Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)",
        ),
        click.option(
            "--max-snapshots",
            type=Parsed("uint", unsigned),
            help="Number of additional Raft snapshots to retain",
        ),
        click.option(
            "--snapshot-interval",
            type=Parsed("uint", unsigned),
            help="Number of log entries between Raft snapshots (default 10000)",
        ),
    ):
        function = option(function)
    return ca_flags(function)


def ca_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Flags that `ca` has too."""
    for option in (
        click.option(
            "--cert-expiry",
            type=Parsed("duration", duration),
            help="Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)",
        ),
        click.option(
            "--external-ca",
            multiple=True,
            type=Parsed("external-ca", external_ca),
            help="Specifications of one or more certificate signing endpoints",
        ),
    ):
        function = option(function)
    return function


def merged_spec(spec: Json, flags: Mapping[str, Any]) -> Json:
    """The swarm's spec with what the flags ask for."""
    new = dict(spec)
    for part, member, flag in (
        ("Orchestration", "TaskHistoryRetentionLimit", "task_history_limit"),
        ("Dispatcher", "HeartbeatPeriod", "dispatcher_heartbeat"),
        ("Raft", "KeepOldSnapshots", "max_snapshots"),
        ("Raft", "SnapshotInterval", "snapshot_interval"),
        ("EncryptionConfig", "AutoLockManagers", "autolock"),
        ("CAConfig", "NodeCertExpiry", "cert_expiry"),
        ("CAConfig", "ExternalCAs", "external_ca"),
    ):
        value = flags.get(flag)
        if value is not None and value != ():
            new[part] = {**(new.get(part) or {}), member: value}
    return new


def availability(text: str | None) -> Json:
    """The member for a join or init request.

    Raises:
        InvalidArgumentError: no such availability.
    """
    if text is None:
        return {}
    if text.lower() not in AVAILABILITIES:
        raise InvalidArgumentError(
            f'invalid availability "{text}", only active, pause and drain are supported'
        )
    return {"Availability": text.lower()}


def listen_address(text: str) -> str:
    """ADDRESS[:PORT] with the default port, 2377."""
    is_bare_ipv6 = text.count(":") > 1 and not text.endswith("]") and "]:" not in text
    if is_bare_ipv6:
        return f"[{text}]:2377"
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return f"{text}:2377"
    return f"{host or '0.0.0.0'}:{port}"  # noqa: S104 - docker's meaning of ":2377"


def external_ca(text: str) -> Json:
    """`protocol=cfssl,url=…[,cacert=FILE]`."""
    found: Json = {"Options": {}}
    for field in csv_fields(text):
        key, equals, value = field.partition("=")
        if not equals:
            raise InvalidArgumentError(f"invalid field '{field}' must be a key=value pair")
        match key.lower():
            case "protocol":
                if value.lower() != "cfssl":
                    raise InvalidArgumentError(f"unrecognized external CA protocol {value}")
                found["Protocol"] = "cfssl"
            case "url":
                found["URL"] = value
            case "cacert":
                found["CACert"] = pem_file(value)
            case _:
                found["Options"][key] = value
    for member, name in (("Protocol", "protocol"), ("URL", "url")):
        if member not in found:
            raise InvalidArgumentError(f"the external-ca option needs a {name}= parameter")
    return found


def pem_file(name: str) -> str:
    """The text of a PEM file.

    Raises:
        InvalidArgumentError: it cannot be read, or is something else.
    """
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidArgumentError(f"open {name}: {error}") from error
    if "-----BEGIN " not in text:
        raise InvalidArgumentError("file contents must be in PEM format")
    return text
