"""`/services`: create, list, inspect, update, remove."""

from collections.abc import Iterator, Mapping

import msgspec

from swarmd.api import decide_service, respond
from swarmd.api.cluster import Call, CallHandler
from swarmd.api.listing import encoded_list
from swarmd.api.message import Request, Response
from swarmd.api.read import Filters, read_filters, read_json, read_object_version
from swarmd.errors import UnclassifiedError, UnsupportedError
from swarmd.model.names import invented_name
from swarmd.model.node import NodeState
from swarmd.model.service import Service
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import TaskState
from swarmd.model.validate import check_service, normalised
from swarmd.store.find import find_service
from swarmd.store.view import View
from swarmd.wire.container import check_templates
from swarmd.wire.filters import SERVICE_KEYS, service_matches
from swarmd.wire.service import ServiceCounts, decode_spec, encode, with_defaults


async def create(call: Call) -> Response:
    """201 with the id, which follows from the request: the same request makes the same service."""
    request = call.request
    spec = _read_spec(request)
    # Checked with a name, though the one that it gets is chosen where the others are known.
    invented = invented_name(call.request_id, 0)
    _check(msgspec.structs.replace(spec, name=spec.name or invented))
    await call.write(decide_service.create(call.request_id, spec, _registry_auth(request)))
    identity = decide_service.service_id(call.request_id)
    return respond.json({"ID": identity, "Warnings": None}, status=201)


async def inspect(call: Call) -> Response:
    """One service, by id, name or prefix of an id."""
    service = find_service(call.view, call.request.params["id"])
    fill = call.request.flag("insertDefaults")
    return respond.encoded(_encode(call.view, service, fill_defaults=fill))


async def list_(call: Call) -> Response:
    """All that match, with counts of tasks if they are asked for."""
    filters = read_filters(call.request, SERVICE_KEYS)
    with_status = call.request.flag("status") and call.request.version >= (1, 41)
    return await encoded_list(_matching(call.view, filters, with_status=with_status))


def _matching(view: View, filters: Filters, *, with_status: bool) -> Iterator[bytes | None]:
    for service in view.services().values():
        if service_matches(service, view.spec(service), filters):
            counts = counted(view, service) if with_status else None
            yield _encode(view, service, counts=counts)
        else:
            yield None


async def update(call: Call) -> Response:
    """A new spec for a service whose spec is still the one that the client has seen."""
    request = call.request
    version = read_object_version(request, "service")
    spec = _read_spec(request)
    _check_rollback(request)
    auth_from = request.query.get("registryAuthFrom", "") or "spec"
    if auth_from not in ("spec", "previous-spec"):
        raise UnclassifiedError("unsupported registryAuthFrom value")
    _check(spec)
    await call.write(
        decide_service.update(
            request.params["id"], version, spec, _registry_auth(request), auth_from=auth_from
        )
    )
    return respond.json({"Warnings": None})


def _check_rollback(request: Request) -> None:
    match request.query.get("rollback", ""):
        case "" | "none":
            return
        case "previous":
            raise UnsupportedError(
                "rolling back a service is not supported yet: update it with the spec that it had"
            )
        case other:
            raise UnclassifiedError(f"unrecognized rollback option {other}")


async def remove(call: Call) -> Response:
    """The service is gone when this is answered; its tasks are on their way."""
    await call.write(decide_service.remove(call.request.params["id"]))
    return respond.empty()


HANDLERS: Mapping[str, CallHandler] = {
    "service_list": list_,
    "service_create": create,
    "service_inspect": inspect,
    "service_update": update,
    "service_remove": remove,
}


def _read_spec(request: Request) -> ServiceSpec:
    version = request.version

    def read(body: bytes) -> ServiceSpec:
        return normalised(decode_spec(body, version))

    return read_json(request, read, read(b"{}"))


def _check(spec: ServiceSpec) -> None:
    check_service(spec)
    check_templates(spec)


def _registry_auth(request: Request) -> str:
    """As it came, in base64: agents hand it to their engines, which read it."""
    return request.header("X-Registry-Auth")


def _encode(
    view: View,
    service: Service,
    *,
    fill_defaults: bool = False,
    counts: ServiceCounts | None = None,
) -> bytes:
    spec = view.spec(service)
    version = service.previous_spec_version
    previous = None if version is None else view.stored_spec(service.id, version)
    return encode(
        service,
        with_defaults(spec) if fill_defaults else spec,
        None if previous is None else previous.spec,
        view.networks(),
        counts,
    )


def counted(view: View, service: Service) -> ServiceCounts:
    """How many tasks run, and how many are to run: of a global service, one a live node has."""
    running = wanted = 0
    for task in view.tasks_of(service.id).values():
        if task.desired_state is not TaskState.RUNNING:
            continue
        running += task.is_running
        node = view.node(task.node_id)
        wanted += node is not None and node.status.state is not NodeState.DOWN
    spec = view.spec(service)
    return ServiceCounts(
        running_tasks=running, desired_tasks=spec.replicas if spec.is_replicated else wanted
    )
