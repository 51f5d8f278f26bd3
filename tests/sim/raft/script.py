"""Words for scripted schedules over a `World`."""

from collections.abc import Callable, Collection

from swarmd.raft.interface import RaftID
from tests.sim.raft.world import Link, World

Held = frozenset[Link]


def ids(names: str) -> list[RaftID]:
    return [RaftID(name) for name in names.split()]


def held(*links: str) -> Held:
    """Links "from to" that keep their bytes."""
    return frozenset((RaftID(link.split()[0]), RaftID(link.split()[1])) for link in links)


def flush(world: World, i: RaftID) -> None:
    """Send and sync without a tick."""
    core = world.cores[i]
    world.send(i, core.take_early())
    world.sync(i)
    world.send(i, core.take_late())


def drain(world: World, a: RaftID, b: RaftID) -> None:
    """Deliver all that lies in one link."""
    while world.deliver(a, b):
        pass


def _never() -> bool:
    return False


def pump(
    world: World,
    only: Collection[RaftID],
    keeping: Held = frozenset(),
    stop: Callable[[], bool] = _never,
) -> None:
    """Deliver among `only` until nothing moves, or until `stop`."""
    moved = True
    while moved:
        moved = False
        for a, b in sorted(world.links):
            if a in only and b in only and (a, b) not in keeping and world.deliver(a, b):
                moved = True
                if stop():
                    return
        for i in sorted(only):
            if i in world.cores:
                flush(world, i)


def spin(world: World, names: str, seconds: float, keeping: Held = frozenset()) -> None:
    """Time passes among some."""
    members, end = ids(names), world.now + seconds
    while world.now < end:
        world.now += 0.02
        for i in members:
            world.step(i)
        pump(world, members, keeping)


def elect(
    world: World,
    candidate: str,
    voters: str,
    keeping: Held = frozenset(),
    *,
    only_just: bool = False,
) -> None:
    """Only the candidate ticks, so that it is the one; the others then count as long without a leader.

    `only_just`: its first entry has not left yet.
    """
    me = RaftID(candidate)

    def leads() -> bool:
        return world.cores[me].kernel.leads

    for _ in range(400):
        world.now += 0.05
        world.step(me)
        pump(world, [me, *ids(voters)], keeping, leads if only_just else _never)
        if leads():
            return
    raise AssertionError(f"{candidate} was not elected")


def rounds(
    world: World, leader: str, followers: str, count: int, keeping: Held = frozenset()
) -> None:
    """Heartbeats and their answers."""
    for _ in range(count):
        world.now += 0.15
        world.step(RaftID(leader))
        pump(world, ids(f"{leader} {followers}"), keeping)
