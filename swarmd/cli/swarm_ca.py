"""`swarmd swarm ca`: the swarm's root certificate, and its replacement."""

import time
from collections.abc import Sequence
from typing import Any

import click

from swarmd.cli.client import Client
from swarmd.cli.command import Parsed, Session, command, given_names, switch
from swarmd.cli.output import Json
from swarmd.cli.progress import Line
from swarmd.cli.swarm_flags import ca_flags, merged_spec, pem_file
from swarmd.cli.wait import Display
from swarmd.errors import InvalidArgumentError, PreconditionError

_POLL_S = 0.2
_ROTATION_FLAGS = ("ca_cert", "ca_key", "cert_expiry", "external_ca")


@command("ca")
@ca_flags
@switch(
    "--rotate",
    text="Rotate the swarm CA - if no certificate or key are provided, new ones will be generated",
)
@click.option(
    "--ca-cert",
    type=Parsed("pem-file", pem_file),
    help="Path to the PEM-formatted root CA certificate to use for the new cluster",
)
@click.option(
    "--ca-key",
    type=Parsed("pem-file", pem_file),
    help="Path to the PEM-formatted root CA key to use for the new cluster",
)
@switch(
    "-d",
    "--detach",
    text="Exit immediately instead of waiting for the root rotation to converge",
)
@switch("-q", "--quiet", text="Suppress progress output")
@click.pass_context
def ca(ctx: click.Context, session: Session, args: list[str], /, **flags: Any) -> None:
    """Display and rotate the root CA."""
    del args
    client = session.client
    swarm = client.get("/swarm")
    _check(given_names(ctx), flags)
    if flags["rotate"]:
        spec = rotated_spec(swarm["Spec"], flags)
        client.post("/swarm/update", spec, {"version": str(swarm["Version"]["Index"])})
        if flags["detach"]:
            return
        _wait(client, is_quiet=flags["quiet"])
        if flags["quiet"]:
            return
        swarm = client.get("/swarm")
    root = swarm.get("TLSInfo", {}).get("TrustRoot", "").strip()
    if not root:
        raise PreconditionError("No CA information available")
    click.echo(root)


def _check(given: Sequence[str], flags: Any) -> None:
    if not flags["rotate"]:
        for name in _ROTATION_FLAGS:
            if name in given:
                flag = name.replace("_", "-")
                raise InvalidArgumentError(
                    f"`--{flag}` flag requires the `--rotate` flag to update the CA"
                )
        return
    if flags["external_ca"] and not flags["ca_cert"]:
        raise InvalidArgumentError(
            "rotating to an external CA requires the `--ca-cert` flag to specify the external "
            "CA's cert - to add an external CA with the current root CA certificate, use the "
            "`update` command instead"
        )
    if flags["ca_cert"] and not flags["external_ca"] and not flags["ca_key"]:
        raise InvalidArgumentError(
            "the --ca-cert flag requires that a --ca-key flag and/or --external-ca flag be "
            "provided as well"
        )


def rotated_spec(spec: Json, flags: Any) -> Json:
    """The spec that asks for another root: the one given, or a new one."""
    certificate, key = flags["ca_cert"] or "", flags["ca_key"] or ""
    external = [{"CACert": certificate, **item} for item in flags["external_ca"]]
    new = merged_spec(spec, {**flags, "external_ca": external or None})
    config = {**(new.get("CAConfig") or {}), "SigningCACert": certificate, "SigningCAKey": key}
    if not certificate and not key:
        config["ForceRotate"] = config.get("ForceRotate", 0) + 1
    return {**new, "CAConfig": config}


def rotation_lines(swarm: Json, nodes: Sequence[Json]) -> tuple[tuple[Line, ...], bool]:
    """How far a rotation is, and whether it is done."""
    wanted = swarm.get("TLSInfo", {})
    infos = [node.get("Description", {}).get("TLSInfo") or {} for node in nodes]
    issuer = ("CertIssuerPublicKey", "CertIssuerSubject")
    certificates = sum(all(info.get(k) == wanted.get(k) for k in issuer) for info in infos)
    is_settled = certificates == len(nodes) and not swarm.get("RootRotationInProgress")
    roots = sum(info.get("TrustRoot") == wanted.get("TrustRoot") for info in infos)
    shown = roots if is_settled else 0
    lines = (
        Line("  rotated TLS certificates", f"{certificates}/{len(nodes)} nodes"),
        Line("  rotated CA certificates", f"{shown}/{len(nodes)} nodes"),
    )
    return lines, is_settled and roots == len(nodes)


def _wait(client: Client, *, is_quiet: bool) -> None:
    display = Display(is_quiet=is_quiet)
    try:
        while True:
            lines, is_done = rotation_lines(client.get("/swarm"), client.list("/nodes"))
            display.show(lines)
            if is_done:
                return
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        display.message("Operation continuing in background.")
