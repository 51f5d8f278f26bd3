"""Calls and streams over the engine's unix socket.

One keep-alive pool without a limit (the default of 100 would queue the agent's long calls behind
each other silently), every call bounded in time, streams bounded only in the time to their head.
The API version is negotiated with the first call and again after the engine was away, since it may
come back as another: the older of what the engine offers and what swarmd knows.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from swarmd.engine import observe
from swarmd.engine.version import NEWEST_API, OLDEST_API, ApiVersion, parse_version
from swarmd.errors import EngineError

#: A create or a start on a busy machine takes seconds; Docker's own clients wait for ever.
CALL_S = 120.0
#: A refusal is a sentence; what is longer is cut.
_REFUSAL_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024

Query = Mapping[str, str]
NO_QUERY: Query = {}


class Calls:
    """HTTP to one engine; every failure is an EngineError, with status 0 if there was no answer."""

    def __init__(self, socket_path: str, *, call_s: float = CALL_S) -> None:
        self._path = socket_path
        #: seconds that a call which is no stream may take
        self._call_s = call_s
        self._pool: aiohttp.ClientSession | None = None
        #: as negotiated; None before the first call and after the engine was away
        self._version: ApiVersion | None = None

    async def open(self) -> None:
        """Needs the running loop, so it cannot be the constructor."""
        self._pool = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=self._path, limit=0), read_bufsize=_CHUNK_BYTES
        )

    async def close(self) -> None:
        """Ends all calls and streams."""
        if self._pool is not None:
            await self._pool.close()

    async def api_version(self) -> ApiVersion:
        """The version that calls are made in.  Raises EngineError when none can be agreed on."""
        if self._version is None:
            with self._reaching():
                async with (
                    asyncio.timeout(self._call_s),
                    await self._request("GET", "/_ping") as answer,
                ):
                    await self._check(answer)
                    said = answer.headers.get("Api-Version", "")
            offered = parse_version(said)
            if offered is None or offered < OLDEST_API:
                message = f"the engine offers API {said or '(none)'}; swarmd needs {OLDEST_API}"
                raise EngineError(400, message)
            self._version = min(offered, NEWEST_API)
        return self._version

    async def call(
        self, method: str, path: str, query: Query = NO_QUERY, *, body: bytes | None = None
    ) -> bytes:
        """The whole answer of a call that is no stream."""
        path = f"/v{await self.api_version()}{path}"
        with self._reaching():
            async with (
                asyncio.timeout(self._call_s),
                await self._request(method, path, query, body=body) as answer,
            ):
                await self._check(answer)
                data: bytes = await answer.read()
                return data

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        headers: Mapping[str, str] = NO_QUERY,
        silence_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer to read from for as long as it lasts, or until it is silent for `silence_s`."""
        path = f"/v{await self.api_version()}{path}"
        with self._reaching():
            async with asyncio.timeout(silence_s or self._call_s):
                answer = await self._request(
                    method, path, query, headers=headers, silence_s=silence_s
                )
            async with answer:
                await self._check(answer)
                yield answer

    async def _request(
        self,
        method: str,
        path: str,
        query: Query = NO_QUERY,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = NO_QUERY,
        silence_s: float | None = None,
    ) -> aiohttp.ClientResponse:
        """The head of the answer; its body is read, or not, by whoever enters it."""
        assert self._pool is not None, "used outside of its `async with`"
        url = URL(f"http://engine{path}?{urlencode(query)}", encoded=True)
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_s)
        return await self._pool.request(
            method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        )

    async def _check(self, answer: aiohttp.ClientResponse) -> None:
        """Raise what the engine refused, in its words."""
        if answer.status < 400:
            return
        message = observe.problem(await answer.content.read(_REFUSAL_BYTES))
        if answer.status == 400 and "client version" in message:
            self._version = None
        raise EngineError(answer.status, message)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turns whatever breaks on the way to the engine into EngineError with status 0."""
        try:
            yield
        except TimeoutError as error:
            raise EngineError(0, f"the engine at unix://{self._path} does not answer") from error
        except (aiohttp.ClientError, OSError) as error:
            self._version = None
            raise EngineError.unreachable(self._path, error) from error
