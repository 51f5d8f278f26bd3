"""What a sound compose file may hold and this version of swarmd does not carry out.

It is read, checked, merged and printed like everything else; only a deployment refuses it, before
anything is made, with the place where it stands.  (A manager would refuse it as well, but knows no
files.)  Whoever implements a part removes its lines here.
"""

from collections.abc import Sequence

from swarmd.compose import model
from swarmd.compose.document import Place
from swarmd.compose.errors import NotYetError
from swarmd.compose.load import Loaded
from swarmd.compose.networks import used_networks

_OVERLAY = "overlay"


def refuse_not_yet(loaded: Loaded) -> None:
    """Raises NotYetError for the first thing that cannot be carried out."""
    _refuse_objects(loaded)
    for name, service in sorted(loaded.model["services"].items()):
        _refuse_service(loaded, name, service)
    for name in used_networks(loaded.model):
        _refuse_network(loaded, name, loaded.model["networks"].get(name, {}))


def _refuse_service(loaded: Loaded, name: str, service: model.Service) -> None:
    if service.get("deploy", {}).get("update_config", {}).get("failure_action") == "rollback":
        at = loaded.place("services", name, "deploy", "update_config", "failure_action")
        raise _unsupported(at, "rollback", "use pause or continue")
    for port in service.get("ports", []):
        if port.get("protocol") == "sctp" and port.get("mode") != "host":
            at = loaded.place("services", name, "ports")
            raise _unsupported(at, "sctp on every node", "publish with mode host")


def _refuse_network(loaded: Loaded, name: str, network: model.Network) -> None:
    if network.get("external"):
        return
    if network.get("driver", _OVERLAY) not in ("", _OVERLAY):
        raise _unsupported(
            loaded.place("networks", name, "driver"),
            f"the driver {network['driver']}",
            "use overlay",
        )
    if "encrypted" in network.get("driver_opts", {}):
        at = loaded.place("networks", name, "driver_opts", "encrypted")
        raise _unsupported(at, "encryption", "leave it out")
    if network.get("enable_ipv6"):
        raise _unsupported(loaded.place("networks", name, "enable_ipv6"), "IPv6", "leave it out")


def _unsupported(at: Place, what: str, advice: str) -> NotYetError:
    return NotYetError(at.refusal(f"{what} is not supported yet: {advice}"), what)


def _refuse_objects(loaded: Loaded) -> None:
    """Secrets and configs, whether a service uses them or the stack would only make them."""
    compose = loaded.model
    for name, service in sorted(compose["services"].items()):
        _refuse_references(loaded, name, "secrets", service.get("secrets", []))
        _refuse_references(loaded, name, "configs", service.get("configs", []))
        if "config" in service.get("credential_spec", {}):
            at = loaded.place("services", name, "credential_spec", "config")
            raise _not_yet(at, "configs", f"service {name}, credential_spec")
    for kind, section in (("secrets", compose["secrets"]), ("configs", compose["configs"])):
        for name, entry in section.items():
            if not entry.get("external"):
                noun = kind.removesuffix("s")
                raise _not_yet(loaded.place(kind, name), kind, f'{noun} "{name}"')


def _refuse_references(
    loaded: Loaded, name: str, kind: str, references: Sequence[model.Reference]
) -> None:
    if not references:
        return
    source = references[0].get("source", "")
    noun = kind.removesuffix("s")
    at = loaded.place("services", name, kind)
    declared = loaded.model["secrets" if kind == "secrets" else "configs"]
    if source not in declared:
        raise at.error(f'service {name}: undefined {noun} "{source}"')
    raise _not_yet(at, kind, f'service {name}, {noun} "{source}"')


def _not_yet(at: Place, kind: str, user: str) -> NotYetError:
    return NotYetError(at.error(f"{kind} are not supported yet: {user}"), kind)
