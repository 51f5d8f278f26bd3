"""Every request about the cluster is answered by the leader, whichever manager was asked.

A follower forwards the request and relays the answer.  After a write it waits until its own state
has applied it, so that whoever asks this manager again, or reads its engine's containers, does not
see a state older than the answer.  Reads are forwarded too: one source, and nothing stale; logs are
streams of the leader's broker and pass through alike.

A request has an id from the manager that the client asked.  While no manager leads, or when the
answer to a forwarded request was lost, it is asked again with the same id: what was carried out
once is not carried out twice.  So a client sees no fail-over but its duration.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from swarmd.api.cluster import Answered, Call, CallHandler, Cluster
from swarmd.api.message import Handler, Request, Response
from swarmd.engine.version import ApiVersion
from swarmd.errors import (
    NoLeaderError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
    WireError,
)
from swarmd.model.ids import RequestID, Version, id_from, id_of
from swarmd.ports import Seconds
from swarmd.wire.packed import pack, unpack

#: A request is given up after this (swarmkit's swarmRequestTimeout).
REQUEST_S: Seconds = 20.0
#: Without a leader it is given up earlier (swarmkit: 10 ticks).
LEADERLESS_S: Seconds = 10.0
#: Between two looks whether somebody leads now; elections take a few tenths of a second.
RETRY_S: Seconds = 0.1
#: Pieces in which a long answer travels between managers.
PIECE_BYTES = 256 * 1024
#: Headers that a handler reads; others stay at the manager that was asked.
HEADERS = ("content-type", "x-registry-auth")
#: A client that retries may name its request itself: the same name is the same request.
REQUEST_ID_HEADER = "x-swarmd-request-id"


class ForwardedRequest(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A request on its way from a follower to the leader."""

    #: of its handler
    name: str
    request_id: RequestID
    method: str
    target: str
    params: Mapping[str, str]
    version: tuple[int, int]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    principal: str
    origin: str

    def restored(self) -> Request:
        """As the handler sees it."""
        return Request(
            method=self.method,
            target=self.target,
            params=self.params,
            version=ApiVersion(*self.version),
            query=self.query,
            headers=self.headers,
            body=self.body,
            principal=self.principal,
            origin=self.origin,
        )


class ForwardedResponse(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The first item of the leader's answer; the body's pieces follow as items of their own."""

    status: int
    headers: Mapping[str, str]
    #: the asker's state has to be this far before it answers; 0 = nothing was written
    index: Version
    #: the body has no known length and is to be passed on as it comes
    is_stream: bool


class Leadership(Protocol):
    """What the forwarder needs to know of Raft, and its way to the leader."""

    def is_leader(self) -> bool:
        """Whether this manager leads and has caught up."""
        ...

    def ask_leader(self, payload: bytes) -> AsyncGenerator[bytes, None]:
        """The items of `Forwarder.serve` at the leader.

        Raises NoLeaderError if none is known, UnavailableError if it does not answer, or what
        `serve` raised.
        """
        ...

    async def wait_applied(self, index: Version) -> None:
        """Returns when the entry at `index` is applied here (`Store.wait_for`)."""
        ...


class Forwarder:
    """Runs handlers on the leader: here, or there."""

    def __init__(
        self, cluster: Cluster, leadership: Leadership, parts: Mapping[str, CallHandler]
    ) -> None:
        self._cluster, self._leadership = cluster, leadership
        #: by name
        self._parts = parts

    def handlers(self) -> Mapping[str, Handler]:
        """A handler of plain requests for each of the parts."""
        return {name: self._handler(name) for name in self._parts}

    def _handler(self, name: str) -> Handler:
        async def handler(request: Request) -> Response:
            return await self.run(name, request)

        return handler

    async def run(self, name: str, request: Request) -> Response:
        """The answer of the part called `name`, wherever it comes from.

        Raises what the part raised; NoLeaderError, OutcomeUnknownError or UnavailableError if no
        leader answered in time.
        """
        self._cluster.require_manager()
        request_id = self._request_id(name, request)
        try:
            async with asyncio.timeout(REQUEST_S):
                answered = await self._until_answered(lambda: self._ask(name, request, request_id))
        except TimeoutError:
            raise OutcomeUnknownError(
                "the swarm's leader did not answer in time; the request may have been carried out"
            ) from None
        return answered.response

    def _request_id(self, name: str, request: Request) -> RequestID:
        given = request.header(REQUEST_ID_HEADER)
        if not given:
            return RequestID(id_of(self._cluster.token(16)))
        # Two clients that number their requests from 1 do not mean the same by it.
        return RequestID(id_from("request", request.principal, name, given))

    async def _until_answered(self, ask: Callable[[], Awaitable[Answered]]) -> Answered:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + LEADERLESS_S
        while True:
            try:
                return await ask()
            except UnavailableError as error:
                if not _is_worth_a_retry(error) or loop.time() >= give_up_at:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _ask(self, name: str, request: Request, request_id: RequestID) -> Answered:
        if self._leadership.is_leader():
            return await self._here(name, request, request_id)
        answered = await self._there(name, request, request_id)
        if answered.index:
            await self._leadership.wait_applied(answered.index)
        return answered

    async def _here(self, name: str, request: Request, request_id: RequestID) -> Answered:
        call = Call(self._cluster, request, request_id)
        response = await self._parts[name](call)
        return Answered(response=response, index=call.index)

    async def _there(self, name: str, request: Request, request_id: RequestID) -> Answered:
        asked = ForwardedRequest(
            name=name,
            request_id=request_id,
            method=request.method,
            target=request.target,
            params=request.params,
            version=(request.version.major, request.version.minor),
            query=request.query,
            headers={key: request.headers[key] for key in HEADERS if key in request.headers},
            body=request.body,
            principal=request.principal,
            origin=request.origin,
        )
        items = self._leadership.ask_leader(pack(asked))
        try:
            head = unpack(await _first(items), ForwardedResponse)
            if head.is_stream:
                return _answered(head, items)
            body = b"".join([piece async for piece in items])
        except BaseException:
            await items.aclose()
            raise
        await items.aclose()
        return _answered(head, body)

    async def serve(self, payload: bytes) -> AsyncGenerator[bytes, None]:
        """The leader's side of a forwarded request: a ForwardedResponse, then its body.

        Raises what the handler raised, which travels as it is, and NoLeaderError.
        """
        asked = unpack(payload, ForwardedRequest)
        if not self._leadership.is_leader():
            raise NoLeaderError
        if asked.name not in self._parts:
            raise NotFoundError("handler", asked.name)
        answered = await self._here(asked.name, asked.restored(), asked.request_id)
        response = answered.response
        is_stream = not isinstance(response.body, bytes)
        yield pack(
            ForwardedResponse(
                status=response.status,
                headers=response.headers,
                index=answered.index,
                is_stream=is_stream,
            )
        )
        if isinstance(response.body, bytes):
            for at in range(0, len(response.body), PIECE_BYTES):
                yield response.body[at : at + PIECE_BYTES]
            return
        async with contextlib.aclosing(response.body) as pieces:
            async for piece in pieces:
                yield piece


def _is_worth_a_retry(error: UnavailableError) -> bool:
    """Nobody leads, or nobody answered: not that the leader itself refused."""
    return isinstance(error, NoLeaderError | OutcomeUnknownError) or type(error) is UnavailableError


async def _first(items: AsyncGenerator[bytes, None]) -> bytes:
    async for item in items:
        return item
    raise WireError("the leader's answer to a forwarded request is empty")


def _answered(head: ForwardedResponse, body: bytes | AsyncGenerator[bytes, None]) -> Answered:
    response = Response(status=head.status, headers=head.headers, body=body)
    return Answered(response=response, index=head.index)
