"""`swarmd service create`, `update` and `rollback`: specs from flags, names to ids, the wait."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from swarmd.cli.client import Client, filters, path
from swarmd.cli.command import Session, command, given_names, switch
from swarmd.cli.output import Json
from swarmd.cli.parse import env_file
from swarmd.cli.registry import auth_header, pinned, tagged
from swarmd.cli.service import post_update, show_warnings
from swarmd.cli.service_flags import add_create_flags, add_update_flags
from swarmd.cli.service_spec import create_spec
from swarmd.cli.service_update import is_other_flag_given, updated_spec
from swarmd.cli.wait import wait_on_service
from swarmd.errors import InvalidArgumentError


@add_create_flags
@command("create", "IMAGE [COMMAND] [ARG...]", count=(1, None), is_interspersed=False)
def create(session: Session, args: list[str], /, **flags: Any) -> None:
    """Create a new service."""
    client = session.client
    env = [
        line
        for name in flags["env_file"]
        for line in env_file(Path(name).read_text(encoding="utf-8"), name, os.environ)
    ]
    resolved = {
        **flags,
        "network": _attachments(client, flags["network"]),
        **_files(client, flags, "secret", "config"),
    }
    spec = create_spec(args[0], args[1:], resolved, [*env, *flags["env"]])
    headers = auth_header(args[0]) if flags["with_registry_auth"] else {}
    spec, warning = _resolved(client, spec, headers, flags)
    answer = client.post("/services/create", spec, headers=headers)
    show_warnings(answer, warning)
    assert isinstance(answer, dict)
    click.echo(answer["ID"])
    if not flags["detach"]:
        wait_on_service(client, answer["ID"], is_quiet=bool(flags["quiet"]))


@add_update_flags
@command("update", "SERVICE", count=(1, 1))
@click.pass_context
def update(ctx: click.Context, session: Session, args: list[str], /, **flags: Any) -> None:
    """Update a service."""
    if flags["rollback"] and is_other_flag_given(given_names(ctx)):
        raise InvalidArgumentError("other flags may not be combined with --rollback")
    client, reference = session.client, args[0]
    service = client.get(path("services", reference))
    if flags["rollback"]:
        _roll_back(client, service)
    else:
        _update(client, service, flags)
    click.echo(reference)
    if not flags["detach"]:
        wait_on_service(client, reference, is_quiet=bool(flags["quiet"]))


@command("rollback", "SERVICE", count=(1, 1))
@switch("-d", "--detach", text="Exit immediately instead of waiting for the service to converge")
@switch("-q", "--quiet", text="Suppress progress output")
def rollback(session: Session, args: list[str], *, detach: bool, quiet: bool) -> None:
    """Revert changes to a service's configuration."""
    service = session.client.get(path("services", args[0]))
    _roll_back(session.client, service)
    click.echo(args[0])
    if not detach:
        wait_on_service(session.client, args[0], is_quiet=quiet)


def _update(client: Client, service: Json, flags: dict[str, Any]) -> None:
    resolved = {
        **flags,
        "network_add": _attachments(client, flags["network_add"]),
        "network_rm": [_network_id(client, name) for name in flags["network_rm"]],
        **_files(client, flags, "secret_add", "config_add"),
    }
    spec = updated_spec(service["Spec"], resolved)
    image = spec["TaskTemplate"]["ContainerSpec"]["Image"]
    headers = auth_header(image) if flags["with_registry_auth"] else {}
    warning = ""
    if flags["image"]:
        spec, warning = _resolved(client, spec, headers, flags)
    query = {} if headers else {"registryAuthFrom": "spec"}
    post_update(client, service, spec, query, headers, warning)


def _roll_back(client: Client, service: Json) -> None:
    query = {"registryAuthFrom": "spec", "rollback": "previous"}
    post_update(client, service, service["Spec"], query)


def _resolved(
    client: Client, spec: Json, headers: dict[str, str], flags: dict[str, Any]
) -> tuple[Json, str]:
    """The spec with its image pinned, unless that was declined, and a warning or ""."""
    if flags["no_resolve_image"]:
        return tagged(spec), ""
    return pinned(client, spec, headers)


def _attachments(client: Client, networks: Sequence[Json]) -> list[Json]:
    return [{**item, "Target": _network_id(client, item["Target"])} for item in networks]


def _network_id(client: Client, name: str) -> str:
    found = client.get(path("networks", name), {"scope": "swarm"})
    return str(found["Id"])


def _files(
    client: Client, flags: dict[str, Any], secret_flag: str, config_flag: str
) -> dict[str, list[Json]]:
    """Secrets and configs with ids, and a credential spec's config among them."""
    configs = list(flags[config_flag])
    credentials = flags.get("credential_spec") or {}
    if "Config" in credentials:
        configs.append({"ConfigName": credentials["Config"], "Runtime": {}})
    found = {
        secret_flag: _with_ids(client, flags[secret_flag], "secret"),
        config_flag: _with_ids(client, configs, "config"),
    }
    if "Config" in credentials:
        credentials["Config"] = found[config_flag][-1]["ConfigID"]
    return found


def _with_ids(client: Client, references: Sequence[Json], kind: str) -> list[Json]:
    if not references:
        return []
    noun = kind.capitalize()
    targets = [reference["File"]["Name"] for reference in references if "File" in reference]
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidArgumentError(f"duplicate {kind} target for {target} not allowed")
    names = [reference[f"{noun}Name"] for reference in references]
    listed = client.list(f"/{kind}s", filters({"name": names}))
    ids = {item["Spec"]["Name"]: item["ID"] for item in listed}
    for name in names:
        if name not in ids:
            raise InvalidArgumentError(f"{kind} not found: {name}")
    return [{**item, f"{noun}ID": ids[item[f"{noun}Name"]]} for item in references]
