"""`/events`: the engine's and the cluster's in one stream, each in its order.

What is past is asked of the engine apart, up to a moment; from just after that moment on its stream
is passed on as it comes, with events of the cluster in between.  So the past can be sorted, and an
engine that refuses the request does so before anything was sent.  The engine filters its own.
"""

import asyncio
import contextlib
import heapq
import re
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from swarmd.api import respond
from swarmd.api.documents import read
from swarmd.api.events import EventLog
from swarmd.api.message import Handler, Request, Response
from swarmd.api.read import Filters, parse_filters
from swarmd.api.upstream import Upstream
from swarmd.errors import EngineError, UnavailableError
from swarmd.ports import Timestamp
from swarmd.wire.events import Event, encode, matches

#: Events that wait for a client at the most; one that reads slower than that is cut off.
_WAITING = 4096
_SECOND = 10**9
_MOMENT = re.compile(r"(\d{1,11})(?:\.(\d{1,9}))?")


class _Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a client wants, in times as the cluster's and the engine's clocks tell them."""

    since: Timestamp | None
    until: Timestamp | None
    #: what happened up to here is past
    now: Timestamp

    @property
    def first(self) -> Timestamp:
        """Of the past; after `now` if the client wants none of it."""
        if self.since is None and self.until is None:
            return self.now + 1
        return self.since or 0

    @property
    def is_past(self) -> bool:
        """Nothing that is still to come is wanted."""
        return self.until is not None and self.until <= self.now


class _Dated(msgspec.Struct, frozen=True):
    time: Timestamp = msgspec.field(name="timeNano", default=0)


class MergedEvents:
    """The handler of `/events`."""

    def __init__(self, upstream: Upstream, events: EventLog, wall: Callable[[], Timestamp]) -> None:
        self._upstream, self._events = upstream, events
        #: the time of day
        self._wall = wall

    def handlers(self) -> Mapping[str, Handler]:
        """By route name."""
        return {"events": self.events}

    async def events(self, request: Request) -> Response:
        """A line of JSON for each event, until the client goes or its `until` has come."""
        span = _span(request, self._wall())
        if span is None:
            # The engine says what is wrong with these times.
            return await self._upstream.forward(request)
        first = min(span.first, span.now)
        last = span.now if span.until is None else min(span.until, span.now)
        past = await self._upstream.forward(request, target=_target(request, first, last))
        if past.status != HTTPStatus.OK:
            return past
        assert isinstance(past.body, bytes)
        filters = parse_filters(request.query.get("filters", ""))
        stream = self._stream(request, span, filters, past.body)
        return respond.stream(stream, past.headers.get("Content-Type", "application/json"))

    async def _stream(
        self, request: Request, span: _Span, filters: Filters, past: bytes
    ) -> AsyncGenerator[bytes, None]:
        inbox = _Inbox(lambda event: matches(event, filters))
        stop = self._events.listen(inbox.put)
        try:
            last = span.until or self._wall()
            ours = [e for e in self._events.past(span.first, last) if matches(e, filters)]
            lines = past.splitlines(keepends=True) if span.first <= span.now else []
            for line in heapq.merge(_dated(lines), ((e.time, encode(e)) for e in ours), key=_time):
                yield line[1]
            if not span.is_past:
                async with contextlib.aclosing(self._live(request, span, inbox)) as live:
                    async for chunk in live:
                        yield chunk
        finally:
            stop()

    async def _live(
        self, request: Request, span: _Span, inbox: "_Inbox"
    ) -> AsyncGenerator[bytes, None]:
        """Both as they come; ends when the engine's ends.  Whole lines only."""
        path = f"/v{request.version}{_target(request, span.now + 1, span.until)}"
        rest = b""
        async with self._upstream.request("GET", path) as answer:
            if answer.status != HTTPStatus.OK:
                raise EngineError(answer.status, "the engine ended its events")
            while (chunk := await inbox.interrupted(answer.content.readany)) != b"":
                whole, end, rest = (rest + (chunk or b"")).rpartition(b"\n")
                lines = whole + end + inbox.take()
                if lines:
                    yield lines
        yield rest + inbox.take()


class _Inbox:
    """Events of the cluster on their way to one client, which ring while it reads the engine's."""

    def __init__(self, wants: Callable[[Event], bool]) -> None:
        self._wants = wants
        self._waiting: deque[Event] = deque()
        #: of a read that is under way; None = nobody is to be woken
        self._reading: asyncio.Timeout | None = None

    def put(self, event: Event) -> None:
        """Keep it, if it is wanted, and end the read."""
        if self._wants(event) and len(self._waiting) <= _WAITING:
            self._waiting.append(event)
            self._ring()

    def _ring(self) -> None:
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())
            self._reading = None

    def take(self) -> bytes:
        """What has come, as lines.  Raises UnavailableError if it was too much."""
        if len(self._waiting) > _WAITING:
            raise UnavailableError("the client reads its events too slowly")
        lines = b"".join(map(encode, self._waiting))
        self._waiting.clear()
        return lines

    async def interrupted(self, read: Callable[[], Awaitable[bytes]]) -> bytes | None:
        """What `read` returns; None if an event came first.  `read` must lose nothing by that."""
        if self._waiting:
            return None
        try:
            async with asyncio.timeout(None) as self._reading:
                return await read()
        except TimeoutError:
            return None
        finally:
            self._reading = None


def _time(dated: tuple[Timestamp, bytes]) -> Timestamp:
    return dated[0]


def _dated(lines: list[bytes]) -> Iterator[tuple[Timestamp, bytes]]:
    """The engine's lines with their times, which rise but for a few that it dates back."""
    for line in lines:
        message = read(line, _Dated)
        if message is not None:
            yield message.time, line


def _span(request: Request, now: Timestamp) -> _Span | None:
    """None for times that the engine refuses, or that leave nothing to put together."""
    moments = []
    for name in ("since", "until"):
        text = request.query.get(name, "")
        found = _MOMENT.fullmatch(text)
        if text and found is None:
            return None
        moments.append(None if found is None else _moment(*found.groups(default="")))
    since, until = moments
    if since is not None and until is not None and since > until:
        return None
    return _Span(since=since, until=until, now=now)


def _moment(seconds: str, fraction: str) -> Timestamp:
    return int(seconds) * _SECOND + int(fraction.ljust(9, "0"))


def _target(request: Request, first: Timestamp, last: Timestamp | None) -> str:
    """The request's own, for another span."""
    query = {key: value for key, value in request.query.items() if key not in ("since", "until")}
    query["since"] = _text(first)
    if last is not None:
        query["until"] = _text(last)
    return f"{request.path}?{urlencode(query)}"


def _text(moment: Timestamp) -> str:
    return f"{moment // _SECOND}.{moment % _SECOND:09d}"
