"""Requests that are the engine's business, as the engine and the client see them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.unit.api.parts import Swarm, serving
from tests.unit.engine.fake import FakeEngine, says


async def test_a_request_arrives_as_it_was_sent(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("POST /containers/c/rename", lambda: says("", 204))
    async with client.post(
        "/v1.43/containers/c/rename?name=a%2Fb&x=1",
        data=b"body",
        headers={"X-Registry-Auth": "secret", "Connection": "keep-alive, X-Hop", "X-Hop": "1"},
    ) as answer:
        assert (answer.status, answer.headers["Api-Version"]) == (204, "1.51")
    asked = engine.asked[-1]
    assert (asked.path, asked.query, asked.body) == (
        "/v1.43/containers/c/rename",
        {"name": "a/b", "x": "1"},
        b"body",
    )
    assert asked.headers["X-Registry-Auth"] == "secret"
    assert "X-Hop" not in asked.headers


@pytest.mark.parametrize(("api", "asked"), [("1.41", "1.41"), ("1.60", "1.51")])
async def test_a_path_without_a_version_is_asked_in_the_newest_that_is_offered(
    api: str, asked: str, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """The engine's own newest may be one whose changes swarmd does not know."""
    engine.api = api
    engine.on("GET /volumes", lambda: says("{}"))
    async with client.get("/volumes") as answer:
        assert answer.status == 200
    assert engine.paths() == [f"GET /v{asked}/volumes"]


async def test_a_head_request_tells_a_length_and_has_no_body(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """`docker cp` asks for a path's status this way."""
    engine.on("HEAD /containers/c/archive", lambda: says(b"12345", X_Docker_Stat="e30="))
    async with client.head("/containers/c/archive?path=%2Fetc") as answer:
        assert (answer.headers["X-Docker-Stat"], await answer.read()) == ("e30=", b"")
        assert answer.headers["Content-Length"] == "5"


async def test_bodies_stream_both_ways_at_once(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """Nothing is held back: each side waits for the other's piece before it sends its next."""

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk.upper())
        return response

    engine.on("POST /build", lambda: echo)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def speak() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield await heard.get() + b" two"

    async with client.post("/build", data=speak()) as answer:
        assert await answer.content.readany() == b"ONE"
        heard.put_nowait(b"and")
        assert await answer.content.readany() == b"AND TWO"
        assert await answer.read() == b""


async def test_a_head_is_sent_before_there_is_a_body(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """`docker run` waits for the head of /wait before it starts the container."""
    exits = asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await exits.wait()
        await response.write(b'{"StatusCode":3}')
        return response

    engine.on("POST /containers/c/wait", lambda: wait)
    async with client.post("/containers/c/wait?condition=next-exit") as answer:
        exits.set()
        assert await answer.json() == {"StatusCode": 3}


async def test_a_client_that_goes_away_takes_its_request_with_it(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """Ctrl-C at `docker stats`."""
    gone = asyncio.Event()

    async def stats(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"{}\n")
        try:
            while True:
                await response.write(b"{}\n")
                await asyncio.sleep(0)
        except ConnectionError:
            gone.set()
            raise

    engine.on("GET /containers/c/stats", lambda: stats)
    answer = await client.get("/containers/c/stats")
    assert await answer.content.readany()
    answer.close()
    async with asyncio.timeout(10):
        await gone.wait()


async def test_an_engine_that_breaks_off_breaks_the_answer_off(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """An export that ended early must not look whole."""

    async def breaks(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"half of it")
        assert request.transport is not None
        request.transport.close()
        return response

    engine.on("GET /containers/c/export", lambda: breaks)
    async with client.get("/containers/c/export") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_without_an_engine_the_engines_paths_are_503_and_ours_are_ours(
    tmp_path: Path, swarm: Swarm
) -> None:
    connector = aiohttp.UnixConnector(f"{tmp_path}/api.sock")
    async with (
        serving(f"{tmp_path}/none.sock", [f"unix://{tmp_path}/api.sock"], swarm),
        aiohttp.ClientSession("http://d", connector=connector) as client,
    ):
        for method, path in (("GET", "/images/json"), ("POST", "/containers/c/attach")):
            async with client.request(method, path) as answer:
                assert answer.status == 503
                message = (await answer.json())["message"]
                assert message.startswith(f"the engine at unix://{tmp_path}/none.sock cannot be")
        async with client.get("/nodes") as answer:
            assert answer.status == 503
            assert (await answer.json())["message"].startswith("This node is not a swarm manager.")


async def test_a_body_that_asks_for_leave_gets_it(
    tmp_path: Path, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """What curl does with a body of more than a megabyte."""
    del client
    engine.on("POST /images/load", lambda: says("loaded"))
    reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/api.sock")
    head = b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n"
    writer.write(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    await reader.readline()
    writer.write(b"data")
    assert (await reader.read()).endswith(b"\r\n\r\nloaded")
    writer.close()
    assert engine.asked[-1].body == b"data"
