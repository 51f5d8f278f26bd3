"""`python -m swarmd.sim --seed 7`: run a seed, print its digest; `--seeds 50`: the first fifty.

`--story alpha` tells what happened to a service, task or host meanwhile.
"""

import logging
import sys
from collections.abc import Callable

import click

from swarmd.sim.run import Mix, run
from swarmd.sim.story import Story
from swarmd.sim.world import World


@click.command()
@click.option("--seed", type=int, default=0, help="run this seed")
@click.option("--seeds", type=int, help="run the seeds from 0 up to this number")
@click.option("--managers", type=int, default=Mix().managers, help="nodes that begin as managers")
@click.option("--workers", type=int, default=Mix().workers, help="nodes that begin as workers")
@click.option("--fault", "faults", multiple=True, help="of this kind only; may be repeated")
@click.option("--story", metavar="NAME|ID", help="tell what happens to a service, task or host")
def main(
    seed: int,
    seeds: int | None,
    managers: int,
    workers: int,
    faults: tuple[str, ...],
    story: str | None,
) -> None:
    """Boot the real daemons on simulated ports, break them, heal them, check the invariants."""
    logging.disable(logging.CRITICAL)
    mix = Mix(managers=managers, workers=workers, faults=faults)
    failed = False
    for number in range(seeds) if seeds else [seed]:
        outcome = run(number, _teller(story), mix)
        failed |= bool(outcome.violation)
        sys.stdout.write(f"{outcome.report}\ndigest: {outcome.digest}\n")
        sys.stdout.flush()
    sys.exit(failed)


def _teller(story: str | None) -> Callable[[World], object]:
    def prepare(world: World) -> None:
        if story:
            Story(world, story, click.echo)

    return prepare


if __name__ == "__main__":
    main()
