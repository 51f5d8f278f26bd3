"""Random schedules: none breaks a promise, and each bug that chance can find is found.

More of them: `python -m tests.sim.raft.runs`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swarmd.raft.planted import PLANTED
from tests.sim.raft.runs import MIXES, run

#: The first schedule in the order of `runs mutants` that finds the bug.
FOUND = {
    "joiner-campaigns": (5, 1, "member crash compact"),
    "promise-before-sync": (5, 0, "crash compact reads"),
    "read-before-noop": (5, 0, "member crash compact reads loose storm"),
    "restart-applies-twice": (3, 0, "crash compact"),
    "snapshot-commits-tail": (3, 2, "member crash compact reads"),
    "snapshot-not-synced": (3, 0, "crash compact"),
    "snapshot-over-newer-log": (5, 0, "crash compact loose"),
    "stale-truncation": (3, 0, "crash compact reads loose"),
    "unknown-told-as-refused": (5, 0, "crash compact reads loose storm"),
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


@pytest.mark.parametrize("planted", FOUND)
def test_chance_finds_the_planted_bug(planted: str) -> None:
    PLANTED.add(planted)
    assert run(*FOUND[planted]).violations != []


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
