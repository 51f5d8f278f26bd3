"""Random schedules: none breaks a promise, and each bug that chance can find is found.

More of them: `python -m tests.sim.raft.runs`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swarmd.raft.planted import NAMES, PLANTED
from tests.sim.raft.runs import MIXES, run
from tests.unit.raft.transcripts import TRANSCRIPTS

#: Bugs that random schedules meet, and how many at most are tried until then (seed by seed, all
#: mixes); the others have transcripts.
BY_CHANCE = {
    "promise-before-sync": 60,
    "read-before-noop": 60,
    "restart-applies-twice": 12,
    "snapshot-commits-tail": 120,
    "snapshot-not-synced": 12,
    "snapshot-over-newer-log": 120,
    "stale-truncation": 60,
    "unknown-told-as-refused": 60,
}


@pytest.fixture(autouse=True)
def _nothing_stays_planted() -> Iterator[None]:
    yield
    PLANTED.clear()


@pytest.mark.parametrize(("count", "faults"), MIXES)
def test_no_schedule_breaks_a_promise(count: int, faults: str) -> None:
    """Acknowledged is kept, refused never applied, nothing twice, replicas equal in the end."""
    acknowledged = 0
    for seed in range(100, 108):
        world = run(count, seed, faults)
        assert world.violations == [], f"run({count}, {seed}, {faults!r})"
        acknowledged += len(world.acknowledged)
    assert acknowledged > 100  # else nothing was tested


@pytest.mark.parametrize("planted", BY_CHANCE)
def test_chance_finds_the_planted_bug(planted: str) -> None:
    PLANTED.add(planted)
    schedules = [(count, seed, faults) for seed in range(10) for count, faults in MIXES]
    assert any(run(*schedule).violations for schedule in schedules[: BY_CHANCE[planted]])


def test_every_planted_bug_is_found_by_a_schedule() -> None:
    """Alone, but for the two that mask each other; see `tests.unit.raft`."""
    scripted = {name for _, planted in TRANSCRIPTS for name in planted.split("+") if name}
    assert scripted | BY_CHANCE.keys() == NAMES.keys()


def test_reads_that_ask_nobody_would_be_stale() -> None:
    """What `isLeader()` alone answers: so the reads of these schedules do test the barrier (D9)."""
    worlds = [run(3, seed, "crash reads") for seed in range(1000, 1010)]
    assert sum(world.stale_naive for world in worlds) > 0
    assert sum(world.barrier_reads for world in worlds) > 100


def test_a_seed_is_the_same_schedule_under_any_hash_seed() -> None:
    """Pysyncobj iterates over sets of nodes; their hash must not follow PYTHONHASHSEED."""
    digests = {
        subprocess.run(
            [sys.executable, "-m", "tests.sim.raft.runs", "digest", "7"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1
