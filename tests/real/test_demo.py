"""`make demo` and `make demo-down`, without what they install; on the machine's own engine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
#: Beside the tests' lab, and beside a demo that is up.
PREFIX = os.environ.get("SWARMD_TEST_LAB", "test") + "d"
HOSTS = [f"{PREFIX}{number}" for number in (1, 2, 3)]
VARIABLES = ROOT / f"{PREFIX}.env"
WITHIN_S = 180.0


def command(verb: str) -> list[str]:
    return [sys.executable, "-m", "tools.demo", verb, "--prefix", PREFIX]


def demo(verb: str) -> str:
    """What it printed; it succeeded."""
    done = subprocess.run(
        command(verb), cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def _gone() -> Iterator[None]:
    demo("down")
    yield
    demo("down")


def traces() -> list[str]:
    """Namespaces, folders, links and files by the demo's name."""
    places = (Path("/run/netns"), Path("/tmp/swarmlab"), Path("/sys/class/net"), ROOT)
    return [str(path) for place in places if place.is_dir() for path in place.glob(f"{PREFIX}*")]


def variables() -> dict[str, str]:
    """What the demo's file gives a shell that reads it."""
    names = ("SWARMD_HOST", "SWARMD_HOSTS", "DEMO_NETNS")
    values = " ".join(f'"${name}"' for name in names)
    script = f". {VARIABLES} && printf '%s\\n' {values}"
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    return dict(zip(names, shown.splitlines(), strict=True))


def test_the_demo_runs_after_one_that_was_interrupted_and_again_and_leaves_no_trace() -> None:
    with subprocess.Popen(command("up"), cwd=ROOT, stdout=subprocess.PIPE, text=True) as cut:
        assert cut.stdout is not None
        while "swarm init" not in cut.stdout.readline():
            assert cut.poll() is None
        cut.send_signal(signal.SIGINT)
        cut.stdout.read()
        assert cut.wait(WITHIN_S) == 130

    first = demo("up")
    assert_shown(first)
    assert "using them again" not in first
    found = variables()
    urls = found["SWARMD_HOSTS"].split()
    assert urls[0] == found["SWARMD_HOST"]
    assert found["DEMO_NETNS"].split() == HOSTS
    assert all(Path(url.removeprefix("unix://")).is_socket() for url in urls)
    assert all(Path("/run/netns", host).exists() for host in HOSTS)

    again = demo("up")
    assert "using them again" in again
    assert_shown(again)

    demo("down")
    assert traces() == []


def assert_shown(printed: str) -> None:
    """Every host was asked at both addresses, and replicas on all hosts answered."""
    answers = [
        line.split() for line in printed.splitlines() if ":8080/" in line and "curl" not in line
    ]
    assert [(line[0], line[2:]) for line in answers] == [(h, HOSTS) for h in HOSTS for _ in "12"]
    assert sum("http://127.0.0.1:8080/" in line for line in answers) == len(HOSTS)
    assert "converged" in printed
    for words in ("node ls", "stack services web", "service ps"):
        assert f"{HOSTS[0]}$ swarmd {words}" in printed
    assert "3/3" in printed
    assert "Leader" in printed
    assert "Reachable" in printed
