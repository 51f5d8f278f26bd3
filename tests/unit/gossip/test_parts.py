"""The small parts by tables: formulas, own time, the queue of news, the table."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.gossip.awareness import WORST_SCORE, Awareness
from swarmd.gossip.broadcast import Broadcasts
from swarmd.gossip.messages import MOST_INCARNATION, MOST_META_BYTES, Member, Status
from swarmd.gossip.patience import BREATH_S, MOST_BREATHS, TOLERANCE_S, Patience
from swarmd.gossip.probing import RoundRobin, some
from swarmd.gossip.settings import DEFAULTS
from swarmd.gossip.suspects import Suspects
from swarmd.gossip.suspicion import expected_confirmations, shortest_s, timeout_s
from swarmd.gossip.table import Table
from swarmd.ports import Address
from tests.unit.gossip.swarm import SeededRandom


def member(
    node_id: str, incarnation: int = 1, status: Status = Status.ALIVE, meta: bytes = b""
) -> Member:
    return Member(node_id, Address(f"{node_id}:1"), incarnation, status, meta)


@pytest.mark.parametrize(
    ("confirmations", "expected", "seconds"),
    [(0, 3, 30.0), (1, 3, 16.0), (2, 3, 7.811), (3, 3, 2.0), (4, 3, 2.0), (0, 0, 2.0)],
)
def test_a_suspects_time_shrinks_with_every_accuser(
    confirmations: int, expected: int, seconds: float
) -> None:
    """The Lifeguard paper's curve between 30 and 2 seconds, as memberlist tests it."""
    assert timeout_s(confirmations, expected, 2.0, 30.0) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(("nodes", "expected"), [(1, 0), (2, 0), (3, 0), (4, 2), (100, 2)])
def test_nobody_waits_for_accusers_who_do_not_exist(nodes: int, expected: int) -> None:
    assert expected_confirmations(nodes, 2) == expected


@pytest.mark.parametrize(("nodes", "seconds"), [(0, 0.6), (3, 0.6), (10, 0.6), (100, 1.2)])
def test_the_shortest_time_grows_with_the_logarithm_of_the_nodes(
    nodes: int, seconds: float
) -> None:
    assert shortest_s(nodes, 0.3, 2.0) == pytest.approx(seconds)


def test_a_small_clusters_suspect_has_at_most_eight_tenths_of_a_second() -> None:
    suspects = Suspects(DEFAULTS)
    suspects.suspect("x", "a", live_count=7, own=10.0)
    assert suspects.due() == pytest.approx(10.3)
    assert suspects.to_call(10.2) == []
    assert [suspects.to_call(10.3 + quarter * 0.151) for quarter in range(4)] == [["x"]] * 4
    assert suspects.due() == pytest.approx(10.8)
    assert suspects.expired(10.79) == []
    assert suspects.confirm("x", "b", 10.1)
    assert not suspects.confirm("x", "b", 10.1)
    assert suspects.confirm("x", "c", 10.2)
    assert not suspects.confirm("x", "d", 10.3)
    assert suspects.due() == pytest.approx(10.6)
    assert suspects.expired(10.7) == ["x"]
    suspects.clear("x")
    assert math.isinf(suspects.due())


def test_a_late_confirmation_does_not_reach_into_the_past() -> None:
    suspects = Suspects(DEFAULTS)
    suspects.suspect("x", "a", live_count=7, own=10.0)
    suspects.confirm("x", "b", 10.79)
    suspects.confirm("x", "c", 10.79)
    assert suspects.to_call(10.79) == ["x"]
    assert suspects.due() == 10.79


def test_awareness_stays_within_its_bounds() -> None:
    awareness = Awareness()
    awareness.improve()
    assert awareness.scaled_s(0.5) == 0.5
    awareness.worsen(100)
    assert (awareness.score, awareness.scaled_s(1.0)) == (WORST_SCORE, 4.0)
    awareness.improve()
    assert awareness.scaled_s(1.0) == 3.0


def test_a_process_on_time_lives_in_the_clocks_time() -> None:
    patience = Patience()
    assert patience.own(5.0, 10.0) == 5.0
    assert patience.own(10.0, 10.0) == 10.0
    assert patience.own(10.0 + TOLERANCE_S / 2, 10.0) == 10.0 + TOLERANCE_S / 2
    assert patience.clock(11.0) == 11.0


def test_a_stall_did_not_happen_and_ends_with_a_breath() -> None:
    """The process was stopped for a minute."""
    patience = Patience()
    assert patience.own(70.0, 10.0) == pytest.approx(10.0 - BREATH_S)
    assert patience.clock(10.0) == pytest.approx(70.0 + BREATH_S)
    assert patience.clock(12.0) == pytest.approx(72.0 + BREATH_S)
    assert patience.own(70.0 + BREATH_S, 10.0) >= 10.0


def test_a_process_that_is_always_late_still_gets_something_done() -> None:
    """A starved machine: every timer is late, and the node must still gossip."""
    patience, now, due, dones = Patience(), 0.0, 1.0, 0
    for _ in range(40):
        now = patience.clock(due) + 0.06
        if patience.own(now, due) >= due - 1e-6:
            dones += 1
            due += 0.3
    assert dones == 40 // (MOST_BREATHS + 1)


@given(st.floats(0, 1e6), st.floats(0, 100), st.floats(0, 100))
def test_who_comes_at_the_timer_finds_it_due(start: float, stall: float, ahead: float) -> None:
    """Sums of floats fall short: a loop must not be called again and again at one moment."""
    patience = Patience()
    due = start + 1.0
    patience.own(start + 1.0 + stall, due)
    due += ahead
    assert patience.own(patience.clock(due), due) >= due


def test_news_goes_out_a_few_times_the_urgent_first() -> None:
    queue = Broadcasts()
    queue.put("a", b"alive a", is_urgent=False)
    queue.put("b", b"dead b", is_urgent=True)
    queue.put("c", b"alive c", is_urgent=False)
    assert queue.take(100, 3) == [b"dead b", b"alive c", b"alive a"]
    assert queue.take(6, 3) == [b"dead b"]
    assert queue.take(14, 3) == [b"alive c", b"alive a"]
    assert len(queue) == 3
    for _ in range(2):
        queue.take(100, 3)
    assert queue.take(100, 3) == []
    assert not queue


def test_later_news_of_a_node_replaces_the_earlier() -> None:
    queue = Broadcasts()
    queue.put("a", b"suspect", is_urgent=True)
    queue.take(100, 3)
    queue.put("a", b"alive", is_urgent=True)
    assert [queue.take(100, 3) for _ in range(5)] == [[b"alive"]] * 4 + [[]]


def test_a_larger_cluster_repeats_news_more_often() -> None:
    queue = Broadcasts()
    queue.put("a", b"x", is_urgent=False)
    sent = 0
    while queue:
        sent += len(queue.take(100, 500))
    assert sent == 12


def test_every_member_is_probed_once_a_round_and_newcomers_within_it() -> None:
    robin = RoundRobin(SeededRandom(1))
    live = ["a", "b", "c", "d"]
    assert sorted(str(robin.next(live)) for _ in range(4)) == live
    robin.next(live)
    robin.add("e")
    rest = {robin.next([*live, "e"]) for _ in range(4)}
    assert "e" in rest
    assert robin.next([]) is None
    assert RoundRobin(SeededRandom(1)).next(["x"]) == "x"


def test_some_are_different_and_never_the_one_excepted() -> None:
    random = SeededRandom(3)
    for _ in range(50):
        picked = some(["a", "b", "c", "d"], 2, random, but="c")
        assert len(set(picked)) == 2
        assert "c" not in picked
    assert some(["a", "b"], 5, random) == ["a", "b"]


rows = st.builds(
    member,
    st.sampled_from(["x", "y", "z"]),
    st.integers(1, 4),
    st.sampled_from(list(Status)),
)


@given(st.lists(rows, max_size=20), st.randoms(use_true_random=False))
def test_in_whatever_order_news_comes_the_tables_end_equal(
    news: list[Member], chance: Random
) -> None:
    tables = []
    for _ in range(2):
        chance.shuffle(news)
        table = Table(member("me"))
        for row in news + news:
            known = table.get(row.node_id)
            if known is None or row.overrules(known):
                table.put(row)
            table.check()
        tables.append(table)
    assert tables[0].rows() == tables[1].rows()
    assert tables[0].digest() == tables[1].digest()


def test_two_tables_differ_in_their_digest_by_live_rows_only() -> None:
    one, two = Table(member("me")), Table(member("me"))
    one.put(member("x", status=Status.DEAD))
    assert one.digest() == two.digest()
    one.put(member("x", incarnation=2))
    assert one.digest() != two.digest()
    assert one.live_others == ["x"]
    one.put(member("x", incarnation=2, status=Status.LEFT))
    assert one.digest() == two.digest()
    one.forget("x")
    assert one.rows() == two.rows()


@pytest.mark.parametrize(
    "insane",
    [
        member(""),
        member("x" * 65),
        Member("x", Address(""), 1),
        Member("x", Address("y" * 65), 1),
        member("x", incarnation=-1),
        member("x", incarnation=MOST_INCARNATION),
        member("x", meta=bytes(MOST_META_BYTES + 1)),
    ],
)
def test_what_no_correct_node_says_is_known_for_it(insane: Member) -> None:
    assert member("x").is_sane
    assert not insane.is_sane
