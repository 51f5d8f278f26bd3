"""The progress display on a terminal, and how a wait is left."""

import contextlib
import fcntl
import os
import struct
import termios
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from swarmd.cli.progress import Line
from swarmd.cli.wait import Display
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node, service, task

WEB = service()["ID"]


class Terminal(NamedTuple):
    """Both ends of a pseudo-terminal; the second one is standard output."""

    user: int
    program: int

    def is_wide(self, columns: int) -> None:
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self.program, termios.TIOCSWINSZ, size)

    def text(self) -> str:
        return os.read(self.user, 65_536).decode().replace("\r\n", "\n")


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    made = Terminal(*os.openpty())
    with os.fdopen(made.program, "w") as stdout, contextlib.redirect_stdout(stdout):
        yield made
    os.close(made.user)


def test_lines_are_drawn_over_each_other() -> None:
    with terminal() as shown:
        shown.is_wide(40)
        display = Display(is_quiet=False)
        display.show([Line("overall progress", "0 out of 1 tasks"), Line("1/1", "preparing")])
        assert shown.text() == (
            "\r\x1b[2Koverall progress: 0 out of 1 tasks\n\r\x1b[2K1/1: preparing\n"
        )
        display.show([Line("overall progress", "1 out of 1 tasks"), Line("1/1", "running")])
        assert shown.text() == (
            "\x1b[2A\r\x1b[2Koverall progress: 1 out of 1 tasks\n\r\x1b[2K1/1: running\n"
        )


@pytest.mark.parametrize(("columns", "width"), [(40, 39), (5, 20), (0, 79)])
def test_no_line_wraps_whatever_the_terminal_says_of_its_width(columns: int, width: int) -> None:
    """A wrapped line is two, and the next drawing would start one too low."""
    with terminal() as shown:
        shown.is_wide(columns)
        Display(is_quiet=False).show([Line("1/1", "x" * 200)])
        drawn = shown.text().removeprefix("\r\x1b[2K").removesuffix("\n")
    assert len(drawn) == width


def test_ctrl_c_leaves_the_service_to_itself_and_says_how_to_watch_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.answers(
        {
            "POST /services/create": {"ID": WEB},
            f"GET /services/{WEB}": service(replicas=1),
            "GET /tasks": [task(1, "starting")],
            "GET /nodes": [node()],
        }
    )

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    ran = cli("service", "create", "--no-resolve-image", "nginx")
    assert ran.code == 0
    assert ran.out.endswith(
        f"Operation continuing in background.\nUse `swarmd service ps {WEB}` to check progress.\n"
    )
