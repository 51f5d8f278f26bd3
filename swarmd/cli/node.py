"""`swarmd node`: the machines of the swarm, and what they may do."""

from collections.abc import Callable, Sequence

import click

from swarmd.cli.client import ApiError, filters, path
from swarmd.cli.command import (
    FORMAT_HELP,
    Parsed,
    Session,
    SeveralError,
    command,
    repeated,
    switch,
)
from swarmd.cli.inspecting import inspect_all
from swarmd.cli.listing import Row, filter_value, listed, parsed_filters
from swarmd.cli.output import Json, capitalized, natural_key, utc_now
from swarmd.cli.parse import key_values
from swarmd.cli.tasks import Names, task_list
from swarmd.errors import InvalidArgumentError, PreconditionError, SwarmError

_COLUMNS = (
    "{{.ID}} {{if .Self}}*{{else}} {{ end }}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}"
    "\t{{.ManagerStatus}}\t{{.EngineVersion}}"
)
_HEADINGS = {
    "ID": "ID",
    "Self": "",
    "Hostname": "HOSTNAME",
    "Status": "STATUS",
    "Availability": "AVAILABILITY",
    "ManagerStatus": "MANAGER STATUS",
    "EngineVersion": "ENGINE VERSION",
    "TLSStatus": "TLS STATUS",
}
_RAW = {
    "node_id": "ID",
    "hostname": "Hostname",
    "status": "Status",
    "availability": "Availability",
    "manager_status": "ManagerStatus",
}


@command("ls")
@switch("-q", "--quiet", text="Only display IDs")
@repeated("-f", "--filter", "filter_", type=Parsed("filter", filter_value), text="Filter output")
@click.option("--format", "format_", default="", help=FORMAT_HELP)
def ls(
    session: Session, args: list[str], *, quiet: bool, filter_: Sequence[str], format_: str
) -> None:
    """List nodes in the swarm."""
    del args
    nodes = session.client.list("/nodes", filters(parsed_filters(filter_)))
    info = session.client.get("/info")["Swarm"] if nodes and not quiet else {}
    nodes.sort(key=lambda node: natural_key(node.get("Description", {}).get("Hostname", "")))
    rows = [node_row(node, info) for node in nodes]
    text = listed(rows, _HEADINGS, format_=format_, default=_COLUMNS, is_quiet=quiet, raw=_RAW)
    click.echo(text, nl=False)


def node_row(node: Json, info: Json) -> Row:
    """A node's columns; `info` is the `Swarm` part of /info."""
    description = node.get("Description", {})
    manager = node.get("ManagerStatus") or {}
    standing = "leader" if manager.get("Leader") else manager.get("Reachability", "")
    return {
        "ID": node["ID"],
        "Self": node["ID"] == info.get("NodeID"),
        "Hostname": description.get("Hostname", ""),
        "Status": capitalized(node.get("Status", {}).get("State", "")),
        "Availability": capitalized(node.get("Spec", {}).get("Availability", "")),
        "ManagerStatus": capitalized(standing),
        "EngineVersion": description.get("Engine", {}).get("EngineVersion", ""),
        "TLSStatus": _tls_status(description.get("TLSInfo"), info),
    }


def _tls_status(own: Json | None, info: Json) -> str:
    wanted = (info.get("Cluster") or {}).get("TLSInfo")
    if not own or not wanted:
        return "Unknown"
    return "Ready" if own == wanted else "Needs Rotation"


@command("ps", "[NODE...]", count=(0, None))
@switch("--no-trunc", text="Do not truncate output")
@switch("--no-resolve", text="Do not map IDs to Names")
@switch("-q", "--quiet", text="Only display task IDs")
@repeated("-f", "--filter", "filter_", type=Parsed("filter", filter_value), text="Filter output")
@click.option("--format", "format_", default="", help="Pretty-print tasks using a Go template")
def ps(session: Session, args: list[str], *, filter_: Sequence[str], **shape: bool | str) -> None:
    """List tasks running on one or more nodes, defaults to current node."""
    tasks: list[Json] = []
    problems: list[SwarmError] = []
    for reference in args or ["self"]:
        try:
            wanted = parsed_filters(filter_)
            wanted.setdefault("node", []).append(_found(session, reference)["ID"])
            tasks += session.client.list("/tasks", filters(wanted))
        except SwarmError as error:
            problems.append(error)
    if tasks or not problems:
        names = Names(session.client, is_resolving=not shape["no_resolve"])
        text = task_list(
            tasks,
            names,
            utc_now(),
            format_=str(shape["format_"]),
            is_quiet=bool(shape["quiet"]),
            is_truncating=not shape["no_trunc"],
        )
        click.echo(text, nl=False)
    if problems:
        raise SeveralError(problems)


@command("inspect", "self|NODE [NODE...]", count=(1, None))
@click.option("-f", "--format", "format_", default="", help=FORMAT_HELP)
@switch("--pretty", text="Print the information in a human friendly format")
def inspect(session: Session, args: list[str], *, format_: str, pretty: bool) -> None:
    """Display detailed information on one or more nodes."""
    from swarmd.cli.go_types import node_value  # noqa: PLC0415 - long tables, seldom wanted
    from swarmd.cli.pretty import pretty_node  # noqa: PLC0415

    inspect_all(
        args,
        lambda reference: _found(session, reference),
        format_=format_,
        value_of=node_value,
        pretty=pretty_node if pretty else None,
    )


@command("update", "NODE", count=(1, 1))
@click.option("--role", help='Role of the node ("worker", "manager")')
@click.option("--availability", help='Availability of the node ("active", "pause", "drain")')
@repeated("--label-add", text='Add or update a node label ("key=value")')
@repeated("--label-rm", text="Remove a node label if exists")
def update(
    session: Session,
    args: list[str],
    *,
    role: str | None,
    availability: str | None,
    label_add: Sequence[str],
    label_rm: Sequence[str],
) -> None:
    """Update a node."""

    def changed(node: Json) -> Json:
        labels = {**(node["Spec"].get("Labels") or {}), **key_values(label_add)}
        for key in label_rm:
            if key not in labels:
                raise InvalidArgumentError(f"key {key} doesn't exist in node's labels")
            del labels[key]
        spec = {**node["Spec"], "Labels": labels}
        spec |= {"Role": role} if role is not None else {}
        return spec | ({"Availability": availability} if availability is not None else {})

    _update(session, args, changed)
    click.echo(args[0])


@command("promote", "NODE [NODE...]", count=(1, None))
def promote(session: Session, args: list[str]) -> None:
    """Promote one or more nodes to manager in the swarm."""
    _change_role(session, args, "manager", "Node {} promoted to a manager in the swarm.")


@command("demote", "NODE [NODE...]", count=(1, None))
def demote(session: Session, args: list[str]) -> None:
    """Demote one or more nodes from manager in the swarm."""
    _change_role(session, args, "worker", "Manager {} demoted in the swarm.")


@command("rm", "NODE [NODE...]", count=(1, None))
@switch("-f", "--force", text="Force remove a node from the swarm")
def rm(session: Session, args: list[str], *, force: bool) -> None:
    """Remove one or more nodes from the swarm."""
    problems: list[SwarmError] = []
    for reference in args:
        try:
            session.client.delete(path("nodes", reference), {"force": "1"} if force else None)
        except ApiError as error:
            problems.append(error)
        else:
            click.echo(reference)
    if problems:
        raise SeveralError(problems)


def _change_role(session: Session, references: Sequence[str], role: str, done: str) -> None:
    for reference in references:
        node = session.client.get(path("nodes", reference))
        if node["Spec"].get("Role") == role:
            click.echo(f"Node {node['ID']} is already a {role}.")
            continue
        _update(session, [reference], lambda found: {**found["Spec"], "Role": role})
        click.echo(done.format(reference))


def _update(session: Session, references: Sequence[str], changed: Callable[[Json], Json]) -> None:
    for reference in references:
        node = session.client.get(path("nodes", reference))
        session.client.post(
            path("nodes", node["ID"], "update"),
            changed(node),
            {"version": str(node["Version"]["Index"])},
        )


def _found(session: Session, reference: str) -> Json:
    """The node; "self" is the one that answers."""
    if reference == "self":
        reference = session.client.get("/info")["Swarm"]["NodeID"]
        if not reference:
            session.client.list("/nodes")  # whose refusal says why: no swarm, or a worker
            raise PreconditionError("node ID not found in /info")
    return session.client.get(path("nodes", reference))
