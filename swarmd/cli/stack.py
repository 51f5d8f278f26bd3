"""`swarmd stack`: what was deployed together, listed and removed together."""

import time
from collections.abc import Sequence

import click

from swarmd.cli.client import ApiError, Client, filters, path
from swarmd.cli.command import (
    FORMAT_HELP,
    Parsed,
    Session,
    SeveralError,
    command,
    repeated,
    switch,
)
from swarmd.cli.listing import filter_value, listed, parsed_filters
from swarmd.cli.output import Json, natural_key, utc_now
from swarmd.cli.progress import RUNNING, STATES
from swarmd.errors import InvalidArgumentError, PreconditionError

NAMESPACE_LABEL = "com.docker.stack.namespace"

_POLL_S = 0.2
_HEADINGS = {"Name": "NAME", "Services": "SERVICES"}


@command("ls")
@click.option("--format", "format_", default="", help=FORMAT_HELP)
def ls(session: Session, args: list[str], *, format_: str) -> None:
    """List stacks."""
    del args
    counts: dict[str, int] = {}
    for service in session.client.list("/services", filters({"label": [NAMESPACE_LABEL]})):
        name = service["Spec"]["Labels"][NAMESPACE_LABEL]
        counts[name] = counts.get(name, 0) + 1
    rows = [
        {"Name": name, "Services": str(counts[name])} for name in sorted(counts, key=natural_key)
    ]
    default = "{{.Name}}\t{{.Services}}"
    text = listed(rows, _HEADINGS, format_=format_, default=default, is_quiet=False)
    click.echo(text, nl=False)


@command("services", "STACK", count=(1, 1))
@switch("-q", "--quiet", text="Only display IDs")
@repeated("-f", "--filter", "filter_", type=Parsed("filter", filter_value), text="Filter output")
@click.option("--format", "format_", default="", help=FORMAT_HELP)
def services(
    session: Session, args: list[str], *, quiet: bool, filter_: Sequence[str], format_: str
) -> None:
    """List the services in the stack."""
    from swarmd.cli.service import listed_services, service_list  # noqa: PLC0415 - keep `ls` lean

    stack = valid_name(args[0])
    found = listed_services(session.client, _of_stack(stack, filter_), is_quiet=quiet)
    if not found:
        click.echo(f"Nothing found in stack: {stack}", err=True)
        return
    click.echo(service_list(found, format_=format_, is_quiet=quiet), nl=False)


@command("ps", "STACK", count=(1, 1))
@switch("--no-trunc", text="Do not truncate output")
@switch("--no-resolve", text="Do not map IDs to Names")
@switch("-q", "--quiet", text="Only display task IDs")
@repeated("-f", "--filter", "filter_", type=Parsed("filter", filter_value), text="Filter output")
@click.option("--format", "format_", default="", help=FORMAT_HELP)
def ps(session: Session, args: list[str], *, filter_: Sequence[str], **shape: bool | str) -> None:
    """List the tasks in the stack."""
    from swarmd.cli.tasks import Names, task_list  # noqa: PLC0415 - keep `ls` lean

    stack = valid_name(args[0])
    tasks = session.client.list("/tasks", filters(_of_stack(stack, filter_)))
    if not tasks:
        raise PreconditionError(f"nothing found in stack: {stack}")
    text = task_list(
        tasks,
        Names(session.client, is_resolving=not shape["no_resolve"]),
        utc_now(),
        format_=str(shape["format_"]),
        is_quiet=bool(shape["quiet"]),
        is_truncating=not shape["no_trunc"],
    )
    click.echo(text, nl=False)


@command("rm", "STACK [STACK...]", count=(1, None))
@switch("-d", "--detach", default=True, text="Do not wait for stack removal (default true)")
def rm(session: Session, args: list[str], *, detach: bool) -> None:
    """Remove one or more stacks."""
    client = session.client
    problems: list[str] = []
    for stack in map(valid_name, args):
        found = [(kind, client.list(f"/{kind}s", filters(_of_stack(stack)))) for kind in _KINDS]
        if not any(objects for _, objects in found):
            click.echo(f"Nothing found in stack: {stack}", err=True)
            continue
        failures = [_remove(client, kind, objects) for kind, objects in found]
        if any(failures):
            problems.append(f"failed to remove some resources from stack: {stack}")
        elif not detach:
            _wait_for_tasks(client, stack)
    if problems:
        raise SeveralError(problems)


def remove_services(client: Client, found: Sequence[Json]) -> int:
    """Remove services by name; how many could not be."""
    return _remove(client, "service", found)


def valid_name(name: str) -> str:
    """`name`, if it can be a stack's.

    Raises:
        InvalidArgumentError: nothing but blanks and quotes.
    """
    if not name.strip("\"' \t\r\n"):
        raise InvalidArgumentError(f'invalid stack name: "{name}"')
    return name


def _of_stack(stack: str, given: Sequence[str] = ()) -> dict[str, list[str]]:
    wanted = parsed_filters(given)
    wanted.setdefault("label", []).append(f"{NAMESPACE_LABEL}={stack}")
    return wanted


#: In the order in which they may go: networks last, because services use them.
_KINDS = ("service", "secret", "config", "network")


def _name(found: Json) -> str:
    return str(found.get("Name") or found["Spec"]["Name"])


def _remove(client: Client, kind: str, found: Sequence[Json]) -> int:
    failures = 0
    for item in sorted(found, key=_name):
        object_id = item.get("ID") or item["Id"]
        click.echo(f"Removing {kind} {_name(item)}")
        try:
            client.delete(path(f"{kind}s", object_id))
        except ApiError as error:
            if error.is_not_found:
                continue  # somebody else, or the end of its last task, has removed it
            failures += 1
            click.echo(f"Failed to remove {kind} {object_id}: {error}", err=True)
    return failures


def _wait_for_tasks(client: Client, stack: str) -> None:
    while any(
        STATES.get(task["Status"]["State"], 99) <= RUNNING
        for task in client.list("/tasks", filters(_of_stack(stack)))
    ):
        time.sleep(_POLL_S)
