"""Who is alive, and what must not look like a death.  Times are seconds of one clock."""

from swarmd.dispatcher.sessions import DISCONNECTED_S, DOUBT_S, TICK_S, Cause, Sessions
from swarmd.model.ids import NodeID

A, B = NodeID("a"), NodeID("b")
MANY = [NodeID(f"n{number}") for number in range(9)]


def sessions(*nodes: NodeID, at: float = 0.0) -> Sessions:
    made = Sessions(5.0)
    for node in nodes:
        made.register(node, f"session of {node}", at)
    return made


def tick(core: Sessions, start: float, end: float) -> list[tuple[NodeID, float]]:
    """Call `expire` in its rhythm; (node, when) of those that went."""
    gone, now = [], start
    while now <= end:
        gone += [(one.node_id, round(now, 2)) for one in core.expire(now)]
        core.check()
        now += TICK_S
    return gone


def test_a_node_is_down_after_three_silent_periods() -> None:
    core = sessions(A, *MANY)
    for at in range(1, 100):
        for node in MANY:
            core.beat(node, f"session of {node}", float(at))
        gone = tick(core, at - 1 + TICK_S, at)
        if gone:
            assert gone == [(A, 15.0)]
            return
    raise AssertionError("never down")


def test_a_beat_of_an_older_session_counts_for_nothing() -> None:
    core = sessions(A)
    assert core.register(A, "new", 1.0) == "session of a"
    assert not core.beat(A, "session of a", 2.0)
    assert core.beat(A, "new", 2.0)


def test_a_node_that_gossip_and_its_host_call_dead_goes_at_once() -> None:
    core = sessions(A, *MANY)
    core.expire(0.75)
    core.confirmed_dead(A, asked_at=0.0, now=1.0)
    assert [(one.node_id, one.cause) for one in core.expire(1.0)] == [(A, Cause.DEAD)]


def test_a_beat_after_the_question_saves_the_node() -> None:
    core = sessions(A, *MANY)
    core.beat(A, "session of a", 0.5)
    core.confirmed_dead(A, asked_at=0.2, now=1.2)
    assert core.expire(1.25) == ()


def test_a_leader_that_stalled_calls_nobody_dead() -> None:
    core = sessions(A, B)
    core.expire(0.25)
    assert core.expire(60.0) == ()  # the process was stopped for a minute
    assert tick(core, 60.25, 73.0) == []
    assert core.beat(A, "session of a", 73.0)


def test_too_many_deaths_at_once_are_doubted_for_a_while() -> None:
    core = sessions(*MANY)
    for node in MANY[5:]:
        core.register(node, "later", 14.0)
    gone = tick(core, 0.25, 28.0)
    assert gone == []
    assert core.is_in_doubt
    for node in MANY[:5]:  # the network is back
        core.beat(node, f"session of {node}", 28.0)
    for node in MANY[5:]:
        core.beat(node, "later", 28.0)
    assert tick(core, 28.25, 29.0) == []


def test_doubt_ends() -> None:
    core = sessions(*MANY)
    gone = tick(core, 0.25, 15.0 + DOUBT_S + 1)
    assert {node for node, _ in gone} == set(MANY)


def test_a_new_leader_gives_everybody_one_fresh_grace() -> None:
    core = Sessions(5.0)
    core.takeover([A, *MANY], 100.0)
    for node in MANY:
        core.register(node, "s", 101.0)
    gone: list[tuple[NodeID, float]] = []
    for at in range(101, 140):
        for node in MANY:
            core.beat(node, "s", float(at))
        gone += tick(core, at + TICK_S, at + 1.0)
    assert gone == [(A, 130.0)]


def test_a_node_that_registers_before_the_takeover_keeps_its_session() -> None:
    """It was waiting for a leader, and calls in the very moment."""
    core = sessions(A, at=100.0)
    core.takeover([A, B], 100.1)
    assert core.is_current(A, "session of a")
    assert core.beat(A, "session of a", 101.0)


def test_a_node_that_said_goodbye_has_its_own_grace() -> None:
    core = sessions(A)
    core.leave(A, "session of a", 0.0)
    assert tick(core, 0.25, DISCONNECTED_S - TICK_S) == []
    assert [one.cause for one in core.expire(DISCONNECTED_S)] == [Cause.GONE]
