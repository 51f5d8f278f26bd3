"""The engine behind the API: its answers for the merged paths, and what is known of it.

Every request opens a connection of its own: a unix socket costs a tenth of a millisecond, and a
connection that was kept over an engine's restart would fail a POST that cannot be repeated.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterable, Mapping

import aiohttp
import msgspec
from yarl import URL

from swarmd.api.message import Request, Response
from swarmd.api.versions import EngineFacts
from swarmd.engine.version import ApiVersion, parse_version
from swarmd.errors import EngineError

#: Merged paths answer from memory or a lock of the engine; image lists can take seconds.
_ASK_S = 30.0
_CHUNK_BYTES = 256 * 1024
_HEADER_BYTES = 1024 * 1024

#: RFC 9110 §7.6.1 and what the two ends of a connection agree on between themselves.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

#: What an answer of ours says for itself: its own length, and the version that is offered here.
_OURS = frozenset({"content-length", "api-version"})


def end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that are for the other end, repeated ones too, in their order."""
    named = {
        word.strip().lower()
        for name, value in headers.items()
        if name.lower() == "connection"
        for word in value.split(",")
    }
    dropped = _HOP_BY_HOP | named
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]


class _Version(msgspec.Struct, frozen=True):
    min_api_version: str = msgspec.field(default="", name="MinAPIVersion")


class Upstream:
    """HTTP to the engine's socket, on behalf of clients."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        #: as last seen
        self.facts = EngineFacts()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Needs the running loop, so it cannot be the constructor."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=self.socket_path, limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=_CHUNK_BYTES,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    async def close(self) -> None:
        """Ends all requests under way."""
        if self._session is not None:
            await self._session.close()

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: io.BytesIO | AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The head of an answer, whose body is read inside; left early, the request is cut off.

        `path` has its version and query, percent-encoded.  Raises EngineError with status 0 if the
        engine cannot be reached, or breaks off while inside.
        """
        assert self._session is not None, "used before open()"
        url = URL("http://engine" + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                yield answer
        except aiohttp.ClientError as error:
            raise EngineError.unreachable(self.socket_path, error) from error

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Response:
        """A whole answer, refusals too.  Raises EngineError if there is none in time."""
        try:
            async with (
                asyncio.timeout(_ASK_S),
                self.request(
                    method, path, headers=headers, body=io.BytesIO(body) if body else None
                ) as answer,
            ):
                data: bytes = await answer.read()
                kept = {
                    name: value
                    for name, value in end_to_end(answer.headers)
                    if name.lower() not in _OURS
                }
                return Response(status=answer.status, headers=kept, body=data)
        except TimeoutError as error:
            message = f"the engine at unix://{self.socket_path} does not answer"
            raise EngineError(0, message) from error

    async def forward(
        self, request: Request, *, target: str = "", body: bytes | None = None
    ) -> Response:
        """The engine's whole answer to a client's request, or to it with another target or body."""
        headers = [(n, v) for n, v in end_to_end(request.headers) if n != "content-length"]
        path = f"/v{request.version}{target or request.target}"
        body = request.body if body is None else body
        return await self.ask(request.method, path, headers=headers, body=body or None)

    async def refresh(self, limit_s: float) -> None:
        """Look at the engine again.  If it does not answer in time, what was known stays known."""
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout(limit_s):
                async with self.request("GET", "/_ping") as pong:
                    facts = _facts(pong.headers)
                if (facts.newest, facts.server) == (self.facts.newest, self.facts.server):
                    oldest = self.facts.oldest
                else:
                    oldest = _oldest(await self.ask("GET", "/version"))
                self.facts = msgspec.structs.replace(facts, oldest=oldest)


def _facts(headers: Mapping[str, str]) -> EngineFacts:
    """What the headers of an answer to `/_ping` tell; all but the oldest version."""
    return EngineFacts(
        newest=parse_version(headers.get("Api-Version", "")) or EngineFacts().newest,
        server=headers.get("Server", ""),
        os=headers.get("Ostype", "linux"),
        experimental=headers.get("Docker-Experimental", "false"),
        builder=headers.get("Builder-Version", ""),
    )


def _oldest(answer: Response) -> ApiVersion:
    """The oldest version that an answer to `/version` tells."""
    assert isinstance(answer.body, bytes)
    try:
        said = msgspec.json.decode(answer.body, type=_Version).min_api_version
    except msgspec.DecodeError:
        said = ""
    return parse_version(said) or EngineFacts().oldest
