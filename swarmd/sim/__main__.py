"""`python -m swarmd.sim --seed 7`: run a seed, print its digest; `--seeds 50`: the first fifty."""

import logging
import sys

import click

from swarmd.sim.run import run


@click.command()
@click.option("--seed", type=int, help="run this seed")
@click.option("--seeds", type=int, help="run the seeds from 0 up to this number")
def main(seed: int | None, seeds: int | None) -> None:
    """Boot the real daemons on simulated ports, break them, heal them, check the invariants."""
    logging.disable(logging.CRITICAL)
    failed = False
    for number in range(seeds) if seeds else [seed or 0]:
        outcome = run(number)
        if outcome.violation:
            failed = True
            sys.stdout.write(f"seed {number}: {outcome.violation}\n")
        else:
            sys.stdout.write(f"seed {number}: {outcome.answered} requests, {outcome.steps} steps\n")
        sys.stdout.write(f"digest: {outcome.digest}\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
