"""Handlers of ours behind the sockets: requests in, answers out, and the end of it all."""

import asyncio
import io
import os
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from swarmd.api import respond, routes
from swarmd.api.front import Front
from swarmd.api.message import Request, Response
from swarmd.api.server import MAX_BODY_BYTES
from swarmd.engine.version import ApiVersion
from swarmd.errors import NotFoundError, SequenceError, StateError, UnavailableError
from tests.unit.api.parts import Swarm, serving


@pytest.fixture
def hosts(tmp_path: Path) -> list[str]:
    return [f"unix://{tmp_path}/a.sock", f"unix://{tmp_path}/b.sock"]


def client(tmp_path: Path, name: str = "a") -> aiohttp.ClientSession:
    connector = aiohttp.UnixConnector(f"{tmp_path}/{name}.sock")
    return aiohttp.ClientSession("http://d", connector=connector)


def sockets_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.sock"))


async def test_a_handler_gets_the_request_without_its_wrapping(
    tmp_path: Path, hosts: list[str]
) -> None:
    seen: list[Request] = []

    async def update(request: Request) -> Response:
        seen.append(request)
        return respond.json({"Warnings": None})

    path = "/v1.43/services/w%20b/update?version=7&force=1"
    async with (
        serving("/none", hosts, Swarm(), {"service_update": update}),
        client(tmp_path, "b") as http,
        http.post(path, json={"a": 1}, headers={"X-Registry-Auth": "s"}) as answer,
    ):
        assert await answer.read() == b'{"Warnings":null}\n'
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Api-Version"] == "1.51"
    (request,) = seen
    assert (request.method, request.version, request.params) == (
        "POST",
        ApiVersion(1, 43),
        {"id": "w b"},
    )
    assert request.target == "/services/w%20b/update?version=7&force=1"
    assert (request.query["version"], request.flag("force")) == ("7", True)
    assert (request.header("X-Registry-Auth"), request.body) == ("s", b'{"a": 1}')
    assert (request.principal, request.origin) == (f"uid={os.getuid()}", "unix")


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/services/a/b", 404, "page not found"),
        ("PUT", "/v1.43/nodes", 404, "page not found"),
        ("GET", "/services/nope", 404, "service nope not found"),
        (
            "POST",
            "/services/x/update",
            500,
            "rpc error: code = Unknown desc = update out of sequence",
        ),
        ("GET", "/tasks", 500, "swarmd failed to answer this request; its log says why"),
        (
            "GET",
            "/v1.99/tasks",
            400,
            "client version 1.99 is too new. Maximum supported API version is 1.51",
        ),
    ],
)
async def test_refusals_are_in_dockers_form(
    method: str, path: str, status: int, message: str, tmp_path: Path, hosts: list[str]
) -> None:
    async def missing(request: Request) -> Response:
        raise NotFoundError("service", request.params["id"])

    async def stale(request: Request) -> Response:
        del request
        raise SequenceError

    async def bug(request: Request) -> Response:
        del request
        raise ZeroDivisionError

    ours = {"service_inspect": missing, "service_update": stale, "task_list": bug}
    async with (
        serving("/none", hosts, Swarm(), ours),
        client(tmp_path) as http,
        http.request(method, path) as answer,
    ):
        assert answer.status == status
        assert await answer.json() == {"message": message}
        assert (await answer.read()).endswith(b"\n")


async def test_a_body_without_end_is_refused(tmp_path: Path, hosts: list[str]) -> None:
    async with (
        serving("/none", hosts, Swarm()),
        client(tmp_path) as http,
        http.post("/services/create", data=io.BytesIO(bytes(MAX_BODY_BYTES + 1))) as answer,
    ):
        assert answer.status == 400
        assert "larger than" in (await answer.json())["message"]


async def test_a_stream_is_sent_as_it_comes_and_closed_when_the_client_goes(
    tmp_path: Path, hosts: list[str]
) -> None:
    """`docker service logs -f`, then Ctrl-C."""
    closed = asyncio.Event()

    async def lines() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def logs(request: Request) -> Response:
        del request
        return respond.stream(lines(), "application/vnd.docker.multiplexed-stream")

    async with serving("/none", hosts, Swarm(), {"service_logs": logs}), client(tmp_path) as http:
        answer = await http.get("/services/web/logs?follow=1")
        assert answer.headers["Content-Type"] == "application/vnd.docker.multiplexed-stream"
        assert await answer.content.readany() == b"one"
        answer.close()
        async with asyncio.timeout(10):
            await closed.wait()


async def test_a_stream_that_breaks_does_not_look_whole(tmp_path: Path, hosts: list[str]) -> None:
    async def lines() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise UnavailableError("the node is gone")

    async def logs(request: Request) -> Response:
        del request
        return respond.stream(lines(), "text/plain")

    async with (
        serving("/none", hosts, Swarm(), {"service_logs": logs}),
        client(tmp_path) as http,
        http.get("/services/web/logs") as answer,
    ):
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_the_end_cuts_streams_and_lets_short_requests_finish(
    tmp_path: Path, hosts: list[str]
) -> None:
    """SIGTERM while somebody follows logs and somebody else creates a service."""
    finish = asyncio.Event()
    entered = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        yield b"one"
        await asyncio.Event().wait()

    async def logs(request: Request) -> Response:
        del request
        return respond.stream(endless(), "text/plain")

    async def create(request: Request) -> Response:
        del request
        entered.set()
        await finish.wait()
        return respond.json({"ID": "s"}, status=201)

    async def post(http: aiohttp.ClientSession) -> int:
        async with http.post("/services/create") as answer:
            return answer.status

    ours = {"service_logs": logs, "service_create": create}
    async with client(tmp_path) as http, asyncio.TaskGroup() as tasks:
        async with serving("/none", hosts, Swarm(), ours):
            streamed = await http.get("/services/web/logs")
            posted = tasks.create_task(post(http))
            await entered.wait()
            asyncio.get_running_loop().call_soon(finish.set)
        assert await posted == 201
        with pytest.raises(aiohttp.ClientError):
            await streamed.read()
    assert not sockets_in(tmp_path)


async def test_a_host_that_cannot_be_bound_leaves_nothing_bound(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="use unix://"):
        async with serving("/none", [f"unix://{tmp_path}/a.sock", "bogus"], Swarm()):
            pass
    assert not sockets_in(tmp_path)


async def test_loopback_clients_are_known_by_their_address() -> None:
    seen: list[Request] = []

    async def inspect(request: Request) -> Response:
        seen.append(request)
        return respond.json({})

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with (
        serving("/none", [f"tcp://127.0.0.1:{port}"], Swarm(), {"swarm_inspect": inspect}),
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/swarm"),
    ):
        pass
    assert (seen[0].principal, seen[0].origin) == ("", "127.0.0.1")


async def _answer(request: Request) -> Response:
    del request
    return respond.empty()


def test_a_daemon_without_a_handler_for_a_route_does_not_start() -> None:
    everything = routes.names(routes.Kind.OURS) | routes.names(routes.Kind.MERGED)
    Front(dict.fromkeys(everything, _answer))
    with pytest.raises(AssertionError, match=r"differ in \['task_list'\]"):
        Front(dict.fromkeys(everything - {"task_list"}, _answer))
    with pytest.raises(AssertionError, match=r"two handlers for \['ping'\]"):
        Front(dict.fromkeys(everything, _answer), {"ping": _answer})


@pytest.mark.parametrize(
    "sent",
    [
        b"GET * HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET services HTTP/1.1\r\nHost: d\r\n\r\n",
        b"FOO /services HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /services HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /services/create HTTP/1.1\r\nHost: d\r\nContent-Length: -5\r\n\r\n",
        b"POST /swarm/init HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda sent: str(sent[:20]),
)
async def test_what_is_no_http_is_refused_in_dockers_form_and_is_no_event(
    sent: bytes, tmp_path: Path, hosts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A port scanner, or a client that speaks TLS to a plain socket."""
    async with serving("/none", hosts, Swarm()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "a.sock")
        writer.write(sent)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert head.split(b" ")[1] == b"400"
    assert msgspec.json.decode(body, type=dict[str, str])["message"]
    assert not caplog.records


async def test_a_client_that_falls_silent_in_the_middle_of_a_body_is_told(
    tmp_path: Path, hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmd.api.server._SILENCE_S", 0.05)
    async with serving("/none", hosts, Swarm()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "a.sock")
        writer.write(b"POST /services/create HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n{}")
        answer = await reader.readuntil(b"}")
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the rest of the request's body did not come" in answer
