"""The cluster's part of `/networks`, behind `merged_networks`."""

from collections.abc import Mapping, Sequence

import msgspec

from swarmd.api import decide_network, respond
from swarmd.api.cluster import Call, CallHandler
from swarmd.api.leader import Forwarder
from swarmd.api.listing import encoded_list
from swarmd.api.message import Request, Response
from swarmd.api.network_views import SERVICE_NETWORKS
from swarmd.api.read import read_json
from swarmd.model.network import NetworkSpec
from swarmd.wire.network import decode_create, encode, encode_predefined


async def list_(call: Call) -> Response:
    """All networks of the cluster.

    Who looks one up for a service says so by its scope, and finds the engines' own among them:
    every node has these.
    """
    version = call.request.version
    found = (encode(network, version) for network in call.view.networks().values())
    cluster = call.view.cluster
    if cluster is None or call.request.query.get("scope") != "swarm":
        return await encoded_list(found)
    created_at = cluster.meta.created_at
    every_engines = (encode_predefined(name, created_at, version) for name in SERVICE_NETWORKS)
    return await encoded_list((*found, *every_engines))


async def create(call: Call) -> Response:
    """201 with the id, which follows from the request."""
    spec = read_json(call.request, decode_create, NetworkSpec(name="", labels={}))
    decide_network.check(spec)
    await call.write(decide_network.create(call.request_id, spec))
    identity = decide_network.network_id(call.request_id)
    return respond.json({"Id": identity, "Warning": ""}, status=201)


async def remove(call: Call) -> Response:
    """204; refused while something uses it."""
    await call.write(decide_network.remove(call.request.params["id"]))
    return respond.empty(204)


#: Not names of routes: reached through `ForwardedNetworks`, here or at the leader.
HANDLERS: Mapping[str, CallHandler] = {
    "cluster_network_list": list_,
    "cluster_network_create": create,
    "cluster_network_remove": remove,
}


class ForwardedNetworks:
    """`merged_networks.ClusterNetworks`, by way of the leader."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    async def list(self, request: Request) -> Sequence[bytes]:
        """As `ClusterNetworks.list`."""
        answer = await self._forwarder.run("cluster_network_list", _without_body(request))
        assert isinstance(answer.body, bytes)
        return [bytes(one) for one in msgspec.json.decode(answer.body, type=list[msgspec.Raw])]

    async def create(self, request: Request) -> Response:
        """As `ClusterNetworks.create`."""
        return await self._forwarder.run("cluster_network_create", request)

    async def remove(self, network_id: str, request: Request) -> Response:
        """As `ClusterNetworks.remove`."""
        asked = msgspec.structs.replace(_without_body(request), params={"id": network_id})
        return await self._forwarder.run("cluster_network_remove", asked)


def _without_body(request: Request) -> Request:
    """Asked on behalf of another request, possibly several times: neither its body nor its id."""
    return msgspec.structs.replace(request, body=b"", headers={})
