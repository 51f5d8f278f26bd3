"""Requests that are the engine's business, passed on as they come and answered as they come.

Nothing is held back: bodies stream both ways at the pace of the slower end, heads are sent at once
(`docker run` waits for the head of `/wait` before it starts the container), repeated headers and
percent-encoding stay as they are.  A client that goes away takes its request to the engine with it;
an engine that breaks off makes the client's connection break off too, never a body end early.
"""

from collections.abc import AsyncIterator, Mapping

from aiohttp import HttpVersion11, web

from swarmd.api.hijack import cut
from swarmd.api.upstream import Upstream, end_to_end
from swarmd.errors import EngineError


async def relay(
    request: web.BaseRequest, upstream: Upstream, path: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The engine's answer to `path` (with version and query), sent; `headers` replace its own.

    Raises EngineError with status 0 if there was none: then nothing has been sent.
    """
    response: web.StreamResponse | None = None
    try:
        async with upstream.request(
            request.method, path, headers=end_to_end(request.headers), body=_body(request)
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in end_to_end(answer.headers):
                response.headers.add(name, value)
            response.headers.update(headers)
            if _is_chunked(request, response):
                response.enable_chunked_encoding()
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
    except EngineError:
        if response is None or not response.prepared:
            raise
        return cut(request)
    return response


def _body(request: web.BaseRequest) -> AsyncIterator[bytes] | None:
    """The client's body as it comes; None if there is none, so that none is announced."""
    return request.content.iter_any() if request.body_exists else None


def _is_chunked(request: web.BaseRequest, response: web.StreamResponse) -> bool:
    """Whether the body has no length of its own.  HTTP/1.0 ends it by closing instead."""
    has_body = request.method != "HEAD" and response.status not in (204, 304)
    return (
        has_body and "Content-Length" not in response.headers and request.version >= HttpVersion11
    )
