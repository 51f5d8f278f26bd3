"""The small HTTP client, and what a command does not import."""

import subprocess
import sys
from pathlib import Path

import pytest

from swarmd.cli.client import ApiError, Client, path, quoted
from swarmd.errors import InvalidArgumentError, UnavailableError
from tests.unit.cli.canned import Answer, serving

#: Each costs more than a command's own work.
HEAVY = {"asyncio", "aiohttp", "docker", "msgspec", "rich", "ssl", "http.client", "yaml"}


def test_a_counted_and_a_chunked_body_are_read_alike(tmp_path: Path) -> None:
    answers = {"GET /a": Answer({"x": 1}), "GET /b": Answer([b'{"x":', b" 1}"])}
    with serving(tmp_path, answers) as canned:
        client = Client(canned.host)
        assert client.get("/a") == client.get("/b") == {"x": 1}


def test_a_large_body_comes_whole(tmp_path: Path) -> None:
    with serving(tmp_path, {"GET /a": Answer([{"n": n} for n in range(20_000)])}) as canned:
        assert len(Client(canned.host).list("/a")) == 20_000


def test_an_error_carries_status_and_message(tmp_path: Path) -> None:
    answers = {
        "GET /a": Answer({"message": "service a not found"}, 404),
        "GET /b": Answer(b"plain trouble", 500),
    }
    with serving(tmp_path, answers) as canned:
        client = Client(canned.host)
        with pytest.raises(ApiError, match=r"^Error response from daemon: service a not found$"):
            client.get("/a")
        assert client.find("/a") is None
        with pytest.raises(ApiError, match="plain trouble"):
            client.find("/b")


def test_what_users_type_cannot_leave_its_place_in_a_path() -> None:
    assert path("services", "a/../b?c") == "/services/a%2F..%2Fb%3Fc"
    assert quoted("é {") == "%C3%A9%20%7B"


@pytest.mark.parametrize("host", ["http://x", "ssh://x", "x"])
def test_an_address_that_is_no_daemons_is_refused(host: str) -> None:
    with pytest.raises(InvalidArgumentError, match="unable to parse docker host"):
        Client(host).get("/")


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "tcp://127.0.0.1:x", "unix:///nope"])
def test_a_daemon_that_does_not_answer_is_unavailable(host: str) -> None:
    with pytest.raises(UnavailableError, match="Is the swarmd daemon running"):
        Client(host).get("/")


@pytest.mark.parametrize("args", [["service", "ls"], ["node", "ls"], ["service", "ps", "web"]])
def test_a_command_imports_nothing_that_is_slow_to_import(tmp_path: Path, args: list[str]) -> None:
    """A command's start-up is what its user waits for each time."""
    code = (
        "import sys; from swarmd.cli.main import run; "
        f"run({args!r}); print(*sorted({HEAVY!r} & set(sys.modules)))"
    )
    with serving(tmp_path, {"GET /services": Answer([]), "GET /nodes": Answer([])}) as canned:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env={"SWARMD_HOST": canned.host},
            capture_output=True,
            text=True,
            check=True,
        )
    assert ran.stdout.splitlines()[-1] == ""


def test_a_deployment_imports_yaml_and_nothing_else_that_is_slow() -> None:
    code = f"import sys, swarmd.cli.stack_deploy; print(*sorted({HEAVY!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "yaml\n"
