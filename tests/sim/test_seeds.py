"""Fifty swarms, each broken and healed in its own way; all invariants hold in each.

A seed that fails is a bug of the product or of the simulator: it stays here, with what was found.
To look at one: `python -m swarmd.sim --seed N`.
"""

import pytest

from swarmd.sim.run import run

#: Seeds that are not well in the end, with what is seen; to be mended.
KNOWN = {39: "one of five tasks of a service does not come back after everything was healed"}


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=pytest.mark.xfail(strict=True, reason=KNOWN[seed]))
        if seed in KNOWN
        else seed
        for seed in range(51)
    ],
)
def test_a_swarm_that_was_broken_and_healed_is_well(seed: int) -> None:
    outcome = run(seed)
    assert outcome.violation == ""
    assert outcome.answered > 0
