"""An engine at the other end of a unix socket, which answers what the test says."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

Answer = web.StreamResponse | Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Asked(NamedTuple):
    """A request that the engine received."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def says(body: bytes | str, status: int = 200, **headers: str) -> web.Response:
    """A whole answer."""
    data = body if isinstance(body, bytes) else body.encode()
    named = {"Content-Type": "application/json", "Api-Version": "1.60"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=data, status=status, headers=named)


class FakeEngine:
    """Answers by method and path without version; anything else is 404 in Docker's form."""

    def __init__(self, api: str = "1.51", oldest: str = "1.24") -> None:
        self.api, self.oldest = api, oldest
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.asked: list[Asked] = []

    def on(self, route: str, answer: Callable[[], Answer]) -> None:
        """`on("GET /info", lambda: says("{}"))`."""
        self.answers[route] = answer

    def paths(self) -> list[str]:
        """What was asked after the negotiation, with versions."""
        both = ("/_ping", "/version")
        return [f"{a.method} {a.path}" for a in self.asked if not a.path.endswith(both)]

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        answer = self.answers.get(f"{request.method} {path}", lambda: self._default(path))()
        body = b"" if callable(answer) else await request.read()
        query, headers = dict(request.query), dict(request.headers)
        self.asked.append(Asked(request.method, request.path, query, headers, body))
        return await answer(request) if callable(answer) else answer

    def _default(self, path: str) -> web.StreamResponse:
        if path == "/_ping":
            server = "Docker/28.5.2 (linux)"
            return says("OK", Builder_Version="2", Server=server, Api_Version=self.api)
        if path == "/version":
            return says(f'{{"ApiVersion":"{self.api}","MinAPIVersion":"{self.oldest}"}}')
        return says('{"message":"page not found"}', 404)

    @contextlib.asynccontextmanager
    async def at(self, socket_path: Path) -> AsyncIterator[str]:
        """Listening there meanwhile."""
        runner = web.ServerRunner(web.Server(self.serve), shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(socket_path)).start()
        try:
            yield str(socket_path)
        finally:
            await runner.cleanup()
