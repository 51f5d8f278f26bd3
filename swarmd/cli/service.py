"""`swarmd service`: what runs, and how much of it."""

from collections.abc import Mapping, Sequence

import click

from swarmd.cli.client import ApiError, Client, filters, path
from swarmd.cli.command import (
    FORMAT_HELP,
    Parsed,
    Session,
    SeveralError,
    UsageError,
    command,
    repeated,
    switch,
)
from swarmd.cli.listing import Row, filter_value, listed, parsed_filters
from swarmd.cli.output import Json, image_name, natural_key, short_id
from swarmd.errors import InvalidArgumentError, SwarmError

_COLUMNS = "{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}"
_HEADINGS = {
    "ID": "ID",
    "Name": "NAME",
    "Mode": "MODE",
    "Replicas": "REPLICAS",
    "Image": "IMAGE",
    "Ports": "PORTS",
}
_RAW = {
    "id": "ID",
    "name": "Name",
    "mode": "Mode",
    "replicas": "Replicas",
    "image": "Image",
    "ports": "Ports",
}
_MODES = {
    "Global": "global",
    "Replicated": "replicated",
    "ReplicatedJob": "replicated job",
    "GlobalJob": "global job",
}


@command("ls")
@switch("-q", "--quiet", text="Only display IDs")
@repeated("-f", "--filter", "filter_", type=Parsed("filter", filter_value), text="Filter output")
@click.option("--format", "format_", default="", help=FORMAT_HELP)
def ls(
    session: Session, args: list[str], *, quiet: bool, filter_: Sequence[str], format_: str
) -> None:
    """List services."""
    del args
    services = listed_services(session.client, parsed_filters(filter_), is_quiet=quiet)
    click.echo(service_list(services, format_=format_, is_quiet=quiet), nl=False)


def listed_services(
    client: Client, wanted: Mapping[str, list[str]], *, is_quiet: bool
) -> list[Json]:
    """The services that match, with how many of their tasks run unless `is_quiet`."""
    query = filters(wanted)
    return client.list("/services", query if is_quiet else {**query, "status": "true"})


def service_list(services: Sequence[Json], *, format_: str, is_quiet: bool) -> str:
    """Services by name, as `service ls` and `stack services` print them."""
    ordered = sorted(services, key=lambda service: natural_key(service["Spec"]["Name"]))
    rows = [service_row(service) for service in ordered]
    return listed(rows, _HEADINGS, format_=format_, default=_COLUMNS, is_quiet=is_quiet, raw=_RAW)


def service_row(service: Json) -> Row:
    """A service's columns."""
    spec = service["Spec"]
    mode = spec.get("Mode", {})
    image = spec.get("TaskTemplate", {}).get("ContainerSpec", {}).get("Image", "")
    return {
        "ID": short_id(service["ID"]),
        "Name": spec["Name"],
        "Mode": next((words for key, words in _MODES.items() if key in mode), ""),
        "Replicas": _replicas(service, mode),
        "Image": image_name(image),
        "Ports": published_ports(service.get("Endpoint", {}).get("Ports") or []),
    }


def _replicas(service: Json, mode: Json) -> str:
    status = service.get("ServiceStatus") or {}
    running, desired = status.get("RunningTasks", 0), status.get("DesiredTasks", 0)
    completed = status.get("CompletedTasks", 0)
    if "ReplicatedJob" in mode:
        total = mode["ReplicatedJob"].get("TotalCompletions", 0)
        return f"{running}/{desired} ({completed}/{total} completed)"
    if "GlobalJob" in mode:
        return f"{running}/{desired} ({completed}/{desired + completed} completed)"
    placement = service["Spec"].get("TaskTemplate", {}).get("Placement") or {}
    most = placement.get("MaxReplicas", 0) if "Replicated" in mode else 0
    return f"{running}/{desired} (max {most} per node)" if most else f"{running}/{desired}"


def published_ports(ports: Sequence[Json]) -> str:
    """Ports of the mesh, consecutive ones as a range: "*:80-81->80-81/tcp, *:90->9/udp"."""
    groups: list[list[tuple[int, int, str]]] = []
    numbered = sorted(
        (port.get("Protocol", ""), port.get("PublishedPort", 0), port.get("TargetPort", 0))
        for port in ports
        if port.get("PublishMode") == "ingress"
    )
    for protocol, published, target in numbered:
        if groups and _continues(groups[-1], published, target, protocol):
            groups[-1].append((published, target, protocol))
        else:
            groups.append([(published, target, protocol)])
    return ", ".join(map(_range_text, groups))


def _continues(
    group: Sequence[tuple[int, int, str]], published: int, target: int, protocol: str
) -> bool:
    first_target = group[0][1]
    last_published, last_target, last_protocol = group[-1]
    is_fan_in = target == last_target == first_target
    is_parallel = target == last_target + 1 and (len(group) == 1 or last_target != first_target)
    return (
        protocol == last_protocol and published == last_published + 1 and (is_fan_in or is_parallel)
    )


def _range_text(group: Sequence[tuple[int, int, str]]) -> str:
    (published, target, protocol), (last_published, last_target, _) = group[0], group[-1]
    shown = str(published) if published == last_published else f"{published}-{last_published}"
    behind = str(target) if target == last_target else f"{target}-{last_target}"
    return f"*:{shown}->{behind}/{protocol}"


@command("ps", "SERVICE [SERVICE...]", count=(1, None))
@switch("--no-trunc", text="Do not truncate output")
@switch("--no-resolve", text="Do not map IDs to Names")
@switch("-q", "--quiet", text="Only display task IDs")
@repeated("-f", "--filter", "filter_", type=Parsed("filter", filter_value), text="Filter output")
@click.option("--format", "format_", default="", help="Pretty-print tasks using a Go template")
def ps(session: Session, args: list[str], *, filter_: Sequence[str], **shape: bool | str) -> None:
    """List the tasks of one or more services."""
    from swarmd.cli.output import utc_now  # noqa: PLC0415 - keep `ls` lean
    from swarmd.cli.tasks import Names, task_list  # noqa: PLC0415

    found, missing = _services_named(session.client, args)
    if not found:
        raise SeveralError(missing)
    wanted = parsed_filters(filter_)
    wanted.setdefault("service", []).extend(found)
    wanted = {**wanted, **_own_node(session.client, wanted)}
    text = task_list(
        session.client.list("/tasks", filters(wanted)),
        Names(session.client, is_resolving=not shape["no_resolve"]),
        utc_now(),
        format_=str(shape["format_"]),
        is_quiet=bool(shape["quiet"]),
        is_truncating=not (shape["no_trunc"] or shape["quiet"]),
    )
    click.echo(text, nl=False)
    if missing:
        raise SeveralError(missing)


def _own_node(client: Client, wanted: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """A `node=self` filter with this node's id."""
    if "self" not in wanted.get("node", []):
        return {}
    own = client.get("/info")["Swarm"]["NodeID"]
    return {"node": [own if name == "self" else name for name in wanted["node"]]}


def _services_named(client: Client, references: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ids of the services that answer to a full id, a name or an id's beginning; complaints."""
    by_id = client.list("/services", filters({"id": list(references)}))
    by_name = client.list("/services", filters({"name": list(references)}))
    found: list[str] = []
    missing: list[str] = []
    for reference in references:
        exact = [service["ID"] for service in by_id if service["ID"] == reference]
        exact += [service["ID"] for service in by_name if service["Spec"]["Name"] == reference]
        begun = exact or [service["ID"] for service in by_id if service["ID"].startswith(reference)]
        if len(begun) > 1 and not exact:
            raise InvalidArgumentError(f"multiple services found with provided prefix: {reference}")
        if not begun:
            missing.append(f"no such service: {reference}")
        found += begun[:1]
    return found, missing


@command("inspect", "SERVICE [SERVICE...]", count=(1, None))
@click.option("-f", "--format", "format_", default="", help=FORMAT_HELP)
@switch("--pretty", text="Print the information in a human friendly format")
def inspect(session: Session, args: list[str], *, format_: str, pretty: bool) -> None:
    """Display detailed information on one or more services."""
    from swarmd.cli.go_types import service_value  # noqa: PLC0415 - keep `ls` lean
    from swarmd.cli.inspecting import inspect_all  # noqa: PLC0415
    from swarmd.cli.pretty import pretty_service  # noqa: PLC0415
    from swarmd.cli.tasks import Names  # noqa: PLC0415

    client = session.client
    names = Names(client)

    def find(reference: str) -> Json:
        found = client.find(path("services", reference), {"insertDefaults": "true"})
        if found is None:
            raise InvalidArgumentError(f"Error: no such service: {reference}")
        return found

    inspect_all(
        args,
        find,
        format_=format_,
        value_of=service_value,
        pretty=(lambda found: pretty_service(found, names.network)) if pretty else None,
    )


@command("rm", "SERVICE [SERVICE...]", count=(1, None))
def rm(session: Session, args: list[str]) -> None:
    """Remove one or more services."""
    problems: list[SwarmError] = []
    for reference in args:
        try:
            session.client.delete(path("services", reference))
        except ApiError as error:
            problems.append(error)
        else:
            click.echo(reference)
    if problems:
        raise SeveralError(problems)


@command("scale", "SERVICE=REPLICAS [SERVICE=REPLICAS...]", count=(1, None))
@switch("-d", "--detach", text="Exit immediately instead of waiting for the service to converge")
def scale(session: Session, args: list[str], *, detach: bool) -> None:
    """Scale one or multiple replicated services."""
    from swarmd.cli.parse import unsigned  # noqa: PLC0415 - keep `ls` lean
    from swarmd.cli.wait import wait_on_service  # noqa: PLC0415

    for arg in args:
        _check_scale(arg)
    problems: list[str] = []
    scaled: list[str] = []
    for arg in args:
        reference, _, text = arg.partition("=")
        try:
            replicas = unsigned(text)
        except InvalidArgumentError as error:
            problems.append(f"{reference}: invalid replicas value {text}: {error}")
            continue
        try:
            _scale(session.client, reference, replicas)
        except SwarmError as error:
            problems.append(f"{reference}: {error}")
            continue
        click.echo(f"{reference} scaled to {replicas}")
        scaled.append(reference)
    for reference in () if detach else scaled:
        try:
            wait_on_service(session.client, reference, is_quiet=False)
        except SwarmError as error:
            problems.append(f"{reference}: {error}")
    if problems:
        raise SeveralError(problems)


def _check_scale(arg: str) -> None:
    name, equals, replicas = arg.partition("=")
    if not (name and equals and replicas):
        raise UsageError(
            f"invalid scale specifier '{arg}'.\nSee 'swarmd service scale --help'.\n\n"
            "Usage:  swarmd service scale SERVICE=REPLICAS [SERVICE=REPLICAS...]\n\n"
            "Scale one or multiple replicated services",
            1,
        )


def _scale(client: Client, reference: str, replicas: int) -> None:
    service = client.get(path("services", reference))
    spec = service["Spec"]
    mode = spec["Mode"]
    if "Replicated" in mode:
        mode = {"Replicated": {**mode["Replicated"], "Replicas": replicas}}
    elif "ReplicatedJob" in mode:
        mode = {"ReplicatedJob": {**mode["ReplicatedJob"], "TotalCompletions": replicas}}
    else:
        raise InvalidArgumentError("scale can only be used with replicated or replicated-job mode")
    post_update(client, service, {**spec, "Mode": mode})


def post_update(
    client: Client,
    service: Json,
    spec: Json,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    warning: str = "",
) -> None:
    """Write a service's new spec; the daemon's warnings and `warning` go to standard error."""
    answer = client.post(
        path("services", service["ID"], "update"),
        spec,
        {"version": str(service["Version"]["Index"]), **(query or {})},
        headers,
    )
    show_warnings(answer, warning)


def show_warnings(answer: object, warning: str) -> None:
    """Print the warnings of a create's or update's answer, and the client's own if there is one."""
    warnings = answer.get("Warnings") if isinstance(answer, dict) else None
    for text in (*(warnings or ()), *([warning] if warning else ())):
        click.echo(text, err=True)
