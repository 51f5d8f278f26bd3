"""The two halves of the suite, with commands of the shell instead of tests."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

_ROOT = Path(__file__).parents[3]
_RUN = """
import asyncio, sys
from tools.suite import Suite
foreground, *others = (("sh", "-c", line) for line in sys.argv[1:])
sys.exit(asyncio.run(Suite().run(foreground, others)))
"""
#: Tells the pipe that it is up, and ends when it is interrupted.
_WAITING = """
import signal, sys
try:
    with open(sys.argv[1], "w") as pipe:
        pipe.write("up")
    signal.pause()
except KeyboardInterrupt:
    signal.sigtimedwait([], 0.2)  # a second interruption would be met here
    print("cleaned up")
"""
_LONGEST_S = 60.0


class Ended(NamedTuple):
    """How a suite ended, and what it said without its own lines."""

    status: int
    lines: list[str]


def begun(*lines: str) -> "subprocess.Popen[str]":
    """A suite of these lines of shell, the first in the foreground."""
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, *lines], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )


def ended(suite: "subprocess.Popen[str]") -> Ended:
    """Waits for it."""
    with suite:
        try:
            out, _ = suite.communicate(timeout=_LONGEST_S)
        finally:
            suite.kill()
    lines = [line for line in out.splitlines() if line and not line.startswith("suite: ")]
    return Ended(suite.returncode, lines)


@pytest.mark.parametrize(
    ("foreground", "others", "wanted"),
    [
        ("true", [], 0),
        ("true", ["true", "true"], 0),
        ("exit 3", ["true"], 1),
        ("true", ["exit 5", "true"], 1),
        ("true", ["true", "exit 5"], 1),
        ("kill -KILL $$", ["true"], 1),
    ],
)
def test_it_passes_if_everything_passed(foreground: str, others: list[str], wanted: int) -> None:
    assert ended(begun(foreground, *others)).status == wanted


def test_a_failure_ends_nothing_else() -> None:
    assert ended(begun("exit 1", "echo a; exit 1", "echo b >&2")) == Ended(1, ["a", "b"])


def test_what_the_others_say_comes_after_the_foreground(tmp_path: Path) -> None:
    """Each of the two waits for the other's line, so both ran at once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    foreground = f"echo one; read word < {pipe}; echo $word"
    assert ended(begun(foreground, f"echo three; echo two > {pipe}")) == Ended(
        0, ["one", "two", "three"]
    )


def test_the_others_give_way() -> None:
    own, other = (int(line) for line in ended(begun("nice", "nice")).lines)
    assert other == min(own + 10, 19)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_is_passed_on_and_the_cleaning_up_is_waited_for(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Of CI's deadline as well, and of a terminal that is closed."""
    program = tmp_path / "waiting.py"
    program.write_text(_WAITING)
    pipes = [tmp_path / "foreground", tmp_path / "beside"]
    commands = []
    for pipe in pipes:
        os.mkfifo(pipe)
        commands.append("exec " + shlex.join([sys.executable, str(program), str(pipe)]))
    suite = begun(*commands, "echo never")
    assert [pipe.read_text() for pipe in pipes] == ["up", "up"]
    suite.send_signal(number)
    suite.send_signal(number)  # as `make` and a terminal do, each for itself
    assert ended(suite) == Ended(1, ["cleaned up", "cleaned up"])
