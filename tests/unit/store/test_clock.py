"""Cluster time: whatever wall clocks do, it goes on."""

from hypothesis import given
from hypothesis import strategies as st

from swarmd.store.clock import SLEW, ClusterTime

SECOND = 10**9

#: (what, amount): time passes, the wall clock jumps, an entry arrives, the leader slews
events = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 10 * SECOND)),
        st.tuples(st.just("jump"), st.integers(-100 * SECOND, 100 * SECOND)),
        st.tuples(st.just("entry"), st.integers(-SECOND, SECOND)),
        st.tuples(st.just("slew"), st.just(0)),
    ),
    max_size=40,
)


@given(events)
def test_it_never_goes_back_and_never_races(plan: list[tuple[str, int]]) -> None:
    wall, monotonic = 1000 * SECOND, 0
    clock = ClusterTime(wall, 0.0)
    last, last_at = clock.now(0.0), 0
    for what, amount in plan:
        jumped_ahead = 0
        match what:
            case "pass":
                monotonic += amount
                wall += amount
            case "jump":
                wall += amount
            case "entry":
                before = clock.now(monotonic / 1e9)
                clock.applied(before + amount, monotonic / 1e9)
                jumped_ahead = max(0, amount)
            case _:
                clock.slew(wall, monotonic / 1e9)
        now = clock.now(monotonic / 1e9)
        # A few nanoseconds are lost in floating point.
        assert now >= last - 1000
        assert now - last <= (monotonic - last_at) * (1 + SLEW) + jumped_ahead + 1000
        last, last_at = now, monotonic


def test_a_leader_whose_wall_clock_is_ahead_catches_up_slowly_and_then_stays() -> None:
    clock = ClusterTime(0, 0.0)
    assert clock.slew(SECOND, 0.0) == SECOND
    assert clock.now(10.0) == 10 * SECOND + SECOND // 2
    assert clock.now(20.0) == 21 * SECOND
    assert clock.now(100.0) == 101 * SECOND


def test_a_leader_whose_wall_clock_was_set_back_goes_slower_for_a_while() -> None:
    clock = ClusterTime(100 * SECOND, 0.0)
    assert clock.slew(99 * SECOND, 0.0) == -SECOND
    assert clock.now(10.0) == 109 * SECOND + SECOND // 2
    assert clock.now(20.0) == 119 * SECOND
    assert clock.slew(119 * SECOND, 20.0) == 0


def test_an_entry_brings_a_late_follower_up_to_date() -> None:
    clock = ClusterTime(50 * SECOND, 0.0)
    clock.applied(200 * SECOND, 1.0)
    assert clock.now(2.0) == 201 * SECOND
    clock.applied(100 * SECOND, 3.0)
    assert clock.now(3.0) == 202 * SECOND
