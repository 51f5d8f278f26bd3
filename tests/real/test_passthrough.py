"""The unmodified docker CLI against a real engine, by way of swarmd's API."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from swarmd.engine.client import DockerEngine
from tests.real.single_engine import Cli, running_engine
from tests.unit.api.parts import Swarm, serving

pytestmark = pytest.mark.real

#: Not compressible, and much more than any buffer on the way.
PAYLOAD = os.urandom(20_000_000)
DIGEST = hashlib.md5(PAYLOAD, usedforsecurity=False).hexdigest()
DOCKERFILE = (
    b"FROM busybox\nCOPY payload /payload\nRUN md5sum < /payload > /digest\nCMD cat /digest\n"
)


@pytest.fixture(scope="module")
def engine_socket() -> Iterator[str]:
    with running_engine() as path:
        yield path


@pytest.fixture
async def docker(engine_socket: str, tmp_path: Path) -> AsyncIterator[Cli]:
    """The CLI on swarmd's socket; containers are gone afterwards."""
    socket = str(tmp_path / "api.sock")
    async with serving(engine_socket, [f"unix://{socket}"], Swarm()):
        cli = Cli(socket, str(tmp_path / "config"))
        yield cli
        if left := (await cli.ok("ps", "-aq")).split():
            await cli.ok("rm", "-f", *left)


@pytest.fixture
async def cat(docker: Cli) -> str:
    """A container that waits to be used."""
    return await docker.ok("run", "-d", "busybox", "sleep", "3600")


async def test_a_container_runs_and_its_exit_status_comes_back(docker: Cli) -> None:
    assert await docker.ok("run", "--rm", "busybox", "echo", "hi") == "hi"
    ended = await docker("run", "--rm", "busybox", "sh", "-c", "echo no >&2; exit 7")
    assert (ended.status, ended.out, ended.err) == (7, b"", b"no\n")


async def test_twenty_megabytes_go_in_and_out_of_exec_and_run(docker: Cli, cat: str) -> None:
    for command in (("exec", "-i", cat, "cat"), ("run", "-i", "--rm", "busybox", "cat")):
        ended = await docker(*command, data=PAYLOAD)
        assert ended.status == 0, ended.err
        assert ended.out == PAYLOAD


async def test_exec_tells_errors_status_and_runs_detached(docker: Cli, cat: str) -> None:
    assert (await docker("exec", cat, "sh", "-c", "exit 5")).status == 5
    assert (await docker("exec", "-d", cat, "true")).status == 0
    ended = await docker("exec", "nope", "true")
    assert (ended.status, b"No such container: nope" in ended.err) == (1, True)


async def test_a_terminal_is_a_terminal(docker: Cli, cat: str) -> None:
    for command in (("exec", "-it", cat, "tty"), ("run", "--rm", "-it", "busybox", "tty")):
        ended = await docker(*command, tty=True)
        assert ended.status == 0, ended.err
        assert b"/dev/pts/0" in ended.out


async def test_attach_speaks_and_listens(docker: Cli) -> None:
    """A container that answers each line, until its input ends."""
    script = 'while read -r word; do echo "heard $word"; done; echo done'
    name = await docker.ok("create", "-i", "busybox", "sh", "-c", script)
    attached = await docker.start("start", "-ai", name)
    assert attached.stdin is not None
    assert attached.stdout is not None
    async with asyncio.timeout(60):
        for word in (b"one", b"two"):
            attached.stdin.write(word + b"\n")
            assert await attached.stdout.readline() == b"heard " + word + b"\n"
        attached.stdin.close()
        assert await attached.stdout.read() == b"done\n"
        assert await attached.wait() == 0


async def test_logs_are_followed_to_the_containers_end(docker: Cli) -> None:
    script = "for i in 1 2 3; do echo line $i; echo err $i >&2; done; sleep 1; echo last"
    name = await docker.ok("run", "-d", "busybox", "sh", "-c", script)
    ended = await docker("logs", "-f", name)
    assert ended.out == b"line 1\nline 2\nline 3\nlast\n"
    assert ended.err == b"err 1\nerr 2\nerr 3\n"


async def test_events_are_seen_as_they_happen(docker: Cli) -> None:
    filters = ("--filter", "type=container", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
    # Since an instant that has passed, so that nothing is missed while the command starts.
    events = await docker.start("events", "--since", "0m", *filters)
    assert events.stdout is not None
    try:
        await docker.ok("run", "--rm", "--name", "seen", "busybox", "true")
        async with asyncio.timeout(60):
            actions: list[str] = []
            while not actions or actions[-1] != "destroy":
                # Only a name is one word: an `exec_create` of a test before this has its command in it.
                action, _, name = (await events.stdout.readline()).decode().strip().rpartition(" ")
                if name == "seen":
                    actions.append(action)
    finally:
        events.kill()
        await events.wait()
    assert [a for a in actions if a in ("start", "die", "destroy")] == ["start", "die", "destroy"]


async def test_files_are_copied_images_built_saved_loaded_and_imported(
    docker: Cli, cat: str, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_bytes(DOCKERFILE)
    (context / "payload").write_bytes(PAYLOAD)
    await docker.ok("build", "-t", "built", str(context))
    assert (await docker.ok("run", "--rm", "built")).split()[0] == DIGEST
    await docker.ok("cp", str(context / "payload"), f"{cat}:/tmp/payload")
    assert (await docker.ok("exec", cat, "md5sum", "/tmp/payload")).split()[0] == DIGEST
    await docker.ok("cp", f"{cat}:/tmp/payload", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == PAYLOAD
    saved = await docker("save", "built")
    await docker.ok("rmi", "built")
    assert "Loaded image: built:latest" in await docker.ok("load", data=saved.out)
    exported = await docker("export", cat)
    assert (await docker.ok("import", "-", "again", data=exported.out)).startswith("sha256:")
    await docker.ok("rmi", "built", "again")


async def test_the_swarms_commands_say_that_there_is_no_swarm(docker: Cli) -> None:
    ended = await docker("node", "ls")
    assert ended.status == 1
    assert b'This node is not a swarm manager. Use "docker swarm init"' in ended.err
    assert "Swarm: inactive" in await docker.ok("info")
    assert "swarmd" in await docker.ok("version")


async def test_our_bridges_are_hidden_and_spared(
    docker: Cli, engine_socket: str, tmp_path: Path
) -> None:
    direct = Cli(engine_socket, str(tmp_path / "config"))
    await direct.ok("network", "create", "--label", "swarmd.network=n1", "swarmd-n1")
    await docker.ok("network", "create", "mine")
    assert (await docker.ok("network", "ls", "--format", "{{.Name}}")).split() == [
        "bridge",
        "host",
        "mine",
        "none",
    ]
    assert "Deleted Networks:\nmine" in await docker.ok("network", "prune", "-f")
    for command in (("network", "rm", "swarmd-n1"), ("run", "--network", "swarmd-n1", "busybox")):
        ended = await docker(*command)
        assert b"this node's bridge of cluster network n1" in ended.err
        assert ended.status != 0
    await direct.ok("network", "rm", "swarmd-n1")


async def test_the_engines_port_drives_a_real_container(engine_socket: str, docker: Cli) -> None:
    """What the agent does with a task, call by call."""
    del docker  # only for its cleaning up
    body = (
        b'{"Image":"busybox","Cmd":["sh","-c","echo out; echo err >&2; trap \'exit 3\' TERM; '
        b'while :; do sleep 0.1; done"],"Labels":{"task":"t1"}}'
    )
    async with DockerEngine(engine_socket) as engine:
        info = await engine.info()
        assert (info.os, info.swarm_state) == ("linux", "inactive")
        assert info.api_version == str(await engine.api_version())
        assert info.nano_cpus >= 1_000_000_000
        events = engine.events()
        first = asyncio.get_running_loop().create_future()

        async def follow() -> None:
            async for event in events:
                if event.action == "die":
                    first.set_result(event)
                    return

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            container_id = await engine.create_container("web.1.t1", body)
            await engine.start_container(container_id)
            assert list(await engine.list_containers("task=t1")) == [container_id]
            running = await engine.inspect_container("web.1.t1")
            assert running is not None
            assert (running.status, running.pid > 0) == ("running", True)
            lines = []
            async for line in engine.logs(
                container_id, follow=True, tail="all", since="", streams=(True, True)
            ):
                lines.append((line.stream, line.data))
                if len(lines) == 2:
                    break
            assert sorted(lines) == [(1, b"out\n"), (2, b"err\n")]
            await engine.kill_container(container_id, "SIGTERM")
            died = await first
        await events.aclose()
        assert died.labels["exitCode"] == "3"
        ended = await engine.inspect_container(container_id)
        assert ended is not None
        assert (ended.status, ended.exit_code) == ("exited", 3)
        assert ended.finished_at > ended.started_at > 0
        await engine.kill_container(container_id, "SIGKILL")
        await engine.remove_container(container_id)
        await engine.remove_container(container_id)
        assert await engine.inspect_container(container_id) is None
