"""The API on its sockets: HTTP in, a route for each request, HTTP out.

aiohttp parses and frames, nothing more: dispatch is our own table, because its router walks through
all routes of a path that begins with a variable.  A connection that is lost cancels its handler, so
a client that goes away ends what it asked for, at the engine too.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Self

from aiohttp import HttpVersion11, web

from swarmd.api import listen, respond, routes
from swarmd.api.front import Front
from swarmd.api.hijack import Spent, cut, splice
from swarmd.api.message import Request, Response
from swarmd.api.passthrough import relay
from swarmd.api.upstream import Upstream
from swarmd.api.versions import agreed, split_version
from swarmd.engine.version import ApiVersion
from swarmd.errors import BadRequestError, SwarmError

log = logging.getLogger(__name__)

#: The largest body of a path of ours: a config of 1000 KiB in base64, and a create with room.
MAX_BODY_BYTES = 16 * 1024 * 1024
#: X-Registry-Config and filters are long; Go takes heads of up to 1 MiB.
_MAX_LINE_BYTES = 1024 * 1024
_CHUNK_BYTES = 256 * 1024
#: How long the first request that needs the engine waits to learn its version.
_GLANCE_S = 1.0
#: How long a client may be silent in the middle of a body: it has gone, or counts wrong.
_SILENCE_S = 30.0
#: How long requests of ours may go on after the daemon is told to stop.
_GRACE_S = 2.0
#: struct ucred: pid, uid, gid
_UCRED = struct.Struct("3i")


class Server:
    """The API on all its `--host`s.  `async with` serves; leaving it ends every connection."""

    def __init__(self, hosts: Sequence[str], front: Front, upstream: Upstream) -> None:
        self._hosts = tuple(hosts)
        self._front = front
        self._upstream = upstream
        #: tasks that answer a request of ours, which get a moment to finish
        self._short: set[asyncio.Task[object]] = set()
        #: tasks that stream, which do not
        self._long: set[asyncio.Task[object]] = set()
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Bind all, then serve all.  Raises StateError, and then nothing is left bound."""
        async with contextlib.AsyncExitStack() as stack:
            protocols = _Protocols(
                self._serve,
                handler_cancellation=True,
                access_log=None,
                auto_decompress=False,
                max_line_size=_MAX_LINE_BYTES,
                max_field_size=_MAX_LINE_BYTES,
                read_bufsize=_CHUNK_BYTES,
            )
            stack.push_async_callback(self._finish, protocols)
            sockets = []
            for host in self._hosts:
                sockets.append(listen.bind(host))
                stack.callback(listen.release, host, sockets[-1])
            loop = asyncio.get_running_loop()
            for bound in sockets:
                is_unix = bound.family == socket.AF_UNIX
                create = loop.create_unix_server if is_unix else loop.create_server
                listener = await create(protocols, sock=bound)
                stack.callback(listener.close)
            self._cleanup = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cleanup.aclose()

    async def _finish(self, protocols: web.Server) -> None:
        """End all connections: streams at once, short requests after a moment."""
        protocols.pre_shutdown()
        if self._short:
            await asyncio.wait(self._short, timeout=_GRACE_S)
        rest = self._short | self._long
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)
        await protocols.shutdown(timeout=_GRACE_S)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of one connection."""
        raw_path, mark, query = request.raw_path.partition("?")
        asked, path = split_version(raw_path)
        match = routes.find(request.method, path)
        try:
            if match.kind is routes.Kind.UNKNOWN:
                return await self._send(request, respond.error(404, "page not found"))
            if match.kind is not routes.Kind.OURS and not self._upstream.facts.server:
                await self._upstream.refresh(_GLANCE_S)
            version = agreed(asked, self._upstream.facts)
            if match.kind in (routes.Kind.OURS, routes.Kind.MERGED):
                return await self._answer(request, match, version, path + mark + query)
            return await self._pass(request, match.kind, f"/v{version}{path}{mark}{query}")
        except SwarmError as error:
            return await self._send(request, respond.refusal(error))
        except ConnectionError:
            # The client went away while it was being answered: nobody to tell.
            return Spent()

    async def _answer(
        self, request: web.BaseRequest, match: routes.Match, version: ApiVersion, target: str
    ) -> web.StreamResponse:
        """A request that a handler of ours answers."""
        principal, origin = _client(request)
        with _counted(self._short):
            asked = Request(
                method=request.method,
                target=target,
                params=match.params,
                version=version,
                query={key: request.query[key] for key in request.query},
                headers={key.lower(): request.headers[key] for key in request.headers},
                body=await _whole_body(request),
                principal=principal,
                origin=origin,
            )
            response = await self._front.answer(match.name, asked)
            if isinstance(response.body, bytes):
                return await self._send(request, response)
        with _counted(self._long):
            return await self._send_stream(request, response, response.body)

    async def _pass(
        self, request: web.BaseRequest, kind: routes.Kind, path: str
    ) -> web.StreamResponse:
        """A request that the engine answers."""
        upstream = self._upstream
        with _counted(self._long):
            if kind is routes.Kind.HIJACKED or "Upgrade" in request.headers:
                body = await _whole_body(request)
                return await splice(request, body, upstream.socket_path, path)
            await _invite_body(request)
            return await relay(
                request, upstream, path, {"Api-Version": str(upstream.facts.offered)}
            )

    async def _send(self, request: web.BaseRequest, response: Response) -> web.StreamResponse:
        """Write an answer of ours that is whole."""
        headers = {**self._upstream.facts.headers, **response.headers}
        whole = web.Response(status=response.status, headers=headers, body=response.body)
        await whole.prepare(request)
        await whole.write_eof()
        return whole

    async def _send_stream(
        self, request: web.BaseRequest, response: Response, body: AsyncGenerator[bytes, None]
    ) -> web.StreamResponse:
        """Write an answer as it comes; if it breaks off, the connection does, too."""
        headers = {**self._upstream.facts.headers, **response.headers}
        streamed = web.StreamResponse(status=response.status, headers=headers)
        if request.version >= HttpVersion11:
            streamed.enable_chunked_encoding()
        await streamed.prepare(request)
        try:
            async with contextlib.aclosing(body):
                async for chunk in body:
                    await streamed.write(chunk)
        except SwarmError as error:
            log.warning("stream broke off", extra={"path": request.path, "error": str(error)})
            return cut(request)
        await streamed.write_eof()
        return streamed


class _Protocol(web.RequestHandler):
    """A connection.  What cannot be read as HTTP is answered in Docker's form, and is no event here."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that did not get as far as a handler, or that tripped one."""
        if status >= 500:
            log.error("request failed", extra={"path": request.path}, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was begun already")
        words = " ".join((message or "").split()) or "swarmd failed to answer; its log says why"
        refused = respond.error(status, words)
        answer = web.Response(status=status, headers=refused.headers, body=refused.body)
        answer.force_close()
        return answer


class _Protocols(web.Server):
    """Makes a `_Protocol` of each connection."""

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


@contextlib.contextmanager
def _counted(tasks: set[asyncio.Task[object]]) -> Iterator[None]:
    """Keep the running task in `tasks` meanwhile."""
    task = asyncio.current_task()
    assert task is not None
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)


def _client(request: web.BaseRequest) -> tuple[str, str]:
    """(principal, origin): the uid at the other end of a unix socket, or a peer's address."""
    peer = request.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX:
        return "", request.remote or ""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(credentials)
    return f"uid={uid}", "unix"


async def _whole_body(request: web.BaseRequest) -> bytes:
    """The body of a request that is answered as a whole."""
    await _invite_body(request)
    body = bytearray()
    while chunk := await _more_of(request):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BadRequestError(f"the request's body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def _more_of(request: web.BaseRequest) -> bytes:
    """What of the body has come next; empty at its end."""
    try:
        async with asyncio.timeout(_SILENCE_S):
            return await request.content.readany()
    except TimeoutError:
        raise BadRequestError("the rest of the request's body did not come") from None


async def _invite_body(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, which aiohttp leaves to its router."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Not part of the answer, whose head has yet to be written.
        request.writer.output_size = 0
