"""`swarmd swarm`: make a swarm, join one, leave it, change its settings."""

from collections.abc import Sequence
from typing import Any

import click

from swarmd.cli.client import ApiError, Client, path
from swarmd.cli.command import Parsed, Session, command, given_names, repeated, switch
from swarmd.cli.parse import unsigned
from swarmd.cli.swarm_flags import availability, listen_address, merged_spec, swarm_flags
from swarmd.errors import InvalidArgumentError

_NEEDS_ADDRESS = (
    "could not choose an IP address to advertise",
    "could not find the system's IP address",
)
_LISTEN = ("--listen-addr",)
_ADDRESS_HELP = 'format: "<ip|interface>[:port]"'
_DATA_PATH_HELP = 'Address or interface to use for data path traffic (format: "<ip|interface>")'


@command("init")
@click.option(
    *_LISTEN,
    default="0.0.0.0:2377",
    show_default=True,
    help=f"Listen address ({_ADDRESS_HELP})",
)
@click.option("--advertise-addr", default="", help=f"Advertised address ({_ADDRESS_HELP})")
@click.option("--data-path-addr", default="", help=_DATA_PATH_HELP)
@click.option(
    "--data-path-port",
    type=Parsed("uint32", unsigned),
    default=0,
    help="Port number to use for data path traffic (1024 - 49151). If no value is set or is set "
    "to 0, the default port (4789) is used.",
)
@switch("--force-new-cluster", text="Force create a new cluster from current state")
@switch(
    "--autolock",
    default=None,
    text="Enable manager autolocking (requiring an unlock key to start a stopped manager)",
)
@click.option("--availability", help='Availability of the node ("active", "pause", "drain")')
@repeated("--default-addr-pool", text="default address pool in CIDR format")
@click.option(
    "--default-addr-pool-mask-length",
    type=Parsed("uint32", unsigned),
    default=24,
    show_default=True,
    help="default address pool subnet mask length",
)
@swarm_flags
def init(session: Session, args: list[str], /, **flags: Any) -> None:
    """Initialize a swarm."""
    del args
    pools = [pool for text in flags["default_addr_pool"] for pool in text.split(",")]
    request = {
        "ListenAddr": listen_address(flags["listen_addr"]),
        "AdvertiseAddr": flags["advertise_addr"],
        "DataPathAddr": flags["data_path_addr"],
        "DataPathPort": flags["data_path_port"],
        "DefaultAddrPool": pools,
        "ForceNewCluster": flags["force_new_cluster"],
        "Spec": merged_spec({}, flags),
        "AutoLockManagers": bool(flags["autolock"]),
        "SubnetSize": flags["default_addr_pool_mask_length"],
        **availability(flags["availability"]),
    }
    try:
        node_id = session.client.post("/swarm/init", request)
    except ApiError as error:
        if any(words in error.message for words in _NEEDS_ADDRESS):
            raise InvalidArgumentError(f"{error} - specify one with --advertise-addr") from error
        raise
    click.echo(f"Swarm initialized: current node ({node_id}) is now a manager.\n")
    _show_join_command(session.client, str(node_id), ("worker",))
    click.echo(
        "To add a manager to this swarm, run 'swarmd swarm join-token manager' and follow the "
        "instructions."
    )
    if request["AutoLockManagers"]:
        _show_unlock_key(session.client)


@command("join", "HOST:PORT", count=(1, 1))
@click.option(
    *_LISTEN,
    default="0.0.0.0:2377",
    show_default=True,
    help=f"Listen address ({_ADDRESS_HELP})",
)
@click.option("--advertise-addr", default="", help=f"Advertised address ({_ADDRESS_HELP})")
@click.option("--data-path-addr", default="", help=_DATA_PATH_HELP)
@click.option("--token", default="", help="Token for entry into the swarm")
@click.option("--availability", help='Availability of the node ("active", "pause", "drain")')
def join(session: Session, args: list[str], **flags: str | None) -> None:
    """Join a swarm as a node and/or manager."""
    session.client.post(
        "/swarm/join",
        {
            "JoinToken": flags["token"],
            "ListenAddr": listen_address(flags["listen_addr"] or ""),
            "AdvertiseAddr": flags["advertise_addr"],
            "DataPathAddr": flags["data_path_addr"],
            "RemoteAddrs": args,
            **availability(flags["availability"]),
        },
    )
    is_manager = session.client.get("/info")["Swarm"].get("ControlAvailable")
    click.echo(f"This node joined a swarm as a {'manager' if is_manager else 'worker'}.")


@command("join-token", "(worker|manager)", count=(1, 1))
@switch("--rotate", text="Rotate join token")
@switch("-q", "--quiet", text="Only display token")
def join_token(session: Session, args: list[str], *, rotate: bool, quiet: bool) -> None:
    """Manage join tokens."""
    role, client = args[0], session.client
    if role not in ("worker", "manager"):
        raise InvalidArgumentError(f"unknown role {role}")
    if rotate:
        swarm = client.get("/swarm")
        query = {
            "version": str(swarm["Version"]["Index"]),
            f"rotate{role.capitalize()}Token": "true",
        }
        client.post("/swarm/update", swarm["Spec"], query)
        if not quiet:
            click.echo(f"Successfully rotated {role} join token.\n")
    if quiet:
        click.echo(client.get("/swarm")["JoinTokens"][role.capitalize()])
        return
    _show_join_command(client, client.get("/info")["Swarm"]["NodeID"], (role,))


@command("leave")
@switch("-f", "--force", text="Force this node to leave the swarm, ignoring warnings")
def leave(session: Session, args: list[str], *, force: bool) -> None:
    """Leave the swarm."""
    del args
    session.client.post("/swarm/leave", query={"force": "1"} if force else None)
    click.echo("Node left the swarm.")


@command("update")
@switch("--autolock", default=None, text="Change manager autolocking setting (true|false)")
@swarm_flags
@click.pass_context
def update(ctx: click.Context, session: Session, args: list[str], /, **flags: Any) -> None:
    """Update the swarm."""
    del args
    if not given_names(ctx):
        click.echo(ctx.get_help())
        return
    client = session.client
    swarm = client.get("/swarm")
    spec = merged_spec(swarm["Spec"], flags)
    client.post("/swarm/update", spec, {"version": str(swarm["Version"]["Index"])})
    click.echo("Swarm updated.")
    was_locking = (swarm["Spec"].get("EncryptionConfig") or {}).get("AutoLockManagers")
    if flags["autolock"] and not was_locking:
        _show_unlock_key(client)


def _show_join_command(client: Client, node_id: str, roles: Sequence[str]) -> None:
    node = client.get(path("nodes", node_id))
    tokens = client.get("/swarm")["JoinTokens"]
    address = (node.get("ManagerStatus") or {}).get("Addr")
    for role in roles if address else ():
        token = tokens[role.capitalize()]
        click.echo(
            f"To add a {role} to this swarm, run the following command:\n\n"
            f"    swarmd swarm join --token {token} {address}\n"
        )


def _show_unlock_key(client: Client) -> None:
    key = client.get("/swarm/unlockkey").get("UnlockKey")
    if key:
        click.echo(
            "To unlock a swarm manager after it restarts, run the `swarmd swarm unlock`\n"
            f"command and provide the following key:\n\n    {key}\n\n"
            "Remember to store this key in a password manager, since without it you\n"
            "will not be able to restart the manager."
        )
