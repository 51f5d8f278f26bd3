"""Writes of services, decided against the cluster's state: pure functions of a view and a time.

What can be told from the spec alone was checked before (`model.validate`).  The allocation of
addresses and ports, and the end of a removed service's tasks, are the leader's passes.

Source: swarmkit manager/controlapi/service.go, moby daemon/cluster/services.go.
"""

from collections.abc import Iterator, Sequence

import msgspec

from swarmd.api.cluster import Decide
from swarmd.api.network_views import SERVICE_NETWORKS
from swarmd.dispatcher.scheduler.constraints import parse
from swarmd.errors import (
    InvalidArgumentError,
    NameInUseError,
    NotFoundError,
    PreconditionError,
    UnclassifiedError,
    UnknownCodeError,
    UnsupportedError,
)
from swarmd.model.ids import RequestID, ServiceID, Version, id_from
from swarmd.model.names import invented_name
from swarmd.model.service import Service, StoredSpec
from swarmd.model.spec import NetworkAttachmentConfig, PortConfig, ServiceSpec
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, Delete, Kind, PutService, PutSpec
from swarmd.store.find import find_network, find_service
from swarmd.store.sequencer import check_version
from swarmd.store.view import View
from swarmd.wire.filters import mode_of

FIRST_VERSION = Version(1)


def service_id(request_id: RequestID) -> ServiceID:
    """The id of the service that a request creates."""
    return ServiceID(id_from("service", request_id))


def create(request_id: RequestID, spec: ServiceSpec, registry_auth: str) -> Decide:
    """A new service; an empty name is filled in."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        named = msgspec.structs.replace(spec, name=spec.name or _free_name(view, request_id))
        resolved = _resolved(view, named)
        identity = service_id(request_id)
        _check_ports(view, identity, resolved)
        if view.id_by_name("service", named.name) is not None:
            raise NameInUseError("service", named.name)
        stored = StoredSpec(service_id=identity, version=FIRST_VERSION, spec=resolved)
        service = Service(
            id=identity,
            name=resolved.name,
            spec_version=FIRST_VERSION,
            registry_auth=registry_auth,
        )
        return [PutSpec(record=stored), PutService(record=service)]

    return decide


def update(
    reference: str, version: int, spec: ServiceSpec, registry_auth: str, *, auth_from: str
) -> Decide:
    """A new version of a service's spec; the one before becomes its previous spec.

    Without credentials the service keeps those that it has.  There is one set for a service and
    none for each version, so `previous-spec` means the same as `spec`, once there is one.
    """

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        service = find_service(view, reference)
        check_version(service.meta, version)
        old = view.spec(service)
        if old.name != spec.name:
            raise UnsupportedError("renaming services is not supported")
        if mode_of(old) != mode_of(spec):
            raise UnsupportedError("service mode change is not allowed")
        if auth_from == "previous-spec" and service.previous_spec_version is None:
            raise UnclassifiedError("service does not have a previous spec")
        resolved = _resolved(view, spec)
        _check_ports(view, service.id, resolved)
        newest = Version(max(view.specs_of(service.id)) + 1)
        changed = msgspec.structs.replace(
            service,
            spec_version=newest,
            previous_spec_version=service.spec_version,
            update_status=None,
            registry_auth=registry_auth or service.registry_auth,
        )
        stored = StoredSpec(service_id=service.id, version=newest, spec=resolved)
        return [PutSpec(record=stored), PutService(record=changed)]

    return decide


def remove(reference: str) -> Decide:
    """The service goes at once; the leader's next round asks its tasks to go, then its specs."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        return [Delete(kind=Kind.SERVICE, id=find_service(view, reference).id)]

    return decide


def _free_name(view: View, request_id: RequestID) -> str:
    attempt = 0
    while view.id_by_name("service", name := invented_name(request_id, attempt)) is not None:
        attempt += 1
    return name


def _resolved(view: View, spec: ServiceSpec) -> ServiceSpec:
    """With ids of networks instead of their names.  Raises if the cluster cannot have it."""
    template = spec.task_template
    for expression in template.placement.constraints if template.placement else ():
        try:
            parse(expression)
        except InvalidArgumentError as error:
            raise UnknownCodeError(str(error)) from error
    networks = tuple(_network(view, config) for config in template.networks)
    has_ingress = any(network.is_ingress for network in view.networks().values())
    if not has_ingress and any(port.is_ingress for port in spec.ports):
        raise PreconditionError("service needs ingress network, but no ingress network is present")
    return msgspec.structs.replace(
        spec, task_template=msgspec.structs.replace(template, networks=networks)
    )


def _network(view: View, config: NetworkAttachmentConfig) -> NetworkAttachmentConfig:
    if config.target in SERVICE_NETWORKS:
        return config
    try:
        network = find_network(view, config.target)
    except NotFoundError as error:
        # Docker's front end looks it up here, and gives what it hears no class.
        raise UnclassifiedError(str(error)) from error
    if network.is_ingress:
        name = network.spec.name
        raise InvalidArgumentError(
            f'Service cannot be explicitly attached to the ingress network "{name}"'
        )
    return msgspec.structs.replace(config, target=network.id)


def _check_ports(view: View, identity: ServiceID, spec: ServiceSpec) -> None:
    """Raise if a port is another service's: on every node, or on a node that this one may use."""
    wanted = {(p.published_port, p.protocol): p for p in spec.ports if p.published_port}
    if not wanted:
        return
    for other, port in _published(view, identity):
        own = wanted.get((port.published_port, port.protocol))
        if own is not None and (own.is_ingress or port.is_ingress):
            kind = "an ingress port" if port.is_ingress else "a host-published port"
            raise InvalidArgumentError(
                f"port '{port.published_port}' is already in use by service "
                f"'{other.name}' ({other.id}) as {kind}"
            )


def _published(view: View, but: ServiceID) -> Iterator[tuple[Service, PortConfig]]:
    """Ports of other services: as allocated, and as asked for where that has not happened yet."""
    for service in view.services().values():
        if service.id != but:
            for port in (*service.ports, *view.spec(service).ports):
                yield service, port
