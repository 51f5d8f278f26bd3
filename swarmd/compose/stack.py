"""Wanted minus existing: the calls that bring a stack to what its files say.

Order: services that are no longer wanted go first, because they hold names and ports; then
networks, which services need; then services, by name.  An existing network is never changed.
A service is always updated: the server, which fills in defaults, knows best whether that changes
anything, and leaves the tasks alone if it does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from swarmd.compose.containers import NAMESPACE_LABEL
from swarmd.compose.convert import IMAGE_LABEL, StackSpecs
from swarmd.compose.document import Json
from swarmd.compose.networks import PREDEFINED_NETWORKS
from swarmd.errors import InvalidArgumentError

RESOLVE_IMAGE = ("always", "changed", "never")


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """POST /networks/create."""

    name: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class CreateService:
    """POST /services/create; with the image's digest asked for first if `resolves_image`."""

    name: str
    spec: Mapping[str, Json]
    resolves_image: bool


@dataclass(frozen=True, slots=True)
class UpdateService:
    """POST /services/{id}/update?version=; likewise."""

    id: str
    version: int
    name: str
    spec: Mapping[str, Json]
    resolves_image: bool


@dataclass(frozen=True, slots=True)
class RemoveService:
    """DELETE /services/{id}."""

    id: str
    name: str


Operation: TypeAlias = CreateNetwork | CreateService | UpdateService | RemoveService


def stack_plan(
    specs: StackSpecs,
    existing_services: Sequence[Mapping[str, Json]],
    existing_networks: Sequence[Mapping[str, Json]],
    *,
    prune: bool,
    resolve_image: str,
) -> tuple[Operation, ...]:
    """The operations, in the order in which they are to be carried out.

    `existing_*` are what `GET /services` and `GET /networks` answer; those of others may be among
    them, and external networks must be.  `resolve_image`: `always` asks the registry for each
    image, `changed` for those written otherwise than at the last deployment, `never` for none; an
    image that is not asked for and reads as before keeps its digest.  Nothing is removed without
    `prune`.  Raises ComposeError if an external network is missing.
    """
    if resolve_image not in RESOLVE_IMAGE:
        raise InvalidArgumentError(f"Invalid option {resolve_image} for flag --resolve-image")
    _check_external(specs, existing_networks)
    services = {
        _text(service, "Spec", "Name"): service
        for service in existing_services
        if _text(service, "Spec", "Labels", NAMESPACE_LABEL) == specs.stack
    }
    networks = {
        _text(network, "Name")
        for network in existing_networks
        if _text(network, "Labels", NAMESPACE_LABEL) == specs.stack
    }
    return (
        *_removals(specs, services if prune else {}),
        *(
            CreateNetwork(name, specs.networks[name])
            for name in specs.networks
            if name not in networks
        ),
        *(
            _deployment(name, spec, services.get(name), resolve_image)
            for name, spec in specs.services.items()
        ),
    )


def _check_external(specs: StackSpecs, existing: Sequence[Mapping[str, Json]]) -> None:
    """Docker's texts; a name may be taken in several scopes."""
    scopes: dict[str, list[str]] = {}
    for network in existing:
        scopes.setdefault(_text(network, "Name"), []).append(_text(network, "Scope"))
    for name, at in specs.external_networks.items():
        found = scopes.get(name, [])
        if name in PREDEFINED_NETWORKS or "swarm" in found:
            continue
        declared = f'network "{name}" is declared as external, but '
        if not found:
            raise at.error(
                f"{declared}could not be found. You need to create a swarm-scoped network "
                "before the stack is deployed"
            )
        raise at.error(f'{declared}it is not in the right scope: "{found[0]}" instead of "swarm"')


def _removals(specs: StackSpecs, services: Mapping[str, Mapping[str, Json]]) -> list[RemoveService]:
    unwanted = sorted(name for name in services if name not in specs.services)
    return [RemoveService(_text(services[name], "ID"), name) for name in unwanted]


def _deployment(
    name: str, spec: Mapping[str, Json], existing: Mapping[str, Json] | None, resolve_image: str
) -> CreateService | UpdateService:
    if existing is None:
        return CreateService(name, spec, resolves_image=resolve_image != "never")
    is_same = _text(spec, "Labels", IMAGE_LABEL) == _text(existing, "Spec", "Labels", IMAGE_LABEL)
    resolves_image = resolve_image == "always" or (resolve_image == "changed" and not is_same)
    deployed = _at(existing, "Spec", "TaskTemplate")
    kept: dict[str, Json] = {"ForceUpdate": _at(deployed, "ForceUpdate") or 0}
    if is_same and not resolves_image:
        image = _text(deployed, "ContainerSpec", "Image")
        kept["ContainerSpec"] = {**_mapping(spec, "TaskTemplate", "ContainerSpec"), "Image": image}
    template = {**_mapping(spec, "TaskTemplate"), **kept}
    return UpdateService(
        id=_text(existing, "ID"),
        version=int(_text(existing, "Version", "Index")),
        name=name,
        spec={**spec, "TaskTemplate": template},
        resolves_image=resolves_image,
    )


def _at(value: Json, *path: str) -> Json:
    """What stands at a path of an answer, or None."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _text(value: Json, *path: str) -> str:
    found = _at(value, *path)
    return "" if found is None else str(found)


def _mapping(value: Json, *path: str) -> Mapping[str, Json]:
    found = _at(value, *path)
    return found if isinstance(found, Mapping) else {}
