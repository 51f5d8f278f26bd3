"""What is neither the engine's alone nor ours: ping, version, info, containers' list, new volumes.

The engine's documents are kept as raw JSON per key, so that fields which swarmd does not know, now
or in a later version, go through untouched.  While the engine is away, the last document that was
seen is shown, with a warning that says so.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from swarmd.api import respond
from swarmd.api.documents import Document, answered, merged, read
from swarmd.api.message import Handler, Request, Response
from swarmd.api.read import filters_text, parse_filters
from swarmd.api.upstream import Upstream
from swarmd.errors import EngineError, UnsupportedError

#: How long a ping waits for the engine before it answers from what is known.
_GLANCE_S = 1.0
#: What tells a task's container from another.
TASK_LABEL = "com.docker.swarm.task.id"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class SwarmStatus(Protocol):
    """What the node's part in a swarm looks like from outside; answers from memory."""

    def state(self) -> str:
        """`inactive`, `pending`, `error`, `locked`, `active/worker` or `active/manager`."""
        ...

    def section(self) -> Mapping[str, object]:
        """The `Swarm` of `/info`; its `Warnings` are a user's as the engine's own are."""
        ...


class _Labelled(msgspec.Struct, frozen=True):
    labels: dict[str, str] | None = msgspec.field(default=None, name="Labels")


class _VolumeCreate(msgspec.Struct, frozen=True):
    cluster: object = msgspec.field(default=None, name="ClusterVolumeSpec")


class Merged:
    """Handlers of the merged paths that have nothing to do with networks."""

    def __init__(self, upstream: Upstream, swarm: SwarmStatus, *, release: str) -> None:
        self._upstream = upstream
        self._swarm = swarm
        #: swarmd's own version, shown as a component of the server
        self._release = release
        #: "info" and "version" as last seen
        self._seen: dict[str, Document] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """By route name."""
        return {
            "ping": self.ping,
            "version": self.version,
            "info": self.info,
            "container_list": self.container_list,
            "volume_create": self.volume_create,
        }

    async def ping(self, request: Request) -> Response:
        """Alive, and what a client needs to know to choose its API version and its flags."""
        await self._upstream.refresh(_GLANCE_S)
        facts = self._upstream.facts
        headers = {
            **facts.headers,
            **({"Builder-Version": facts.builder} if facts.builder else {}),
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Content-Type": "text/plain; charset=utf-8",
            "Pragma": "no-cache",
            "Swarm": self._swarm.state(),
        }
        return Response(headers=headers, body=b"" if request.method == "HEAD" else b"OK")

    async def version(self, request: Request) -> Response:
        """The engine's, with the API version that is offered here and swarmd as a component."""
        await self._upstream.refresh(_GLANCE_S)
        document = await self._document("version", request)
        if isinstance(document, Response):
            return document
        offered = str(self._upstream.facts.offered)
        components = read(document.get("Components"), list[Document]) or []
        return respond.json(
            merged(
                document,
                ApiVersion=offered,
                MinAPIVersion=str(self._upstream.facts.oldest),
                Components=[
                    *(_with_api_version(component, offered) for component in components),
                    {"Name": "swarmd", "Version": self._release},
                ],
            )
        )

    async def info(self, request: Request) -> Response:
        """The engine's, with our `Swarm`."""
        document = await self._document("info", request)
        if isinstance(document, Response):
            return document
        section = self._swarm.section()
        said = section.get("Warnings")
        if isinstance(said, list):
            known = read(document.get("Warnings"), list[str]) or []
            document = merged(document, Warnings=[*known, *said])
        return respond.json(merged(document, Swarm=section))

    async def _document(self, name: str, request: Request) -> Document | Response:
        """The engine's document, fresh or as last seen; or its refusal."""
        try:
            answer = await self._upstream.forward(request)
        except EngineError as error:
            known = self._seen.get(name, {})
            warnings = read(known.get("Warnings"), list[str]) or []
            return merged(known, Warnings=[*warnings, f"WARNING: {error}"])
        if answer.status != HTTPStatus.OK:
            return answer
        self._seen[name] = answered(answer, Document)
        return self._seen[name]

    async def container_list(self, request: Request) -> Response:
        """The engine's list; `is-task` goes by our label, as no container is a task to the engine."""
        filters = dict(parse_filters(request.query.get("filters", "")))
        asked = filters.pop("is-task", ())
        wanted = {_BOOLEANS.get(value.lower()) for value in asked}
        if not asked or None in wanted or len(wanted) > 1:
            return await self._upstream.forward(request)
        if wanted == {True}:
            filters["label"] = (*filters.get("label", ()), TASK_LABEL)
            return await self._upstream.forward(request, target=_target(request, filters))
        # There is no filter for a label that is absent, so the limit has to be applied here, too.
        count = request.query.get("limit", "")
        answer = await self._upstream.forward(request, target=_target(request, filters))
        if answer.status != HTTPStatus.OK:
            return answer
        listed = answered(answer, list[msgspec.Raw])
        kept = [container for container in listed if not _is_task(container)]
        return respond.json(kept[: int(count)] if count.isdecimal() and int(count) else kept)

    async def volume_create(self, request: Request) -> Response:
        """The engine's.  Of a volume of the cluster it would say that this node is no manager."""
        asked = read(request.body, _VolumeCreate)
        if asked is not None and asked.cluster is not None:
            raise UnsupportedError(
                "volumes of the swarm (cluster volumes) are not supported: leave out --type, --scope, "
                "--sharing and their like, and each node makes a volume of its own"
            )
        return await self._upstream.forward(request)


def _target(request: Request, filters: Mapping[str, tuple[str, ...]]) -> str:
    """The request's own, with other filters and no limit."""
    query = {key: value for key, value in request.query.items() if key != "limit"}
    return f"{request.path}?{urlencode({**query, 'filters': filters_text(filters)})}"


def _is_task(container: msgspec.Raw) -> bool:
    labelled = read(container, _Labelled)
    return labelled is not None and TASK_LABEL in (labelled.labels or {})


def _with_api_version(component: Document, offered: str) -> Document:
    """The engine's component tells the API version a second time."""
    if read(component.get("Name"), str) != "Engine":
        return component
    details = read(component.get("Details"), Document) or {}
    return merged(component, Details=merged(details, ApiVersion=offered))
