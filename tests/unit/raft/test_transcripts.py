"""Each schedule holds, and breaks with its bug planted.

A rule without a test that fails without it is not a rule.
"""

from collections.abc import Callable, Iterator

import pytest

from swarmd.raft.interface import ContradictionError
from swarmd.raft.planted import NAMES, PLANTED
from tests.sim.raft.world import World
from tests.unit.raft.transcripts import TRANSCRIPTS

Schedule = Callable[[], World]


@pytest.fixture(autouse=True)
def _nothing_stays_planted() -> Iterator[None]:
    yield
    PLANTED.clear()


def _violations(schedule: Schedule, planted: str) -> list[str]:
    PLANTED.update(filter(None, planted.split("+")))
    assert set(NAMES) >= PLANTED
    try:
        return schedule().violations
    except ContradictionError as error:
        return [str(error)]


@pytest.mark.parametrize("schedule", [pair[0] for pair in TRANSCRIPTS], ids=lambda s: s.__name__)
def test_the_schedule_breaks_no_promise(schedule: Schedule) -> None:
    assert _violations(schedule, "") == []


@pytest.mark.parametrize(
    ("schedule", "planted"), [pair for pair in TRANSCRIPTS if pair[1]], ids=lambda p: str(p)[:70]
)
def test_the_schedule_finds_its_planted_bug(schedule: Schedule, planted: str) -> None:
    assert _violations(schedule, planted) != []
