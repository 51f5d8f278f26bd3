"""A request and its answer, as handlers see them: no sockets, no framework.

The server makes a `Request` out of HTTP and writes the `Response` back; the simulator makes them
itself.  A handler is a coroutine from one to the other and raises SwarmError for every refusal.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec

from swarmd.engine.version import ApiVersion

#: What Go's httputils.BoolValue takes for false.
_FALSE = frozenset({"", "0", "no", "false", "none"})


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a path that swarmd answers itself."""

    method: str
    #: path and query as sent, percent-encoded, without the version: "/networks/web?scope=swarm"
    target: str
    #: what the route's `{names}` stand for, decoded
    params: Mapping[str, str] = {}
    #: the client's; the newest offered if it names none
    version: ApiVersion
    #: the first value of each key, decoded
    query: Mapping[str, str] = {}
    #: names in lower case
    headers: Mapping[str, str] = {}
    body: bytes = b""
    #: who asks, as far as the socket knows: "uid=1000", or empty
    principal: str = ""
    #: where from: "unix" or the address of the peer
    origin: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def flag(self, name: str) -> bool:
        """A boolean of the query, read as Go does: anything but "", 0, no, false, none is true."""
        return self.query.get(name, "").strip().lower() not in _FALSE

    def header(self, name: str) -> str:
        """A header, or empty."""
        return self.headers.get(name.lower(), "")


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer.  A body that is a generator is sent as it comes and closed when the client goes."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes | AsyncGenerator[bytes, None] = b""


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
