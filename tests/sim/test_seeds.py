"""Fifty swarms, each broken and healed in its own way; all invariants hold in each.

A seed that fails is a bug of the product or of the simulator: it stays here, with what was found.
To look at one: `python -m swarmd.sim --seed N`.
"""

import pytest

from swarmd.sim.run import run


@pytest.mark.parametrize("seed", range(50))
def test_a_swarm_that_was_broken_and_healed_is_well(seed: int) -> None:
    outcome = run(seed)
    assert outcome.violation == ""
    assert outcome.answered > 0
