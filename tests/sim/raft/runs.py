"""Random schedules: `python -m tests.sim.raft.runs 3 0 200 crash compact member reads`.

Arguments: voters, first seed, end seed, faults.  With `mutants SEEDS [NAME ...]` every planted bug
is looked for; `digest SEED` prints what two PYTHONHASHSEEDs must agree on.
"""

import sys

from swarmd.errors import SwarmError
from swarmd.raft import planted
from swarmd.raft.interface import ContradictionError, RaftID
from swarmd.raft.kernel import Outcome
from tests.sim.raft.world import World

MIXES = (
    (3, "crash reads"),
    (3, "crash compact"),
    (3, "member"),
    (3, "member crash compact reads"),
    (5, "crash compact reads"),
    (5, "member crash compact"),
    (3, "crash compact reads loose"),
    (5, "crash compact loose"),
    (3, "member crash compact reads loose"),
    (3, "crash loose storm"),
    (5, "crash compact reads loose storm"),
    (5, "member crash compact reads loose storm"),
)


def _step(world: World, i: RaftID) -> None:
    world.now += world.rng.choice((0.005, 0.02, 0.05))
    world.step(i)


def _deliver(world: World, i: RaftID) -> None:
    rng = world.rng
    waiting = [link for link in sorted(world.links) if world.links[link]]
    if not waiting:
        world.now += 0.01
        world.step(i)
        return
    link = rng.choice(waiting)
    if link not in world.slow or rng.random() > 0.97:
        for _ in range(rng.choice((1, 1, 2, 5))):
            world.deliver(*link)


def _propose(world: World, i: RaftID) -> None:
    rng = world.rng
    leaders = [k for k, core in world.cores.items() if core.kernel.leads]
    for _ in range(rng.choice((1, 3, 8))):
        world.propose(rng.choice(leaders) if leaders and rng.random() < 0.9 else i)


def _crash(world: World, i: RaftID) -> None:
    if "crash" in world.faults:
        world.step(i, crash=True)
        if "storm" in world.faults and i not in world.cores:
            world.boot(i)  # back at once, while the messages of the time before are under way
            world.connect_all()
    if "storm" in world.faults:
        world.now += world.rng.choice((0.3, 1.0))  # several election deadlines pass together


def _boot(world: World, i: RaftID) -> None:
    if i not in world.cores:
        world.rates[i] = world.rng.choice((0.8, 1.0, 1.0, 1.2))
        world.boot(i)


def _change(world: World) -> None:
    """A transfer, a new member with an empty disk, or one or two removals at once."""
    rng = world.rng
    leaders = [i for i, core in world.cores.items() if core.kernel.leads]
    if not leaders:
        return
    leader = rng.choice(leaders)
    others = [v for v in world.cores[leader].configuration.voters if v != leader]
    chance = rng.random()
    if chance < 0.2 and others:
        world.cores[leader].hand_over(rng.choice(others))
    elif chance < 0.6 and len(others) < 4 and len(world.ids) < 8:
        new = RaftID(f"m{len(world.disks)}")
        world.join(new)
        world.change(leader, "add", new, [])
    elif others:
        for victim in rng.sample(others, min(len(others), rng.choice((1, 1, 2)))):
            _remove(world, leader, victim)


def _remove(world: World, leader: RaftID, victim: RaftID) -> None:
    class Outcomes(list[Outcome]):
        def append(self, outcome: Outcome, /) -> None:
            if outcome is Outcome.APPLIED:
                world.removed.append(victim)

    world.change(leader, "rem", victim, Outcomes())


def retire(world: World) -> None:
    """Switch off who was removed."""
    while world.removed:
        i = world.removed.pop()
        wanted = any(i in c.configuration.voters and c.kernel.leads for c in world.cores.values())
        if i in world.ids and not wanted:
            if i in world.cores:
                world.crash(i)
            world.ids.remove(i)


def random_event(world: World) -> None:
    rng, chance = world.rng, world.rng.random()
    i, j = rng.choice(world.ids), rng.choice(world.ids)
    if chance < 0.40:
        _step(world, i)
    elif chance < (0.93 if "storm" in world.faults else 0.86):
        _deliver(world, i)
    elif chance < 0.955:
        _propose(world, i)
    elif chance < 0.965:
        world.disconnect(i, j)
    elif chance < 0.985:
        world.connect(i, j)
    elif chance < 0.990:
        world.slow ^= {(i, j)}
    elif chance < 0.993:
        _crash(world, i)
    elif chance < 0.997:
        _boot(world, i)
    elif "member" in world.faults:
        _change(world)


def heal(world: World, seconds: float = 20) -> None:
    for i in world.ids:
        if i not in world.cores:
            world.boot(i)
    end, turn = world.now + seconds, 0
    while world.now < end:
        if turn % 10 == 0:
            world.connect_all()
        turn += 1
        world.now += 0.02
        for i in world.ids:
            world.step(i)
        for link in sorted(world.links):
            for _ in range(60):
                if not world.deliver(*link):
                    break


def run(count: int, seed: int, faults: str, events: int = 3000) -> World:
    """One schedule; what it found is in `violations`."""
    world = World(count, seed, faults.split())
    try:
        for _ in range(events):
            retire(world)
            if "reads" in world.faults:
                if world.rng.random() < 0.05:
                    world.read()
                world.poll_reads()
            if len(world.ids) < 2:
                break
            random_event(world)
            if world.violations:
                return world
        heal(world)
        world.final_check()
    except ContradictionError as error:
        world.violate(f"FATAL {error}")
    except (SwarmError, AssertionError, KeyError, IndexError, TypeError) as error:
        # An exception out of the core is a finding, not a crash of the test.
        world.violate(f"EXCEPTION {error!r}")
    return world


def _fuzz(count: int, first: int, end: int, faults: str) -> None:
    bad = acknowledged = reads = naive = stale = 0
    for seed in range(first, end):
        world = run(count, seed, faults)
        if world.violations:
            bad += 1
            print(f"seed {seed}: {world.violations[:2]}")  # noqa: T201
        acknowledged += len(world.acknowledged)
        reads += world.barrier_reads
        naive += world.naive_reads
        stale += world.stale_naive
    print(  # noqa: T201
        f"{count} voters, {faults}: {end - first} schedules, {bad} bad; {acknowledged} "
        f"acknowledged, {reads} barrier reads, of {naive} naive reads {stale} stale"
    )


def _mutants(seeds: int, names: list[str]) -> None:
    for name in names or sorted(planted.NAMES):
        planted.PLANTED.update(name.split("+"))
        tries = ((seed, mix) for seed in range(seeds) for mix in MIXES)
        text = "not found"
        for tried, (seed, (count, faults)) in enumerate(tries, 1):
            world = run(count, seed, faults)
            if world.violations:
                text = f"after {tried}: ({count}, {seed}, {faults!r}) {world.violations[0]}"
                break
        planted.PLANTED.clear()
        print(f"{name}: {text}", flush=True)  # noqa: T201


def main() -> None:
    match sys.argv[1:]:
        case ["mutants", seeds, *names]:
            _mutants(int(seeds), names)
        case ["digest", seed]:
            print(run(3, int(seed), "crash compact member reads").trace.hexdigest())  # noqa: T201
        case [count, first, end, *faults]:
            _fuzz(int(count), int(first), int(end), " ".join(faults))
        case _:
            print(__doc__)  # noqa: T201


if __name__ == "__main__":
    main()
