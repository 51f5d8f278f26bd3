"""What a sound compose file may hold and this version of swarmd does not carry out.

Secrets and configs are read, checked, merged and printed like everything else; only a deployment
refuses them.  Whoever implements them removes this file and its one call.
"""

from collections.abc import Sequence

from swarmd.compose import model
from swarmd.compose.document import Place
from swarmd.compose.errors import NotYetError
from swarmd.compose.load import Loaded


def refuse_not_yet(loaded: Loaded) -> None:
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
