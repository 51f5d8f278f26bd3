"""`/nodes`: list, inspect, update, remove."""

from collections.abc import Iterator, Mapping

from swarmd.api import decide_node, respond
from swarmd.api.cluster import Call, CallHandler
from swarmd.api.listing import encoded_list
from swarmd.api.message import Response
from swarmd.api.read import Filters, read_filters, read_json, read_object_version
from swarmd.store.find import find_node
from swarmd.wire.filters import NODE_KEYS, check_node_filters, node_matches
from swarmd.wire.node import decode_spec, encode


async def list_(call: Call) -> Response:
    """All that match."""
    filters = read_filters(call.request, NODE_KEYS)
    check_node_filters(filters)
    return await encoded_list(_matching(call, filters))


def _matching(call: Call, filters: Filters) -> Iterator[bytes | None]:
    managers = call.cluster.manager_statuses()
    for node in call.view.nodes().values():
        yield encode(node, managers.get(node.id)) if node_matches(node, filters) else None


async def inspect(call: Call) -> Response:
    """One node, by id, host name or prefix of an id."""
    node = find_node(call.view, call.request.params["id"])
    return respond.encoded(encode(node, call.cluster.manager_statuses().get(node.id)))


async def update(call: Call) -> Response:
    """Labels, availability, role."""
    version = read_object_version(call.request, "node")
    spec = read_json(call.request, decode_spec, None) or decode_spec(b"{}")
    managers = call.cluster.manager_statuses()
    await call.write(decide_node.update(call.request.params["id"], version, spec, managers))
    return respond.empty()


async def remove(call: Call) -> Response:
    """A node that is down, or by force."""
    force = call.request.flag("force")
    await call.write(decide_node.remove(call.request.params["id"], force=force))
    return respond.empty()


HANDLERS: Mapping[str, CallHandler] = {
    "node_list": list_,
    "node_inspect": inspect,
    "node_update": update,
    "node_remove": remove,
}
