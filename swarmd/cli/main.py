"""The `swarmd` command: groups that are imported when they are used, and one place for failures.

What a user waits for is mostly imports, so each table names its commands without importing them,
and nothing on a command's way imports asyncio, aiohttp, msgspec or the docker SDK.
"""

import sys
from typing import NoReturn

import click

from swarmd.cli.command import LazyGroup, Session, UsageError
from swarmd.errors import SwarmError

_GROUPS = {
    "daemon": ("swarmd.cli.daemon:daemon", "Run the daemon beside this machine's engine"),
    "node": ("swarmd.cli.main:node", "Manage Swarm nodes"),
    "service": ("swarmd.cli.main:service", "Manage Swarm services"),
    "stack": ("swarmd.cli.main:stack", "Manage Swarm stacks"),
    "swarm": ("swarmd.cli.main:swarm", "Manage Swarm"),
}

#: Entries without help are aliases.
swarm = LazyGroup(
    "swarm",
    {
        "ca": ("swarmd.cli.swarm_ca:ca", "Display and rotate the root CA"),
        "init": ("swarmd.cli.swarm:init", "Initialize a swarm"),
        "join": ("swarmd.cli.swarm:join", "Join a swarm as a node and/or manager"),
        "join-token": ("swarmd.cli.swarm:join_token", "Manage join tokens"),
        "leave": ("swarmd.cli.swarm:leave", "Leave the swarm"),
        "update": ("swarmd.cli.swarm:update", "Update the swarm"),
    },
    "Manage Swarm",
)

node = LazyGroup(
    "node",
    {
        "demote": ("swarmd.cli.node:demote", "Demote one or more nodes from manager in the swarm"),
        "inspect": (
            "swarmd.cli.node:inspect",
            "Display detailed information on one or more nodes",
        ),
        "list": ("swarmd.cli.node:ls", ""),
        "ls": ("swarmd.cli.node:ls", "List nodes in the swarm"),
        "promote": ("swarmd.cli.node:promote", "Promote one or more nodes to manager in the swarm"),
        "ps": (
            "swarmd.cli.node:ps",
            "List tasks running on one or more nodes, defaults to current node",
        ),
        "remove": ("swarmd.cli.node:rm", ""),
        "rm": ("swarmd.cli.node:rm", "Remove one or more nodes from the swarm"),
        "update": ("swarmd.cli.node:update", "Update a node"),
    },
    "Manage Swarm nodes",
)

service = LazyGroup(
    "service",
    {
        "create": ("swarmd.cli.service_create:create", "Create a new service"),
        "inspect": (
            "swarmd.cli.service:inspect",
            "Display detailed information on one or more services",
        ),
        "list": ("swarmd.cli.service:ls", ""),
        "logs": ("swarmd.cli.service_logs:logs", "Fetch the logs of a service or task"),
        "ls": ("swarmd.cli.service:ls", "List services"),
        "ps": ("swarmd.cli.service:ps", "List the tasks of one or more services"),
        "remove": ("swarmd.cli.service:rm", ""),
        "rm": ("swarmd.cli.service:rm", "Remove one or more services"),
        "rollback": (
            "swarmd.cli.service_create:rollback",
            "Revert changes to a service's configuration",
        ),
        "scale": ("swarmd.cli.service:scale", "Scale one or multiple replicated services"),
        "update": ("swarmd.cli.service_create:update", "Update a service"),
    },
    "Manage Swarm services",
)

stack = LazyGroup(
    "stack",
    {
        "config": (
            "swarmd.cli.stack_deploy:config",
            "Outputs the final config file, after doing merges and interpolations",
        ),
        "deploy": (
            "swarmd.cli.stack_deploy:deploy",
            "Deploy a new stack or update an existing stack",
        ),
        "down": ("swarmd.cli.stack:rm", ""),
        "list": ("swarmd.cli.stack:ls", ""),
        "ls": ("swarmd.cli.stack:ls", "List stacks"),
        "ps": ("swarmd.cli.stack:ps", "List the tasks in the stack"),
        "remove": ("swarmd.cli.stack:rm", ""),
        "rm": ("swarmd.cli.stack:rm", "Remove one or more stacks"),
        "services": ("swarmd.cli.stack:services", "List the services in the stack"),
        "up": ("swarmd.cli.stack_deploy:deploy", ""),
    },
    "Manage Swarm stacks",
)


@click.pass_context
def _start(ctx: click.Context, host: str) -> None:
    ctx.obj = Session(host)


def _show_version(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from swarmd import __version__  # noqa: PLC0415 - one command's business

        click.echo(f"swarmd version {__version__}")
        ctx.exit(0)


root = LazyGroup(
    "swarmd",
    _GROUPS,
    "Docker Swarm mode as one daemon beside a stock Docker Engine",
    params=[
        click.Option(
            ["-H", "--host"],
            envvar="SWARMD_HOST",
            default="unix:///run/swarmd.sock",
            show_default=True,
            help="Daemon socket to connect to (also SWARMD_HOST)",
        ),
        click.Option(
            ["-v", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Print version information and quit",
        ),
    ],
    callback=_start,
)


def run(args: list[str]) -> int:
    """Run one command line and return its exit code: 0, 1, or 125 for a flag that is wrong."""
    try:
        result = root.main(args=args, prog_name="swarmd", standalone_mode=False)
    except UsageError as failure:
        return _failed(str(failure), failure.exit_code)
    except click.UsageError as error:
        return _failed(error.format_message(), 125)
    except SwarmError as error:
        return _failed(str(error), 1)
    except OSError as error:
        return _failed(_explained(error), 1)
    except (KeyboardInterrupt, click.Abort):
        return 130
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _failed(message: str, exit_code: int) -> int:
    click.echo(message, err=True)
    return exit_code


def _explained(error: OSError) -> str:
    """Go's words for a file that cannot be read: "open x: no such file or directory"."""
    problem = (error.strerror or "")[:1].lower() + (error.strerror or "")[1:]
    return f"open {error.filename}: {problem}" if error.filename else str(error)
