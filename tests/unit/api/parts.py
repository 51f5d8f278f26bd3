"""The API with a swarm that tests speak for: state, networks and handlers are plain attributes."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from swarmd.api import respond, routes
from swarmd.api.events import EventLog
from swarmd.api.front import Front
from swarmd.api.merged import Merged
from swarmd.api.merged_events import MergedEvents
from swarmd.api.merged_networks import MergedNetworks
from swarmd.api.message import Handler, Request, Response
from swarmd.api.server import Server
from swarmd.api.upstream import Upstream
from swarmd.errors import NotManagerError
from swarmd.wire.errors import NOT_IN_SWARM


class Swarm:
    """`SwarmStatus` and `ClusterNetworks` of a node that is what the test says."""

    def __init__(self) -> None:
        self.said = "inactive"
        self.warnings: list[str] = []
        #: None: this node is no manager
        self.networks: list[dict[str, object]] | None = None
        self.removed: list[str] = []
        #: names of networks that something uses
        self.refusal: Exception | None = None
        self.events = EventLog()
        #: the time of day, ns
        self.now = 1_795_240_183 * 10**9

    def state(self) -> str:
        return self.said

    def section(self) -> dict[str, object]:
        section = {"NodeID": "", "LocalNodeState": self.said.split("/")[0], "RemoteManagers": None}
        return section | ({"Warnings": self.warnings} if self.warnings else {})

    async def list(self, request: Request) -> Sequence[bytes]:
        del request
        if self.networks is None:
            raise NotManagerError(NOT_IN_SWARM)
        return [msgspec.json.encode(network) for network in self.networks]

    async def create(self, request: Request) -> Response:
        if self.networks is None:
            raise NotManagerError(NOT_IN_SWARM)
        spec = msgspec.json.decode(request.body, type=dict[str, object])
        self.networks.append({"Id": f"id-of-{spec['Name']}", "Scope": "swarm", **spec})
        return respond.json({"Id": f"id-of-{spec['Name']}", "Warning": ""}, status=201)

    async def remove(self, network_id: str, request: Request) -> Response:
        del request
        if self.refusal is not None:
            raise self.refusal
        self.removed.append(network_id)
        return respond.empty(204)


async def refuse(request: Request) -> Response:
    """What every path of ours answers on a node without a swarm."""
    del request
    raise NotManagerError(NOT_IN_SWARM)


@contextlib.asynccontextmanager
async def serving(
    engine_socket: str, hosts: Sequence[str], swarm: Swarm, ours: Mapping[str, Handler] = {}
) -> AsyncIterator[Upstream]:
    """The API on `hosts`, before the engine behind a socket; `ours` replaces refusals by name."""
    upstream = Upstream(engine_socket)
    await upstream.open()
    try:
        front = Front(
            {name: ours.get(name, refuse) for name in routes.names(routes.Kind.OURS)},
            Merged(upstream, swarm, release="0.0.1").handlers(),
            MergedNetworks(upstream, swarm).handlers(),
            MergedEvents(upstream, swarm.events, lambda: swarm.now).handlers(),
        )
        async with Server(hosts, front, upstream):
            yield upstream
    finally:
        await upstream.close()
