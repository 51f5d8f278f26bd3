"""A command line's run against canned answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from swarmd.cli.main import run
from tests.unit.cli.canned import Answer, Canned, serving


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Cli:
    """`swarmd` with a canned daemon."""

    def __init__(self, canned: Canned, capture: pytest.CaptureFixture[str]) -> None:
        self.canned = canned
        self._capture = capture

    def __call__(self, *args: str) -> Ran:
        """Run one command line."""
        code = run(["-H", self.canned.host, *args])
        out, err = self._capture.readouterr()
        return Ran(code, out, err)

    def answers(self, answers: Mapping[str, Answer | list[Answer] | object]) -> None:
        """Set what the daemon says: JSON for a 200, or Answers."""
        for line, answer in answers.items():
            is_list = isinstance(answer, list) and answer and isinstance(answer[0], Answer)
            several = (
                answer if is_list else [answer if isinstance(answer, Answer) else Answer(answer)]
            )
            assert isinstance(several, list)
            self.canned.answers[line] = several


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with serving(tmp_path, {}) as canned:
        yield Cli(canned, capsys)
