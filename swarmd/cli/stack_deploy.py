"""`swarmd stack deploy` and `config`: files in, the plan of `swarmd.compose` carried out.

`compose` is pure; reading files and the environment, the calls and the messages are here.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from swarmd import compose
from swarmd.cli.client import ApiError, Client, filters
from swarmd.cli.command import Session, SeveralError, command, repeated, switch
from swarmd.cli.output import Json
from swarmd.cli.registry import auth_header, pinned, tagged
from swarmd.cli.service import post_update, show_warnings
from swarmd.cli.stack import NAMESPACE_LABEL, remove_services, valid_name
from swarmd.cli.wait import wait_on_service
from swarmd.errors import InvalidArgumentError, PreconditionError, SwarmError

_STDIN = "-"


@command("deploy", "STACK", count=(1, 1))
@repeated("-c", "--compose-file", text='Path to a Compose file, or "-" to read from stdin')
@switch("--with-registry-auth", text="Send registry authentication details to Swarm agents")
@switch("--prune", text="Prune services that are no longer referenced")
@click.option(
    "--resolve-image",
    default="always",
    help="Query the registry to resolve image digest and supported platforms "
    '("always", "changed", "never") (default "always")',
)
@switch(
    "-d",
    "--detach",
    default=None,
    text="Exit immediately instead of waiting for the stack services to converge (default true)",
)
@switch("-q", "--quiet", text="Suppress progress output")
def deploy(session: Session, args: list[str], **flags: Any) -> None:
    """Deploy a new stack or update an existing stack."""
    stack, client = valid_name(args[0]), session.client
    loaded = _load(flags["compose_file"], interpolate=True)
    for note in loaded.notes:
        click.echo(str(note), err=True)
    specs = compose.specs(loaded, stack)
    if flags["detach"] is None:
        click.echo(
            "Since --detach=false was not specified, tasks will be created in the background.\n"
            "In a future release, --detach=false will become the default.",
            err=True,
        )
    _check_manager(client)
    plan = compose.stack_plan(
        specs,
        client.list("/services", filters({"label": [f"{NAMESPACE_LABEL}={stack}"]})),
        client.list("/networks"),
        prune=flags["prune"],
        resolve_image=flags["resolve_image"],
    )
    deployer = _Deployer(client, specs, sends_auth=flags["with_registry_auth"])
    service_ids = [found for operation in plan if (found := deployer.carry_out(operation))]
    if flags["detach"] is False:
        _wait(client, service_ids, is_quiet=flags["quiet"])


@command("config")
@repeated("-c", "--compose-file", text='Path to a Compose file, or "-" to read from stdin')
@switch("--skip-interpolation", text="Skip interpolation and output only merged config")
def config(
    session: Session, args: list[str], *, compose_file: Sequence[str], skip_interpolation: bool
) -> None:
    """Outputs the final config file, after doing merges and interpolations."""
    del session, args
    loaded = _load(compose_file, interpolate=not skip_interpolation)
    click.echo(compose.render(loaded), nl=False)


def _load(given: Sequence[str], *, interpolate: bool) -> compose.Loaded:
    names = [name for text in given for name in text.split(",")]
    if not names:
        raise InvalidArgumentError("Specify a Compose file (with --compose-file)")
    # Paths in all the files are meant from the first one's folder.
    folder = Path.cwd() if names[0] == _STDIN else Path(names[0]).absolute().parent
    return compose.load(
        [(name, _text(name)) for name in names],
        environment(os.environ, folder),
        interpolate=interpolate,
        read_file=lambda name: (folder / name).read_text(encoding="utf-8"),
        folder=str(folder),
    )


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == _STDIN else Path(name).read_text(encoding="utf-8")
    except UnicodeError as error:
        raise InvalidArgumentError(f"{name}: not a text in UTF-8: {error}") from error


def environment(process: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The process's variables over those of a `.env` beside the first file."""
    file = folder / ".env"
    if not file.is_file():
        return dict(process)
    found = compose.parse_env_file(file.read_text(encoding="utf-8"), process, name=str(file))
    return {**found, **process}


def _check_manager(client: Client) -> None:
    if not client.get("/info")["Swarm"].get("ControlAvailable"):
        raise PreconditionError(
            'this node is not a swarm manager. Use "swarmd swarm init" or "swarmd swarm join" to '
            "connect this node to swarm and try again"
        )


class _Deployer:
    """Carries out operations, one call each."""

    def __init__(self, client: Client, specs: compose.StackSpecs, *, sends_auth: bool) -> None:
        self._client = client
        self._declared = specs.declared
        self._sends_auth = sends_auth

    def carry_out(self, operation: compose.Operation) -> str | None:
        """Do one operation; the id of the service that it made or changed."""
        match operation:
            case compose.RemoveService(id=service_id, name=name):
                remove_services(self._client, [{"ID": service_id, "Name": name}])
                return None
            case compose.CreateNetwork(name=name, body=body):
                click.echo(f"Creating network {name}")
                self._try("create", f"network {name}", lambda: self._post_network(dict(body)))
                return None
            case compose.CreateService(name=name):
                click.echo(f"Creating service {name}")
                return self._try("create", f"service {name}", lambda: self._create(operation))
            case compose.UpdateService(name=name, id=service_id):
                click.echo(f"Updating service {name} (id: {service_id})")
                return self._try("update", f"service {name}", lambda: self._update(operation))

    def _try(self, verb: str, what: str, call: Callable[[], str]) -> str:
        """What the daemon refuses is told with the place where it is declared."""
        try:
            return call()
        except ApiError as error:
            raise self._declared[what].error(f"failed to {verb} {what}: {error}") from error
        except SwarmError as error:
            raise PreconditionError(f"failed to {verb} {what}: {error}") from error

    def _post_network(self, body: Json) -> str:
        answer = self._client.post("/networks/create", body)
        assert isinstance(answer, dict)
        return str(answer["Id"])

    def _create(self, operation: compose.CreateService) -> str:
        headers = self._headers(operation.spec)
        spec, warning = self._pinned(operation, headers)
        answer = self._client.post("/services/create", spec, headers=headers)
        show_warnings(answer, warning)
        assert isinstance(answer, dict)
        return str(answer["ID"])

    def _update(self, operation: compose.UpdateService) -> str:
        headers = self._headers(operation.spec)
        spec, warning = self._pinned(operation, headers)
        service: Json = {"ID": operation.id, "Version": {"Index": operation.version}}
        post_update(self._client, service, spec, headers=headers, warning=warning)
        return operation.id

    def _headers(self, spec: Mapping[str, Any]) -> dict[str, str]:
        if not self._sends_auth:
            return {}
        return auth_header(spec["TaskTemplate"]["ContainerSpec"]["Image"])

    def _pinned(
        self, operation: compose.CreateService | compose.UpdateService, headers: dict[str, str]
    ) -> tuple[Json, str]:
        """The spec as it is posted, and a warning or ""."""
        if not operation.resolves_image:
            return tagged(dict(operation.spec)), ""
        return pinned(self._client, dict(operation.spec), headers)


def _wait(client: Client, service_ids: Sequence[str], *, is_quiet: bool) -> None:
    problems: list[str] = []
    for service_id in service_ids:
        try:
            wait_on_service(client, service_id, is_quiet=is_quiet)
        except SwarmError as error:
            problems.append(f"{service_id}: {error}")
    if problems:
        raise SeveralError(problems)
