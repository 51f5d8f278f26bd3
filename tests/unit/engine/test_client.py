"""The port's verbs against an engine that answers what the test says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from swarmd.engine.client import DockerEngine, pull_query
from swarmd.engine.version import ApiVersion, parse_version
from swarmd.errors import EngineError
from swarmd.ports import Engine, LogChunk
from tests.unit.engine.fake import FakeEngine, says
from tests.unit.engine.test_streams import AT, STAMP, frame


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    engine = FakeEngine()
    async with engine.at(tmp_path / "e.sock"):
        yield engine


@pytest.fixture
async def engine(tmp_path: Path, fake: FakeEngine) -> AsyncIterator[DockerEngine]:
    del fake
    async with DockerEngine(str(tmp_path / "e.sock")) as client:
        yield client


def test_the_client_is_the_port() -> None:
    port: Engine = DockerEngine("/nowhere")
    assert port is not None


@pytest.mark.parametrize(
    ("reference", "name", "tag"),
    [
        ("busybox", "busybox", "latest"),
        ("busybox:1.36", "busybox", "1.36"),
        ("host:5000/team/web", "host:5000/team/web", "latest"),
        ("host:5000/team/web:v1@sha256:ab", "host:5000/team/web", "sha256:ab"),
    ],
)
def test_a_pull_names_the_image_as_docker_does(reference: str, name: str, tag: str) -> None:
    assert pull_query(reference) == {"fromImage": name, "tag": tag}


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.51", ApiVersion(1, 51)), ("1", None), ("", None), ("1.x", None), ("1.4.1", None)],
)
def test_a_version_is_two_numbers(text: str, version: ApiVersion | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(("api", "used"), [("1.41", "1.41"), ("1.51", "1.51"), ("1.60", "1.51")])
async def test_calls_are_made_in_the_newest_version_that_both_know(
    api: str, used: str, fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.api = api
    fake.on("GET /networks", lambda: says("[]"))
    await engine.list_networks("swarmd.network")
    assert fake.paths() == [f"GET /v{used}/networks"]
    assert (await engine.api_version()) == parse_version(used)


@pytest.mark.parametrize("api", ["1.40", "", "new"])
async def test_an_engine_that_is_too_old_is_refused_by_its_version(
    api: str, fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.api = api
    with pytest.raises(EngineError, match=r"swarmd needs 1\.41") as caught:
        await engine.info()
    assert caught.value.status == 400


async def test_a_network_that_the_engine_does_not_list_is_not_there(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.on("GET /networks/mine", lambda: says("{}"))
    fake.on("GET /networks/gone", lambda: says('{"message":"network gone not found"}', 404))
    fake.on("GET /networks/n", lambda: says('{"message":"no"}', 500))
    assert await engine.has_network("mine")
    assert not await engine.has_network("gone")
    with pytest.raises(EngineError, match="no"):
        await engine.has_network("n")


async def test_an_engine_that_came_back_older_is_asked_in_its_version(tmp_path: Path) -> None:
    """An engine was downgraded under its swarmd."""
    socket = tmp_path / "e.sock"
    async with DockerEngine(str(socket)) as engine:
        for api in ("1.51", "1.41"):
            fake = FakeEngine(api)
            fake.on("GET /networks", lambda: says("[]"))
            async with fake.at(socket):
                await engine.list_networks("x")
                assert fake.paths() == [f"GET /v{api}/networks"]
            with pytest.raises(EngineError) as caught:
                await engine.list_networks("x")
            assert caught.value.is_unreachable


async def test_no_engine_at_all_is_status_0_and_names_the_socket(tmp_path: Path) -> None:
    async with DockerEngine(str(tmp_path / "e.sock")) as engine:
        with pytest.raises(
            EngineError, match=r"unix:///.*e\.sock cannot be reached: No such file or directory$"
        ) as caught:
            await engine.start_container("c")
    assert caught.value.status == 0


async def test_an_engine_that_hangs_is_status_0_after_the_bound(
    tmp_path: Path, fake: FakeEngine
) -> None:
    async def hang(request: web.BaseRequest) -> web.StreamResponse:
        del request
        await asyncio.Event().wait()
        raise AssertionError

    fake.on("POST /containers/c/start", lambda: hang)
    async with DockerEngine(str(tmp_path / "e.sock"), call_s=0.05) as engine:
        with pytest.raises(EngineError, match="does not answer") as caught:
            await engine.start_container("c")
    assert caught.value.is_unreachable


async def test_a_refusal_keeps_the_engines_status_and_words(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.on("POST /containers/create", lambda: says('{"message":"Conflict. Name in use"}', 409))
    with pytest.raises(EngineError, match="Name in use") as caught:
        await engine.create_container("web.1", b"{}")
    assert caught.value.status == 409


async def test_a_container_is_created_by_name_with_the_body_as_given(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.on("POST /containers/create", lambda: says('{"Id":"c1","Warnings":null}', 201))
    assert await engine.create_container("web.1", b'{"Image":"busybox"}') == "c1"
    asked = fake.asked[-1]
    assert (asked.query, asked.body) == ({"name": "web.1"}, b'{"Image":"busybox"}')
    assert asked.headers["Content-Type"] == "application/json"


async def test_what_is_so_already_is_no_error(fake: FakeEngine, engine: DockerEngine) -> None:
    """The agent repeats its steps after a restart."""
    fake.on("POST /containers/c/start", lambda: says("", 304))
    fake.on("POST /containers/c/kill", lambda: says('{"message":"is not running"}', 409))
    fake.on(
        "DELETE /containers/c",
        lambda: says('{"message":"removal of container c is already in progress"}', 409),
    )
    await engine.start_container("c")
    await engine.kill_container("c", "SIGTERM")
    await engine.kill_container("gone", "SIGTERM")
    await engine.remove_container("c")
    await engine.remove_container("gone")
    await engine.remove_network("gone")
    assert await engine.inspect_container("gone") is None


async def test_a_removal_that_is_refused_is_raised(fake: FakeEngine, engine: DockerEngine) -> None:
    fake.on("DELETE /containers/c", lambda: says('{"message":"driver failed"}', 409))
    fake.on("DELETE /networks/n", lambda: says('{"message":"has active endpoints"}', 403))
    with pytest.raises(EngineError, match="driver failed"):
        await engine.remove_container("c")
    with pytest.raises(EngineError, match="active endpoints"):
        await engine.remove_network("n")


async def test_containers_are_listed_by_label_stopped_ones_too(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.on("GET /containers/json", lambda: says('[{"Id":"a"},{"Id":"b"}]'))
    assert await engine.list_containers("k=v") == ("a", "b")
    assert fake.asked[-1].query == {"all": "1", "filters": '{"label":["k=v"]}'}


async def test_a_pull_that_fails_late_raises_the_registrys_words(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    """The status is 200 before the registry says no."""
    fake.on(
        "POST /images/create",
        lambda: says('{"status":"Pulling"}\r\n{"error":"denied","errorDetail":{}}\r\n'),
    )
    with pytest.raises(EngineError, match="denied"):
        await engine.pull_image("host/private:1", "secret")
    assert fake.asked[-1].headers["X-Registry-Auth"] == "secret"
    fake.on("POST /images/create", lambda: says('{"status":"Done"}\r\n'))
    await engine.pull_image("busybox", "")
    assert "X-Registry-Auth" not in fake.asked[-1].headers


@pytest.mark.parametrize(
    ("api", "content_type", "tty"),
    [
        ("1.51", "application/vnd.docker.multiplexed-stream", False),
        ("1.51", "application/vnd.docker.raw-stream", True),
        ("1.41", "application/vnd.docker.raw-stream", False),
        ("1.41", "application/vnd.docker.raw-stream", True),
    ],
)
async def test_a_log_is_read_as_the_container_writes_it(
    api: str, content_type: str, tty: bool, fake: FakeEngine, engine: DockerEngine
) -> None:
    """Before 1.42 the content type does not tell frames from a terminal."""
    fake.api = api
    body = STAMP + b"hi\n" if tty else frame(1, STAMP + b"hi\n")
    inspected = {"Id": "c", "Config": {"Tty": tty}}
    fake.on("GET /containers/c/json", lambda: says(msgspec.json.encode(inspected)))
    fake.on("GET /containers/c/logs", lambda: says(body, Content_Type=content_type))
    log = engine.logs("c", follow=False, tail="5", since="17.5", streams=(True, False))
    assert [line async for line in log] == [LogChunk(stream=1, at=AT, data=b"hi\n")]
    assert fake.asked[-1].query == {
        "stdout": "1",
        "stderr": "0",
        "follow": "0",
        "timestamps": "1",
        "tail": "5",
        "since": "17.5",
    }


async def test_events_come_as_they_happen_and_end_with_an_error(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    """An engine that stops ends its streams in good order; to the agent it is gone."""
    go_on = asyncio.Event()

    async def events(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b'{"Type":"container","Action":"start","Actor":{"ID":"a"}}\n{"Type":')
        await go_on.wait()
        await response.write(b'"container","Action":"die","Actor":{"ID":"a"}}\n')
        return response

    fake.on("GET /events", lambda: events)
    seen = []

    async def follow() -> None:
        async for event in engine.events():
            seen.append(event.action)
            go_on.set()

    with pytest.raises(EngineError, match="ended its event stream") as caught:
        await follow()
    assert seen == ["start", "die"]
    assert caught.value.is_unreachable


async def test_a_stream_that_breaks_is_status_0(fake: FakeEngine, engine: DockerEngine) -> None:
    """The engine is killed."""

    async def breaks(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return response

    fake.on("GET /events", lambda: breaks)
    with pytest.raises(EngineError) as caught:
        async for _ in engine.events():
            pass
    assert caught.value.is_unreachable


async def test_networks_and_volumes_are_made_of_bodies_that_others_wrote(
    fake: FakeEngine, engine: DockerEngine
) -> None:
    fake.on("POST /networks/create", lambda: says('{"Id":"n1"}', 201))
    fake.on("POST /networks/n1/connect", lambda: says(""))
    fake.on("POST /volumes/create", lambda: says('{"Name":"v"}', 201))
    assert await engine.create_network(b'{"Name":"x"}') == "n1"
    await engine.connect_network("n1", b'{"Container":"c"}')
    await engine.create_volume(b'{"Name":"v"}')
    assert [asked.body for asked in fake.asked[1:]] == [
        b'{"Name":"x"}',
        b'{"Container":"c"}',
        b'{"Name":"v"}',
    ]
