"""Scripted schedules that random ones seldom meet."""

import collections

from swarmd.raft import messages as m
from swarmd.raft.interface import RaftID
from swarmd.raft.kernel import Outcome
from swarmd.raft.membership import Change
from tests.sim.raft.runs import heal
from tests.sim.raft.script import drain, elect, flush, held, ids, pump, rounds, spin
from tests.sim.raft.world import World

N0, N1, N2, N3, N4 = ids("n0 n1 n2 n3 n4")


def _three() -> World:
    world = World(3, 1)
    elect(world, "n0", "n1 n2")
    rounds(world, "n0", "n1 n2", 4)
    return world


def _end(world: World) -> World:
    heal(world)
    world.final_check()
    return world


def an_acknowledgement_of_an_earlier_term_is_not_counted() -> World:
    """A leader's follower acknowledges over a slow link; two terms later the bytes arrive (D4)."""
    world = World(5, 1)
    elect(world, "n0", "n1 n2 n3 n4")
    rounds(world, "n0", "n1 n2 n3 n4", 4)
    slow = held("n1 n0")
    for _ in range(10):
        world.propose(N0)
    rounds(world, "n0", "n1", 2, slow)
    for other in (N2, N3, N4):
        world.links.pop((N0, other), None)
    elect(world, "n2", "n3 n4")
    rounds(world, "n2", "n0 n1 n3 n4", 3, slow)  # cuts n1's tail
    world.crash(N2)
    elect(world, "n0", "n3 n4")
    for _ in range(9):
        world.propose(N0)
    rounds(world, "n0", "n3", 3)
    drain(world, N1, N0)
    world.step(N0)
    world.step(N0)
    world.crash(N0)
    world.crash(N3)
    world.boot(N2)
    world.links.clear()
    world.connect_all()
    spin(world, "n1 n2 n4", 5)
    for i in (N1, N2, N4):
        world.propose(i)
    spin(world, "n1 n2 n4", 1)
    return _end(world)


def a_snapshot_does_not_cut_entries_that_were_acknowledged() -> World:
    """An old reset makes the leader send a snapshot to a follower that holds more (D6).

    In real life: the reset sat in the inbox while the connection was replaced.
    """
    world = _three()
    for _ in range(20):
        world.propose(N0)
    world.step(N0)
    world.disconnect(N0, N1)  # the entries are lost on their way: the next append will not fit
    rounds(world, "n0", "n2", 3)
    world.connect(N0, N1)
    world.step(N0)
    world.now += 0.15
    world.step(N0)
    drain(world, N0, N1)
    world.step(N1)
    replies = [data for data in world.links[N1, N0] if _is_reset(data)]
    rounds(world, "n0", "n1 n2", 4)
    world.disconnect(N0, N2)
    world.disconnect(N0, N1)
    world.connect(N0, N1)
    for _ in range(2):  # two batches under way before the first is acknowledged
        for _ in range(10):
            world.propose(N0)
        world.step(N0)
    drain(world, N0, N1)
    world.step(N1)
    world.deliver(N1, N0)
    world.step(N0)
    world.compact(N0)  # the first batch is committed; n1 has not heard of it yet
    drain(world, N1, N0)
    world.step(N0)  # the second batch is committed and acknowledged to the clients
    world.links[N0, N1].clear()
    assert replies, "no reset was seen"
    world.links[N1, N0].extend(replies[:1])  # from the connection before
    world.deliver(N1, N0)
    for _ in range(2):  # the first asks for the image, the second sends it
        world.now += 0.15
        world.step(N0)
    while isinstance(m.decode(world.links[N0, N1][0]), m.Chunk):
        world.deliver(N0, N1)  # the snapshot, of the first batch only
    world.step(N1)
    world.crash(N0)
    world.connect(N1, N2)
    spin(world, "n1 n2", 4)
    return _end(world)


def _is_reset(data: bytes) -> bool:
    message = m.decode(data)
    return isinstance(message, m.Ack) and message.reset


def a_learner_catches_up_without_a_vote_and_then_gets_one() -> World:
    """It is silent, and not waited for; a second change at once is refused."""
    world, m1 = World(1, 7), RaftID("m1")
    spin(world, "n0", 2)
    for _ in range(50):
        world.propose(N0)
    spin(world, "n0", 1)
    leader = world.cores[N0]
    world.join(m1)
    world.connect_all()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome, _result: object) -> None:
        outcomes.append(outcome)

    leader.change(Change("learn", m1), done)
    spin(world, "n0 m1", 2)
    assert outcomes == [Outcome.APPLIED]
    assert world.cores[m1].kernel.applied == leader.kernel.commit
    assert leader.configuration.voters == (N0,)
    assert leader.configuration.learners == (m1,)
    for _ in range(10):
        world.propose(N0)
    before = len(world.acknowledged)
    spin(world, "n0", 0.5)
    assert len(world.acknowledged) == before + 10
    spin(world, "n0 m1", 1)
    leader.change(Change("add", m1), done)
    leader.kernel.propose(Change("add", RaftID("m2")).command(), done)
    spin(world, "n0 m1", 2)
    assert outcomes[1:] == [Outcome.REFUSED, Outcome.APPLIED]
    assert world.cores[m1].configuration.voters == (m1, N0)
    world.final_check()
    return world


def _two_candidates(world: World) -> None:
    """n0 and n1 campaign in one term; their vote requests lie in the links."""
    world.now += 3
    for i in (N0, N1):
        world.step(i)
    for a, b in sorted(world.links):
        drain(world, a, b)
    for i in sorted(world.cores):
        if i not in (N0, N1):
            world.step(i)
    for i in (N0, N1):
        for peer in sorted(world.cores):
            drain(world, peer, i)
    for i in (N0, N1):
        world.step(i)
    assert world.cores[N0].kernel.term == world.cores[N1].kernel.term


def a_member_votes_once_in_a_term_also_after_a_restart() -> World:
    """Killed right after its vote left (D2)."""
    world = World(3, 3)
    _two_candidates(world)
    drain(world, N0, N2)
    world.step(N2)
    drain(world, N2, N0)
    world.check(N0)
    waiting = list(world.links[N1, N2])
    world.crash(N2)
    world.boot(N2)
    world.connect(N1, N2)
    world.links[N1, N2] = collections.deque(waiting)
    drain(world, N1, N2)
    world.step(N2)
    drain(world, N2, N1)
    return _end(world)


def a_vote_that_arrives_twice_counts_once() -> World:
    """Two of five voted for each of two candidates (D8)."""
    world = World(5, 3)
    _two_candidates(world)
    for voter, candidate in ((N2, N0), (N3, N1)):
        drain(world, candidate, voter)
        world.step(voter)
        link = world.links[voter, candidate]
        link.extend(list(link))
        drain(world, voter, candidate)
    return _end(world)


def a_leader_that_is_cut_off_does_not_answer_reads() -> World:
    """It has not had a turn since it was (D9)."""
    world = _three()
    world.cut_off(N0)
    elect(world, "n1", "n2")
    world.propose(N1)
    rounds(world, "n1", "n2", 4)
    assert world.acknowledged
    assert world.cores[N0].kernel.leads
    world.read()
    world.poll_reads()
    return world


def an_isolated_leader_cannot_remove_its_majority() -> World:
    """Two removals in a row would leave two clusters that both commit (D11)."""
    world = _three()
    world.cut_off(N0)
    for victim in (N1, N2):
        world.change(N0, "rem", victim, [])
    world.propose(N0)
    for _ in range(4):
        world.step(N0)
    elect(world, "n1", "n2")
    world.propose(N1)
    rounds(world, "n1", "n2", 4)
    return _end(world)


def no_membership_change_before_the_first_entry_of_a_term() -> World:
    """The bug of 2015 in single-server changes: two configurations that differ by two (D11).

    n0 adds m4 and is killed; n1 removes n0 at once, with n2; n0 comes back with n3 and m4.
    """
    world, m4 = World(4, 1), RaftID("m4")
    elect(world, "n0", "n1 n2 n3")
    rounds(world, "n0", "n1 n2 n3", 4)
    world.join(m4)
    world.connect(N0, m4)
    world.change(N0, "add", m4, [])
    rounds(world, "n0", "m4", 5)
    assert m4 in world.cores[m4].configuration.voters
    world.crash(N0)
    elect(world, "n1", "n2 n3", only_just=True)
    world.change(N1, "rem", N0, [])
    world.disconnect(N1, N3)
    rounds(world, "n1", "n2", 5)
    world.cut_off(N1)
    world.cut_off(N2)
    world.boot(N0)
    for other in (N3, m4):
        world.connect(N0, other)
    elect(world, "n0", "n3 m4")
    rounds(world, "n0", "n3 m4", 4)
    return _end(world)


def an_entry_of_an_earlier_term_is_not_committed_by_counting() -> World:
    """Figure 8 of the paper: held by a majority, and overwritten nevertheless (§5.4.2)."""
    world = World(5, 1)
    elect(world, "n0", "n1 n2 n3 n4")
    rounds(world, "n0", "n1 n2 n3 n4", 4)
    world.propose(N0, size_bytes=350)  # so large that the next first entry is not in its frame
    rounds(world, "n0", "n1", 1)
    world.crash(N0)
    world.links.clear()
    elect(world, "n4", "n2 n3", only_just=True)
    flush(world, N4)
    world.crash(N4)
    world.links.clear()
    world.boot(N0)
    world.connect_all()
    elect(world, "n0", "n1 n2 n3", only_just=True)
    flush(world, N0)
    world.links.pop((N0, N3), None)
    pump(world, [N0, N1])
    world.deliver(N0, N2)  # does not fit
    flush(world, N2)
    drain(world, N2, N0)
    world.links[N0, N2].clear()
    world.now += 0.15
    world.step(N0)
    world.deliver(N0, N2)  # the old entry, without the new leader's first
    flush(world, N2)
    drain(world, N2, N0)
    world.step(N0)
    world.crash(N0)
    world.links.clear()
    world.boot(N4)
    world.connect_all()
    elect(world, "n4", "n2 n3")
    rounds(world, "n4", "n1 n2 n3", 4)
    return _end(world)


def a_member_that_is_cut_off_does_not_raise_its_term() -> World:
    """One broken link: it reaches a follower, and not the leader (D10)."""
    world = _three()
    before = world.cores[N2].kernel.term
    world.disconnect(N2, N0)
    spin(world, "n0 n1 n2", 10)
    if world.cores[N2].kernel.term != before or not world.cores[N0].kernel.leads:
        world.violate("AVAILABILITY a member without a leader disturbed the others")
    return world


def a_removed_member_that_comes_back_disturbs_nobody() -> World:
    """It was not told, and asks for votes (D10)."""
    world = _three()
    outcomes: list[Outcome] = []
    world.cut_off(N2)
    world.change(N0, "rem", N2, outcomes)
    rounds(world, "n0", "n1", 4)
    assert outcomes == [Outcome.APPLIED]
    before = world.cores[N0].kernel.term
    world.connect_all()
    spin(world, "n0 n1 n2", 10)
    if world.cores[N0].kernel.term != before or not world.cores[N0].kernel.leads:
        world.violate("AVAILABILITY a removed member disturbed the others")
    return world


def a_membership_change_in_the_log_is_in_force_after_a_restart() -> World:
    """It was appended and not committed (D12)."""
    world, m1 = _three(), RaftID("m1")
    world.change(N0, "add", m1, [])
    world.step(N0)
    drain(world, N0, N1)
    world.step(N1)
    world.crash(N1)
    world.boot(N1)
    if m1 not in world.cores[N1].kernel.voters_but_me():
        world.violate("SAFETY a restarted member counts a majority of an old configuration")
    return world


def a_proposal_that_a_snapshot_passed_over_is_unknown() -> World:
    """Pysyncobj would never answer it, or call it refused (D22)."""
    world = _three()
    world.propose(N0)
    world.step(N0)
    for other in (N1, N2):
        drain(world, N0, other)
        world.step(other)
    world.cut_off(N0)
    world.propose(N0)  # its own tail: the next leader's entries will not fit
    world.step(N0)
    elect(world, "n1", "n2")
    for _ in range(5):
        world.propose(N1)
    rounds(world, "n1", "n2", 5)
    world.compact(N1)
    return _end(world)


def a_leader_counts_its_own_entries_after_their_sync() -> World:
    """Alone, so that nothing else holds them (D23)."""
    world = World(1, 1)
    spin(world, "n0", 2)
    world.propose(N0)
    core = world.cores[N0]
    core.tick(world.now)
    if world.acknowledged:
        world.violate("SAFETY a command was acknowledged before it was on disk")
    world.sync(N0)
    core.tick(world.now)
    assert world.acknowledged == {0}
    return world


def a_joiner_with_an_empty_log_does_not_campaign() -> World:
    """Nor does it know anybody who would vote for it (D13)."""
    world, m1 = World(1, 1), RaftID("m1")
    world.join(m1)
    spin(world, "n0 m1", 5)
    if world.cores[m1].kernel.leads:
        world.violate("SAFETY a joiner founded a second cluster")
    return world


#: (schedule, bug that it finds, "" = none is known that it should)
TRANSCRIPTS = (
    (an_acknowledgement_of_an_earlier_term_is_not_counted, "ack-without-term"),
    (
        a_snapshot_does_not_cut_entries_that_were_acknowledged,
        "snapshot-over-matching-log+reset-below-match",
    ),
    (a_member_votes_once_in_a_term_also_after_a_restart, "vote-not-stored"),
    (a_vote_that_arrives_twice_counts_once, "duplicate-votes"),
    (a_leader_that_is_cut_off_does_not_answer_reads, "read-without-barrier"),
    (an_isolated_leader_cannot_remove_its_majority, "two-changes-at-once"),
    (no_membership_change_before_the_first_entry_of_a_term, "change-before-noop"),
    (an_entry_of_an_earlier_term_is_not_committed_by_counting, "commits-earlier-term"),
    (a_member_that_is_cut_off_does_not_raise_its_term, "no-prevote"),
    (a_removed_member_that_comes_back_disturbs_nobody, "no-prevote"),
    (a_membership_change_in_the_log_is_in_force_after_a_restart, "config-from-applied"),
    (a_proposal_that_a_snapshot_passed_over_is_unknown, "unknown-told-as-refused"),
    (a_leader_counts_its_own_entries_after_their_sync, "leader-counts-unsynced"),
    (a_joiner_with_an_empty_log_does_not_campaign, "joiner-campaigns"),
    (a_learner_catches_up_without_a_vote_and_then_gets_one, ""),
)
