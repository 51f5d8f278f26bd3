"""The stream of events: the engine's and the cluster's, what is past and what is to come."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import pytest
from aiohttp import web

from swarmd.wire.events import Event
from tests.unit.api.parts import Swarm
from tests.unit.engine.fake import FakeEngine, says

SECOND = 10**9
NOW = Swarm().now


def line(what: str, time: int) -> bytes:
    return msgspec.json.encode({"Type": "container", "Action": what, "timeNano": time}) + b"\n"


def event(action: str, time: int, name: str = "web") -> Event:
    return Event(kind="service", action=action, id="s", attributes={"name": name}, time=time)


class Engine:
    """Tells of its past when asked until now, and streams what the test feeds it."""

    def __init__(self, fake: FakeEngine) -> None:
        self.fake = fake
        self.past: list[bytes] = []
        #: pieces of the live stream; empty = it ends
        self.live: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_streaming, self.is_cut = asyncio.Event(), asyncio.Event()
        self.spans: list[tuple[str, str]] = []
        fake.on("GET /events", lambda: self._answer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        query = request.query
        self.spans.append((query["since"], query.get("until", "")))
        if len(self.spans) == 1:
            return says(b"".join(self.past))
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        self.is_streaming.set()
        try:
            while piece := await self.live.get():
                await response.write(piece)
        except ConnectionError:
            self.is_cut.set()
            raise
        await response.write_eof()
        return response


@pytest.fixture
def source(engine: FakeEngine) -> Engine:
    return Engine(engine)


Read = Callable[[], Awaitable[tuple[str, str]]]


def reader(answer: aiohttp.ClientResponse) -> Read:
    async def read() -> tuple[str, str]:
        message = msgspec.json.decode(await answer.content.readline())
        return message["Type"], message["Action"]

    return read


async def test_what_is_past_is_sorted_by_its_time(
    client: aiohttp.ClientSession, source: Engine, swarm: Swarm
) -> None:
    source.past = [line("start", NOW - 30), line("die", NOW - 10)]
    for recent in (event("create", NOW - 40), event("update", NOW - 20), event("remove", NOW)):
        swarm.events.tell(recent)
    since = NOW // SECOND - 100
    async with client.get(f"/events?since={since}&until={NOW // SECOND}") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        actions = [msgspec.json.decode(one)["Action"] async for one in answer.content]
    assert actions == ["create", "start", "update", "die", "remove"]
    assert source.spans == [(f"{since}.000000000", f"{NOW // SECOND}.000000000")]


async def test_both_come_as_they_happen_and_no_line_is_torn(
    client: aiohttp.ClientSession, source: Engine, swarm: Swarm
) -> None:
    swarm.events.tell(event("create", NOW - 5))  # not asked for
    async with client.get("/events") as answer:
        read = reader(answer)
        await source.is_streaming.wait()
        swarm.events.tell(event("update", NOW + 1))
        assert await read() == ("service", "update")
        whole = line("start", NOW + 2)
        await source.live.put(whole[:20])
        swarm.events.tell(event("remove", NOW + 3))
        assert await read() == ("service", "remove")
        await source.live.put(whole[20:])
        assert await read() == ("container", "start")
        await source.live.put(b"")
        assert await answer.content.read() == b""
    # The engine's stream begins where its past ended.
    assert source.spans == [
        (f"{NOW // SECOND}.000000000", f"{NOW // SECOND}.000000000"),
        (f"{NOW // SECOND}.000000001", ""),
    ]


async def test_a_client_that_goes_away_takes_its_stream_with_it(
    client: aiohttp.ClientSession, source: Engine
) -> None:
    """Ctrl-C at `docker events`."""
    answer = await client.get("/events")
    await source.is_streaming.wait()
    answer.close()
    async with asyncio.timeout(10):
        while not source.is_cut.is_set():
            await source.live.put(line("start", NOW + 1))
            await asyncio.sleep(0)


async def test_filters_hold_for_the_cluster_s_and_go_to_the_engine(
    client: aiohttp.ClientSession, source: Engine, swarm: Swarm, engine: FakeEngine
) -> None:
    filters = '{"service":["web"]}'
    async with client.get("/events", params={"filters": filters}) as answer:
        await source.is_streaming.wait()
        swarm.events.tell(event("update", NOW + 1, name="other"))
        swarm.events.tell(event("remove", NOW + 1))
        assert await reader(answer)() == ("service", "remove")
        await source.live.put(b"")
    assert {asked.query["filters"] for asked in engine.asked if "filters" in asked.query} == {
        filters
    }


async def test_an_end_that_is_to_come_is_the_engine_s(
    client: aiohttp.ClientSession, source: Engine, swarm: Swarm
) -> None:
    swarm.events.tell(event("create", NOW - 5))
    until = NOW // SECOND + 60
    async with client.get(f"/events?until={until}") as answer:
        read = reader(answer)
        assert await read() == ("service", "create")
        await source.is_streaming.wait()
        await source.live.put(b"")
        assert await answer.content.read() == b""
    assert source.spans[1][1] == f"{until}.000000000"


@pytest.mark.parametrize("query", ["since=x", "until=1.x", "since=5&until=4"])
async def test_times_that_are_none_are_refused_by_the_engine(
    query: str, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("GET /events", lambda: says('{"message":"invalid"}', 400))
    async with client.get(f"/events?{query}") as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "invalid"})
    assert engine.paths() == ["GET /v1.51/events"]


async def test_filters_that_the_engine_refuses_are_refused(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("GET /events", lambda: says('{"message":"invalid filter"}', 400))
    async with client.get("/events?filters=x") as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "invalid filter"})
