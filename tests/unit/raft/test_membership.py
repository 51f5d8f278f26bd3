"""Who votes, who dials, and when a learner has caught up."""

import random

from swarmd.raft.catchup import CatchUp
from swarmd.raft.interface import RaftID
from swarmd.raft.links import to_dial
from swarmd.raft.membership import Change, Configuration, Tracker, founding_entries, parse_change

A, B, C = RaftID("1"), RaftID("2"), RaftID("3")
VERBS = ("add", "rem", "learn", "forget")


def test_a_member_is_voter_or_learner_or_neither() -> None:
    configuration = Configuration((A,), ())
    configuration = configuration.after(Change("learn", B))
    assert configuration == Configuration((A,), (B,))
    configuration = configuration.after(Change("add", B))
    assert configuration == Configuration((A, B), ())
    assert configuration.after(Change("rem", A)) == Configuration((B,), ())
    assert configuration.after(Change("forget", C)) == configuration


def test_a_majority_is_more_than_half_of_the_voters() -> None:
    assert Configuration((A, B, C), ()).is_majority([A, C, RaftID("9")])
    assert not Configuration((A, B), (C,)).is_majority([A, C])
    assert not Configuration().is_majority([A])


def test_the_configuration_is_a_function_of_snapshot_and_log() -> None:
    """However entries were appended, cut and compacted (D12)."""
    rng, tracker = random.Random(1), Tracker()
    log: list[tuple[bytes, int]] = []
    base, base_index = Configuration(), 0
    for _ in range(2000):
        chance = rng.random()
        index = log[-1][1] if log else base_index
        if chance < 0.7:
            change = Change(rng.choice(VERBS), rng.choice((A, B, C)))  # type: ignore[arg-type]  # a str
            command = change.command() if rng.random() < 0.5 else b"\0x"
            log.append((command, index + 1))
            tracker.added(command, index + 1)
        elif chance < 0.9 and log:
            first = rng.choice(log)[1]
            log = [entry for entry in log if entry[1] < first]
            tracker.cut(first)
        elif log:
            base_index = rng.choice(log)[1]
            base = tracker.at(base_index)
            tracker.rebase(base_index, base)
            log = [entry for entry in log if entry[1] > base_index]
        expected = base
        for command, _ in log:
            made = parse_change(command)
            expected = expected if made is None else expected.after(made)
        assert tracker.current == expected


def test_every_log_begins_alike_so_a_joiners_fits_the_founders() -> None:
    assert founding_entries([A])[0] == founding_entries([])[0] == (b"\x01", 1, 0)
    assert parse_change(founding_entries([A])[1][0]) == Change("add", A)


def test_of_two_voters_the_greater_dials_and_the_leader_dials_learners() -> None:
    configuration = Configuration((A, B), (C,))
    assert to_dial(A, configuration, leads=False) == []
    assert to_dial(A, configuration, leads=True) == [C]
    assert to_dial(B, configuration, leads=True) == [A, C]
    assert to_dial(C, configuration, leads=False) == []


def test_a_learner_has_caught_up_when_its_last_round_was_quick() -> None:
    """A round carries the log as it was when the round began (diss. §4.2.1)."""
    rounds = CatchUp(0.3)
    assert not rounds.is_caught_up(A)
    rounds.observe(A, match=0, last=1000, now=0.0)
    rounds.observe(A, match=500, last=1100, now=0.4)
    rounds.observe(A, match=1000, last=1200, now=0.8)
    assert not rounds.is_caught_up(A)
    rounds.observe(A, match=1200, last=1210, now=0.9)
    assert rounds.is_caught_up(A)
    rounds.observe(A, match=1200, last=1300, now=1.3)  # it stopped
    assert not rounds.is_caught_up(A)
    rounds.reset()
    assert not rounds.is_caught_up(A)
