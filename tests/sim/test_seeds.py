"""Fifty swarms, each broken and healed in its own way; all invariants hold in each.

A seed that fails is a bug of the product or of the simulator: it stays here, with what was found.
To look at one: `python -m swarmd.sim --seed N`.
"""

import pytest

from swarmd.sim.run import Mix, run


@pytest.mark.parametrize("seed", range(50))
def test_a_swarm_that_was_broken_and_healed_is_well(seed: int) -> None:
    outcome = run(seed)
    assert not outcome.violation, outcome.report
    assert outcome.answered > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_single_manager_that_stalls_takes_nobody_for_dead(seed: int) -> None:
    """Nobody else is elected meanwhile: what it judges by is what it has read."""
    outcome = run(seed, mix=Mix(managers=1, workers=4, faults=("stall",)))
    assert not outcome.violation, outcome.report
