"""Whole swarms of cores in virtual time: convergence, detection, and no false deaths."""

import pytest

from tests.unit.gossip.swarm import Swarm


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_a_joining_node_learns_everybody_in_a_moment(count: int) -> None:
    swarm = Swarm(1)
    ids = swarm.start_many(count - 1)
    swarm.start("newcomer", [ids[0]])
    assert swarm.until(lambda: swarm.agrees_on([*ids, "newcomer"]), 2.0) is not None
    assert swarm.false_deaths() == []
    swarm.check()


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(10))
def test_a_death_is_seen_everywhere_in_about_a_second_and_a_half(count: int, seed: int) -> None:
    swarm = Swarm(seed)
    ids = swarm.start_many(count)
    swarm.run(2.0 + seed * 0.07)
    swarm.kill(ids[-1])
    took = swarm.until(lambda: swarm.agrees_on(ids[:-1]), 5.0)
    assert took is not None
    assert 0.6 < took < 2.0
    assert swarm.false_deaths(ids[-1:]) == []
    swarm.check()


def test_ten_deaths_at_once_among_a_hundred_are_seen_in_seconds() -> None:
    """A rack loses power."""
    swarm = Swarm(5)
    ids = swarm.start_many(100)
    swarm.run(2.0)
    for node_id in ids[90:]:
        swarm.kill(node_id)
    took = swarm.until(lambda: swarm.agrees_on(ids[:90]), 10.0)
    assert took is not None
    assert took < 4.0
    assert swarm.false_deaths(ids[90:]) == []
    swarm.check()


def test_one_packet_in_ten_lost_kills_nobody() -> None:
    swarm = Swarm(3)
    ids = swarm.start_many(50)
    swarm.loss = 0.1
    swarm.run(30.0)
    assert swarm.false_deaths() == []
    swarm.kill(ids[-1])
    assert swarm.until(lambda: swarm.agrees_on(ids[:-1]), 10.0) is not None
    swarm.check()


def test_with_a_third_of_all_packets_lost_the_swarm_comes_together_again() -> None:
    swarm = Swarm(4)
    ids = swarm.start_many(30)
    swarm.loss = 0.35
    swarm.run(20.0)
    swarm.loss = 0.0
    assert swarm.until(lambda: swarm.agrees_on(ids), 10.0) is not None
    swarm.check()


@pytest.mark.parametrize(("count", "cut"), [(5, 2), (60, 30), (8, 1)])
def test_both_sides_of_a_partition_go_on_and_find_each_other_again(count: int, cut: int) -> None:
    swarm = Swarm(6)
    ids = swarm.start_many(count)
    side = frozenset(ids[:cut])
    swarm.passes = lambda one, other: (one in side) == (other in side)
    swarm.run(20.0)
    for node_id in ids:
        here = [other for other in ids if (other in side) == (node_id in side)]
        assert swarm.nodes[node_id].core.alive() == tuple(here)
    swarm.passes = lambda _one, _other: True
    took = swarm.until(lambda: swarm.agrees_on(ids), 20.0)
    assert took is not None
    assert took < 8.0
    swarm.check()


def test_a_path_that_is_cut_between_two_nodes_kills_neither() -> None:
    """Others still reach both."""
    swarm = Swarm(7)
    ids = swarm.start_many(6)
    swarm.passes = lambda one, other: {one, other} != {ids[1], ids[2]}
    swarm.run(30.0)
    assert swarm.false_deaths() == []


@pytest.mark.parametrize("stall_s", [0.1, 0.3, 1.0, 5.0, 60.0])
def test_a_process_that_was_stopped_declares_nobody_dead(stall_s: float) -> None:
    """SIGSTOP, a long garbage collection, a machine that swaps."""
    for seed in range(5):
        swarm = Swarm(seed)
        ids = swarm.start_many(10)
        swarm.run(1.0)
        swarm.stall(ids[4], stall_s)
        swarm.run(stall_s + 5.0)
        assert [seen for seen in swarm.false_deaths() if seen[1] == ids[4]] == []
        assert swarm.agrees_on(ids)
        swarm.check()


def test_a_short_stall_is_seen_by_nobody() -> None:
    for seed in range(10):
        swarm = Swarm(seed)
        ids = swarm.start_many(10)
        swarm.run(1.0)
        swarm.stall(ids[4], 0.6)
        swarm.run(5.0)
        assert swarm.false_deaths() == []


def test_a_machine_on_which_everything_stalls_kills_nobody() -> None:
    """All nodes of a test, or all guests of one host, stop for a second, again and again."""
    swarm = Swarm(9)
    ids = swarm.start_many(20)
    for _ in range(10):
        for node_id in ids:
            swarm.stall(node_id, swarm.random.uniform(1.0, 1.4))
        swarm.run(3.0)
    assert swarm.false_deaths() == []
    assert swarm.agrees_on(ids)


def test_a_node_killed_and_back_within_the_detection_time_was_never_dead() -> None:
    swarm = Swarm(10)
    ids = swarm.start_many(5)
    swarm.kill(ids[1])
    swarm.run(0.4)
    swarm.start(ids[1], ids[:3], incarnation=2)
    swarm.run(5.0)
    assert swarm.agrees_on(ids)
    assert swarm.false_deaths() == []


@pytest.mark.parametrize("incarnation", [1, 1000])
def test_a_node_that_was_buried_comes_back_whatever_its_clock_says(incarnation: int) -> None:
    """The next life's incarnation is the wall clock's, which may have been set back."""
    swarm = Swarm(11)
    ids = swarm.start_many(5)
    swarm.kill(ids[1])
    swarm.run(5.0)
    swarm.start(ids[1], ids[:3], incarnation=incarnation)
    assert swarm.until(lambda: swarm.agrees_on(ids), 2.0) is not None


def test_a_goodbye_is_known_everywhere_in_a_moment() -> None:
    swarm = Swarm(12)
    ids = swarm.start_many(100)
    node = swarm.nodes[ids[7]]
    swarm._do(ids[7], node, node.core.leave(swarm.now))
    swarm.run(0.3)
    swarm.kill(ids[7])
    rest = [node_id for node_id in ids if node_id != ids[7]]
    assert swarm.until(lambda: swarm.agrees_on(rest), 0.5) is not None
    swarm.run(10.0)
    assert swarm.agrees_on(rest)
    assert swarm.false_deaths([ids[7]]) == []


def test_a_quiet_swarm_costs_little() -> None:
    """No more per node in a larger swarm: what SWIM is for."""
    costs = []
    for count in (10, 100):
        swarm = Swarm(13)
        swarm.start_many(count)
        swarm.run(10.0)
        swarm.sent_count = 0
        swarm.run(10.0)
        costs.append(swarm.sent_count / count / 10.0)
    assert max(costs) < 12.0


def test_a_seed_gives_the_same_run_twice() -> None:
    runs = []
    for _ in range(2):
        swarm = Swarm(14)
        ids = swarm.start_many(10)
        swarm.loss = 0.2
        swarm.kill(ids[3])
        swarm.run(10.0)
        runs.append((swarm.changes, swarm.sent_count, swarm.sent_bytes))
    assert runs[0] == runs[1]
