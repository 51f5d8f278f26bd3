"""Ping, version, info and the list of containers: the engine's, and a little ours."""

import asyncio
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from tests.unit.api.parts import Swarm, serving
from tests.unit.engine.fake import FakeEngine, says

TASK = {"Id": "t", "Labels": {"com.docker.swarm.task.id": "x"}}
PLAIN = {"Id": "p", "Labels": None}


@pytest.mark.parametrize("state", ["inactive", "locked", "active/worker", "active/manager"])
@pytest.mark.parametrize("path", ["/_ping", "/v1.43/_ping"])
async def test_a_ping_tells_version_and_swarm(
    path: str, state: str, client: aiohttp.ClientSession, engine: FakeEngine, swarm: Swarm
) -> None:
    engine.api = "1.60"
    swarm.said = state
    for method in ("GET", "HEAD"):
        async with client.request(method, path) as answer:
            assert await answer.read() == (b"OK" if method == "GET" else b"")
            assert answer.status == 200
            assert {
                name: answer.headers[name]
                for name in ("Swarm", "Api-Version", "Builder-Version", "Ostype", "Server")
            } == {
                "Swarm": state,
                "Api-Version": "1.51",
                "Builder-Version": "2",
                "Ostype": "linux",
                "Server": "Docker/28.5.2 (linux)",
            }
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"


async def test_a_ping_is_answered_while_the_engine_is_away(tmp_path: Path, swarm: Swarm) -> None:
    host = f"unix://{tmp_path}/api.sock"
    connector = aiohttp.UnixConnector(f"{tmp_path}/api.sock")
    async with (
        serving(str(tmp_path / "none.sock"), [host], swarm),
        aiohttp.ClientSession("http://d", connector=connector) as client,
        client.get("/_ping") as answer,
    ):
        assert (answer.status, answer.headers["Swarm"]) == (200, "inactive")
        assert "Builder-Version" not in answer.headers


async def test_info_is_the_engines_with_our_swarm(
    client: aiohttp.ClientSession, engine: FakeEngine, swarm: Swarm
) -> None:
    swarm.said = "pending"
    engine.on(
        "GET /info",
        lambda: says('{"ID":"e","NewIn2030":{"x":[1.50]},"Swarm":{"LocalNodeState":"inactive"}}'),
    )
    async with client.get("/v1.43/info") as answer:
        body = await answer.read()
    assert body.endswith(b"}\n")
    assert b'"NewIn2030":{"x":[1.50]}' in body
    assert msgspec.json.decode(body)["Swarm"]["LocalNodeState"] == "pending"
    assert engine.paths() == ["GET /v1.43/info"]


async def test_info_shows_what_was_last_seen_of_an_engine_that_is_away(
    tmp_path: Path, swarm: Swarm
) -> None:
    host = f"unix://{tmp_path}/api.sock"
    connector = aiohttp.UnixConnector(f"{tmp_path}/api.sock")
    fake = FakeEngine()
    fake.on("GET /info", lambda: says('{"Name":"host1","Warnings":["no swap"]}'))
    async with (
        serving(str(tmp_path / "e.sock"), [host], swarm),
        aiohttp.ClientSession("http://d", connector=connector) as client,
    ):
        async with client.get("/info") as answer:
            before = await answer.json()
        async with fake.at(tmp_path / "e.sock"), client.get("/info") as answer:
            await answer.read()
        async with client.get("/info") as answer:
            after = await answer.json()
    assert "Name" not in before
    assert before["Swarm"]["LocalNodeState"] == "inactive"
    assert after["Name"] == "host1"
    assert after["Warnings"][0] == "no swap"
    assert "cannot be reached" in after["Warnings"][1]


async def test_the_swarms_warnings_stand_beside_the_engines(
    engine: FakeEngine, client: aiohttp.ClientSession, swarm: Swarm
) -> None:
    """`docker info` prints those and no others."""
    engine.on("GET /info", lambda: says('{"Warnings":["no swap"]}'))
    swarm.warnings = ["WARNING: published port 80/tcp is not answered on this node"]
    async with client.get("/info") as answer:
        found = await answer.json()
    assert found["Warnings"] == ["no swap", *swarm.warnings]
    assert found["Swarm"]["Warnings"] == swarm.warnings


async def test_version_tells_the_version_that_is_offered_here(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.api, engine.oldest = "1.60", "1.44"
    document = {
        "Version": "30.0",
        "ApiVersion": "1.60",
        "MinAPIVersion": "1.44",
        "Components": [
            {"Name": "Engine", "Details": {"ApiVersion": "1.60", "Os": "linux"}},
            {"Name": "runc", "Details": {}},
        ],
    }
    engine.on("GET /version", lambda: says(msgspec.json.encode(document)))
    async with client.get("/version") as answer:
        said = await answer.json()
    assert (said["Version"], said["ApiVersion"], said["MinAPIVersion"]) == ("30.0", "1.51", "1.44")
    assert said["Components"] == [
        {"Name": "Engine", "Details": {"ApiVersion": "1.51", "Os": "linux"}},
        {"Name": "runc", "Details": {}},
        {"Name": "swarmd", "Version": "0.0.1"},
    ]


@pytest.mark.parametrize(
    ("query", "asked", "ids"),
    [
        ({}, None, ["t", "p"]),
        ({"filters": '{"is-task":["true"]}'}, {"label": ["com.docker.swarm.task.id"]}, ["t", "p"]),
        (
            {"filters": '{"is-task":{"false":true},"status":["running"]}'},
            {"status": ["running"]},
            ["p"],
        ),
        ({"filters": '{"is-task":["maybe"]}'}, {"is-task": ["maybe"]}, ["t", "p"]),
        ({"filters": '{"is-task":["false"]}', "limit": "1"}, {}, ["p"]),
    ],
)
async def test_a_task_is_a_container_with_our_label(
    query: dict[str, str],
    asked: object,
    ids: list[str],
    client: aiohttp.ClientSession,
    engine: FakeEngine,
) -> None:
    engine.on("GET /containers/json", lambda: says(msgspec.json.encode([TASK, PLAIN])))
    async with client.get("/containers/json", params=query) as answer:
        assert [container["Id"] for container in await answer.json()] == ids
    sent = engine.asked[-1].query.get("filters")
    assert (None if sent is None else msgspec.json.decode(sent)) == asked


async def test_an_engine_that_hangs_does_not_hang_the_ping(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    async def hang(request: web.BaseRequest) -> web.StreamResponse:
        del request
        await asyncio.Event().wait()
        raise AssertionError

    engine.on("GET /_ping", lambda: hang)
    async with client.get("/_ping") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "body", [b'{"Name":"v"}', b'{"Name":"v","ClusterVolumeSpec":null}', b"", b"nonsense"]
)
async def test_a_volume_is_made_by_the_engine(
    body: bytes, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("POST /volumes/create", lambda: says('{"Name":"v"}', 201))
    headers = {"Content-Type": "application/json"}
    async with client.post("/v1.43/volumes/create", data=body, headers=headers) as answer:
        assert answer.status == 201
    assert engine.asked[-1].body == body


async def test_a_volume_of_the_cluster_is_refused_in_words(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """The engine, in no swarm of its own, would call this node no manager."""
    body = {"Name": "v", "ClusterVolumeSpec": {"AccessMode": {"Scope": "single"}}}
    async with client.post("/v1.43/volumes/create", json=body) as answer:
        assert answer.status == 501
        assert "cluster volumes) are not supported" in (await answer.json())["message"]
    assert "POST /v1.43/volumes/create" not in engine.paths()
