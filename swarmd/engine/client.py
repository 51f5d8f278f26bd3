"""The Engine port: its verbs as calls of Docker's API.

What "no error if it is gone" means is decided here: the agent repeats itself until the engine looks
as it should, so a refusal that says "it is so already" is success.

Leave a stream before its end with `contextlib.aclosing`; otherwise its connection lives until the
generator is collected.
"""

import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Self
from urllib.parse import quote

import msgspec

from swarmd.engine import observe
from swarmd.engine.calls import CALL_S, NO_QUERY, Calls, Query
from swarmd.engine.streams import Lines, LogSplitter
from swarmd.engine.version import ApiVersion
from swarmd.errors import EngineError
from swarmd.ports import Container, EngineEvent, EngineInfo, EngineNetwork, LogChunk

#: From here on the content type of a log tells whether it is framed.
_FRAMING_TOLD = ApiVersion(1, 42)
#: A pull reports its progress many times a second, but is silent while it verifies a large layer.
_PULL_SILENCE_S = 600.0


class DockerEngine:
    """`ports.Engine` on the engine behind a unix socket.  `async with` opens and closes its pool."""

    def __init__(self, socket_path: str, *, call_s: float = CALL_S) -> None:
        self._calls = Calls(socket_path, call_s=call_s)

    async def __aenter__(self) -> Self:
        await self._calls.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._calls.close()

    async def api_version(self) -> ApiVersion:
        """The version that bodies are read in.  Raises EngineError when none can be agreed on."""
        return await self._calls.api_version()

    async def info(self) -> EngineInfo:
        """What the engine says of itself; `api_version` is the one in use."""
        version = await self.api_version()
        info = await self._calls.call("GET", "/info")
        return observe.info(info, await self._calls.call("GET", "/version"), str(version))

    # -- containers

    async def list_containers(self, label: str) -> Sequence[str]:
        """Ids, newest first, as the engine lists them."""
        query = {"all": "1", **_label_filter(label)}
        return observe.identifiers(await self._calls.call("GET", "/containers/json", query))

    async def inspect_container(self, reference: str) -> Container | None:
        """By id or name; None if there is none."""
        try:
            data = await self._calls.call("GET", f"/containers/{_quoted(reference)}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return observe.container(data)

    async def create_container(self, name: str, body: bytes) -> str:
        """Raises EngineError 409 if the name is taken, 404 if the image is not here."""
        return observe.identifier(
            await self._calls.call("POST", "/containers/create", {"name": name}, body=body)
        )

    async def start_container(self, container_id: str) -> None:
        """No error if it runs already."""
        await self._calls.call("POST", f"/containers/{_quoted(container_id)}/start")

    async def kill_container(self, container_id: str, signal: str) -> None:
        """No error if it does not run or does not exist."""
        with _forgiving(404, 409):
            path = f"/containers/{_quoted(container_id)}/kill"
            await self._calls.call("POST", path, {"signal": signal} if signal else NO_QUERY)

    async def remove_container(self, container_id: str) -> None:
        """Forced, with anonymous volumes; no error if it is gone or its removal is under way."""
        try:
            with _forgiving(404):
                path = f"/containers/{_quoted(container_id)}"
                await self._calls.call("DELETE", path, {"force": "1", "v": "1"})
        except EngineError as error:
            if error.status != 409 or "already in progress" not in error.message:
                raise

    async def logs(
        self, container_id: str, *, follow: bool, tail: str, since: str, streams: tuple[bool, bool]
    ) -> AsyncGenerator[LogChunk, None]:
        """Lines as the log driver has them, with their newline.  Ends when the container has ended."""
        path = f"/containers/{_quoted(container_id)}"
        version = await self._calls.api_version()
        is_tty = version < _FRAMING_TOLD and observe.is_tty(
            await self._calls.call("GET", path + "/json")
        )
        query = {
            "stdout": str(int(streams[0])),
            "stderr": str(int(streams[1])),
            "follow": str(int(follow)),
            "timestamps": "1",
            **({"tail": tail} if tail else {}),
            **({"since": since} if since else {}),
        }
        async with self._calls.stream("GET", path + "/logs", query) as answer:
            if version >= _FRAMING_TOLD:
                is_tty = answer.content_type == "application/vnd.docker.raw-stream"
            splitter = LogSplitter(is_tty=is_tty)
            async for chunk in answer.content.iter_any():
                for line in splitter.feed(chunk):
                    yield line

    async def events(self) -> AsyncGenerator[EngineEvent, None]:
        """Container events from the moment of the first `anext`; always ends with EngineError."""
        query = {"filters": '{"type":["container"]}'}
        lines = Lines()
        async with self._calls.stream("GET", "/events", query) as answer:
            async for chunk in answer.content.iter_any():
                for line in lines.feed(chunk):
                    yield observe.event(line)
        self._version = None
        raise EngineError(0, "the engine ended its event stream")

    # -- images, networks, volumes

    async def pull_image(self, reference: str, registry_auth: str) -> None:
        """Returns when the image is here.  Raises EngineError with the registry's words."""
        headers = {"X-Registry-Auth": registry_auth} if registry_auth else {}
        lines = Lines()
        query = pull_query(reference)
        async with self._calls.stream(
            "POST", "/images/create", query, headers=headers, silence_s=_PULL_SILENCE_S
        ) as answer:
            async for chunk in answer.content.iter_any():
                for line in lines.feed(chunk):
                    # The status was 200 long ago; a failure is only told in the progress.
                    if error := observe.pull_error(line):
                        raise EngineError(500, error)

    async def list_networks(self, label: str) -> Sequence[EngineNetwork]:
        """Networks of this engine with the label `key` or `key=value`."""
        return observe.networks(await self._calls.call("GET", "/networks", _label_filter(label)))

    async def has_network(self, network_id: str) -> bool:
        """Whether the engine lists it, whoever made it."""
        try:
            await self._calls.call("GET", f"/networks/{_quoted(network_id)}")
        except EngineError as error:
            if error.status != 404:
                raise
            return False
        return True

    async def create_network(self, body: bytes) -> str:
        """Its id.  Raises EngineError 409 if the name is taken, 403 if the subnet overlaps."""
        return observe.identifier(await self._calls.call("POST", "/networks/create", body=body))

    async def remove_network(self, network_id: str) -> None:
        """No error if it does not exist; EngineError 403 while containers are attached."""
        with _forgiving(404):
            await self._calls.call("DELETE", f"/networks/{_quoted(network_id)}")

    async def connect_network(self, network_id: str, body: bytes) -> None:
        """Attach a container, which the body names."""
        await self._calls.call("POST", f"/networks/{_quoted(network_id)}/connect", body=body)

    async def create_volume(self, body: bytes) -> None:
        """No error if it exists with the same driver."""
        await self._calls.call("POST", "/volumes/create", body=body)


def pull_query(reference: str) -> Query:
    """How `POST /images/create` names an image: a digest wins over a tag; `latest` is the default."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return {"fromImage": folder + slash + last, "tag": digest or tag or "latest"}


def _label_filter(label: str) -> Query:
    return {"filters": msgspec.json.encode({"label": [label]}).decode()}


@contextlib.contextmanager
def _forgiving(*statuses: int) -> Iterator[None]:
    """Swallows the engine's refusals that say that there is nothing to do."""
    try:
        yield
    except EngineError as error:
        if error.status not in statuses:
            raise


def _quoted(reference: str) -> str:
    """A name, id or image reference as part of a path."""
    return quote(reference, safe="/:@")
