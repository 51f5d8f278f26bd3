"""`swarmd daemon`: flags to a `DaemonConfig`; the daemon itself is imported behind them."""

import sys
from typing import Any

import click

from swarmd.cli.command import Parsed, Session, command, repeated
from swarmd.errors import InvalidArgumentError

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("text", "json")


@command("daemon")
@repeated(
    "--host",
    text="Where the API is served: unix:///path, or tcp://address:port on loopback "
    "(default unix:///run/swarmd.sock)",
)
@click.option("--engine", help="The engine's socket (default unix:///var/run/docker.sock)")
@click.option("--state-dir", help="What this node must not lose (default /var/lib/swarmd)")
@click.option(
    "--log-level",
    type=Parsed("string", lambda text: _one_of(text, _LEVELS)),
    help='Set the logging level ("debug", "info", "warning", "error") (default "info")',
)
@click.option(
    "--log-format",
    type=Parsed("string", lambda text: _one_of(text, _FORMATS)),
    help='Set the logging format ("text", "json") (default "text")',
)
@click.option(
    "--swarm-default-advertise-addr",
    help="Set default address or interface for swarm advertised address",
)
@repeated(
    "--node-generic-resource",
    "node_generic_resources",
    text="Advertise user-defined resource (NAME=VALUE)",
)
def daemon(session: Session, args: list[str], *, host: tuple[str, ...], **flags: Any) -> None:
    """Run the daemon beside this machine's engine."""
    del session, args
    # A second of imports, which no other command needs.
    from swarmd.config import DaemonConfig  # noqa: PLC0415
    from swarmd.daemon.main import main  # noqa: PLC0415

    given = {name: value for name, value in {**flags, "hosts": host}.items() if value}
    sys.exit(main(DaemonConfig(**given)))


def _one_of(text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise InvalidArgumentError(f"must be one of {', '.join(choices)}")
    return text
