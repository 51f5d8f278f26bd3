"""Networks of the cluster and of the engine behind one set of paths, and who may join them.

The cluster's come from a provider; what is the engine's own is passed on to it.  For now only tasks
join cluster networks: a plain container that asks for one is refused in words, because the engine
would either not know the network or attach it with an address that nobody else knows.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol, TypeVar
from urllib.parse import urlencode

import msgspec

from swarmd.api import respond
from swarmd.api.documents import Document, answered, merged, read
from swarmd.api.message import Handler, Request, Response
from swarmd.api.network_views import (
    NETWORK_LABEL,
    PREDEFINED,
    Listed,
    has_labels,
    listed,
    matches,
    resolve,
)
from swarmd.api.read import Filters, filters_text, parse_filters
from swarmd.api.upstream import Upstream
from swarmd.errors import (
    BadRequestError,
    ConflictError,
    EngineError,
    NotManagerError,
    NotPermittedError,
    PreconditionError,
    UnavailableError,
)
from swarmd.wire.codec import decode

R = TypeVar("R", bound=msgspec.Struct)


class ClusterNetworks(Protocol):
    """The networks of the cluster, for a node that can tell: all raise NotManagerError elsewhere."""

    async def list(self, request: Request) -> Sequence[bytes]:
        """Each as Docker's JSON in the request's API version, `Scope` swarm, unfiltered."""
        ...

    async def create(self, request: Request) -> Response:
        """`POST /networks/create` for a network that belongs to the cluster."""
        ...

    async def remove(self, network_id: str, request: Request) -> Response:
        """204; raises PreconditionError while services or tasks use it."""
        ...


class _Create(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    name: str = ""
    driver: str = ""
    scope: str = ""
    ingress: bool = False
    config_only: bool = False
    labels: dict[str, str] | None = None


class _HostConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    network_mode: str = ""


class _NetworkingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    endpoints_config: dict[str, object] | None = None


class _ContainerCreate(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    host_config: _HostConfig | None = None
    networking_config: _NetworkingConfig | None = None

    def networks(self) -> list[str]:
        """The networks of a user's making that it asks for, in order, each once."""
        mode = self.host_config.network_mode if self.host_config else ""
        more = self.networking_config.endpoints_config if self.networking_config else None
        asked = dict.fromkeys([mode, *(more or {})])
        return [n for n in asked if n and n not in PREDEFINED and not n.startswith("container:")]


class _Pruned(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    networks_deleted: list[str] | None = None


class MergedNetworks:
    """Handlers of `/networks`, and of `/containers/create`, which names networks."""

    def __init__(self, upstream: Upstream, cluster: ClusterNetworks) -> None:
        self._upstream = upstream
        self._cluster = cluster

    def handlers(self) -> Mapping[str, Handler]:
        """By route name."""
        return {
            "container_create": self.create_container,
            "network_list": self.list,
            "network_create": self.create,
            "network_prune": self.prune,
            "network_inspect": self.inspect,
            "network_remove": self.remove,
            "network_connect": self.change_members,
            "network_disconnect": self.change_members,
        }

    async def list(self, request: Request) -> Response:
        """The cluster's first, then the engine's without our bridges and without twins."""
        filters = parse_filters(request.query.get("filters", ""))
        answer = await self._upstream.forward(request)
        if answer.status != HTTPStatus.OK:
            return answer
        cluster = [n for n in await self._of_cluster(request) if matches(n.seen, filters)]
        ids = {network.seen.id for network in cluster}
        local = [
            n
            for n in listed(answered(answer, list[msgspec.Raw]))
            if not n.is_hidden and n.seen.id not in ids
        ]
        return respond.json([network.document for network in (*cluster, *local)])

    async def inspect(self, request: Request) -> Response:
        """Of a cluster network: the cluster's document, with this engine's containers in it."""
        scope = request.query.get("scope", "")
        local = [] if scope == "swarm" else await self._of_engine(request)
        found = await self._find(request, [n for n in local if scope in ("", n.seen.scope)])
        if found is None or found.seen.scope != "swarm":
            target = request.target
            if found is not None:
                target = target.replace(request.path, f"/networks/{found.seen.id}", 1)
            return await self._upstream.forward(request, target=target)
        bridge = next((n for n in local if n.seen.stands_for == found.seen.id), None)
        if bridge is None:
            return respond.json(found.document)
        answer = await self._upstream.ask("GET", f"/v{request.version}/networks/{bridge.seen.id}")
        if answer.status != HTTPStatus.OK:
            return respond.json(found.document)
        containers = answered(answer, Document).get("Containers")
        return respond.json(merged(read(found.document, Document) or {}, Containers=containers))

    async def create(self, request: Request) -> Response:
        """By scope and driver: the cluster's, or the engine's unless the cluster has the name."""
        spec = _asked(request.body, _Create)
        if NETWORK_LABEL in (spec.labels or {}):
            raise BadRequestError(f"label {NETWORK_LABEL} is swarmd's own: leave it out")
        if (spec.driver, spec.scope) == ("overlay", "local"):
            raise NotPermittedError("cannot downgrade network scope for overlay networks")
        is_cluster_s = not spec.config_only and (
            spec.scope == "swarm" or spec.ingress or spec.driver == "overlay"
        )
        others = await (self._local if is_cluster_s else self._of_cluster)(request)
        if any(network.seen.name == spec.name for network in others):
            raise ConflictError(f"network with name {spec.name} already exists")
        if not is_cluster_s:
            return await self._upstream.forward(request)
        try:
            return await self._cluster.create(request)
        except NotManagerError as error:
            # Docker answers this one with 403.
            raise NotPermittedError(str(error)) from error

    async def remove(self, request: Request) -> Response:
        """Whoever's it is."""
        found = await self._find(request, await self._of_engine(request))
        if found is None:
            return await self._upstream.forward(request)
        if found.is_hidden:
            raise NotPermittedError(_is_bridge(found))
        if found.seen.scope == "swarm":
            return await self._cluster.remove(found.seen.id, request)
        return await self._upstream.forward(request, target=f"/networks/{found.seen.id}")

    async def change_members(self, request: Request) -> Response:
        """Connect and disconnect: networks of the engine only."""
        await self._refuse_cluster(request, [request.params["id"]])
        return await self._upstream.forward(request)

    async def create_container(self, request: Request) -> Response:
        """The engine's, unless it asks for a network of the cluster."""
        body = _asked(request.body, _ContainerCreate)
        await self._refuse_cluster(request, body.networks())
        return await self._upstream.forward(request)

    async def prune(self, request: Request) -> Response:
        """The engine's unused networks but for our bridges, and the cluster's unused ones.

        With `until` the cluster's are left alone: they are seldom so many that age would matter.
        """
        filters = parse_filters(request.query.get("filters", ""))
        spared = {**filters, "label!": (*filters.get("label!", ()), NETWORK_LABEL)}
        query = urlencode({**request.query, "filters": filters_text(spared)})
        answer = await self._upstream.forward(request, target=f"{request.path}?{query}")
        if answer.status != HTTPStatus.OK:
            return answer
        local = answered(answer, _Pruned).networks_deleted or []
        cluster = [] if "until" in filters else await self._prune_cluster(request, filters)
        return respond.json({"NetworksDeleted": [*local, *cluster] or None})

    async def _prune_cluster(self, request: Request, filters: Filters) -> Sequence[str]:
        """The names of the cluster networks that nobody used."""
        removed = []
        for network in await self._of_cluster(request):
            labels = filters.get("label", ()), filters.get("label!", ())
            if network.seen.ingress or not has_labels(network.seen, *labels):
                continue
            try:
                await self._cluster.remove(network.seen.id, request)
            except (PreconditionError, ConflictError):
                continue  # in use
            removed.append(network.seen.name)
        return removed

    async def _refuse_cluster(self, request: Request, references: Sequence[str]) -> None:
        """Raise NotPermittedError if one of them is a network of the cluster, or its bridge."""
        if not references:
            return
        local = await self._of_engine(request)
        cluster: Sequence[Listed] | None = None
        for reference in references:
            found = resolve(reference, local)
            if found is not None and found.is_hidden:
                raise NotPermittedError(_is_bridge(found))
            if found is None:
                if cluster is None:
                    cluster = await self._of_cluster(request)
                found = resolve(reference, cluster)
                if found is not None:
                    raise NotPermittedError(_only_tasks(found))

    async def _find(self, request: Request, local: Sequence[Listed]) -> Listed | None:
        """The network that the path names; None if it can only be the engine's to say no."""
        try:
            cluster = listed(await self._cluster.list(request))
        except NotManagerError:
            cluster = []
        return resolve(request.params["id"], [*cluster, *local])

    async def _of_engine(self, request: Request) -> Sequence[Listed]:
        """All networks of the engine, our bridges too."""
        answer = await self._upstream.ask("GET", f"/v{request.version}/networks")
        return listed(answered(answer, list[msgspec.Raw])) if answer.status == HTTPStatus.OK else []

    async def _local(self, request: Request) -> Sequence[Listed]:
        """The user's own networks of the engine; none while it is away, as the cluster goes on."""
        try:
            return [network for network in await self._of_engine(request) if not network.is_hidden]
        except EngineError:
            return []

    async def _of_cluster(self, request: Request) -> Sequence[Listed]:
        """All networks of the cluster; none while it cannot tell, as plain containers go on."""
        try:
            return listed(await self._cluster.list(request))
        except UnavailableError:
            return []


def _asked(body: bytes, kind: type[R]) -> R:
    """What is read of a request; nothing of one that is no such JSON, as whoever gets it will say."""
    try:
        return decode(body, kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return kind()


def _is_bridge(network: Listed) -> str:
    return (
        f"network {network.seen.name} is this node's bridge of cluster network "
        f"{network.seen.stands_for}; swarmd makes and removes it. Use the cluster network instead"
    )


def _only_tasks(network: Listed) -> str:
    return (
        f"network {network.seen.name} belongs to the swarm, and connecting plain containers to it "
        "is not supported yet. Run the container as a service, or use a network of this engine"
    )
