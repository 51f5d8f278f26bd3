"""Single rules of the guard, message by message."""

import hashlib

from swarmd.raft import messages as m
from swarmd.raft.image import FORMAT, Head, encode_head, join
from swarmd.raft.interface import ContradictionError, RaftID
from swarmd.raft.membership import Configuration
from tests.sim.raft.script import drain, elect, rounds
from tests.sim.raft.world import World
from tests.unit.raft.memory import raises
from tests.unit.raft.transcripts import N0, N1, N2


def _led() -> World:
    """n0 leads, ten operations are everywhere."""
    world = World(3, 1)
    elect(world, "n0", "n1 n2")
    for _ in range(10):
        world.propose(N0)
    rounds(world, "n0", "n1 n2", 4)
    return world


def _append(world: World, previous: int, entries: list[tuple[bytes, int, int]]) -> m.Append:
    leader = world.cores[N0]
    term = leader.log.term_at(previous)
    assert term is not None
    return m.Append(
        leader.kernel.term, previous, term, leader.kernel.commit, 99, m.encode_entries(entries)
    )


def test_an_append_that_comes_late_cuts_nothing_and_is_acknowledged() -> None:
    """D3: only a conflict deletes."""
    world = _led()
    core = world.cores[N1]
    last = core.log.last_index
    held = [core.log.entry(last - 4), core.log.entry(last - 3)]
    core.take_late()
    core.receive(world.time(N1), N0, _append(world, last - 5, held))
    assert core.log.last_index == last
    [(to, ack)] = core.take_late()
    assert to == N0
    assert ack == m.Ack(core.kernel.term, 99, last - 2, True, False)


def test_a_conflict_with_a_committed_entry_stops_the_member() -> None:
    """D3: somewhere a promise was broken."""
    world = _led()
    core = world.cores[N1]
    last, term = core.kernel.commit, core.kernel.term
    assert last == core.log.last_index
    leader_term = term + 1
    for index in (last, last - 1):
        entries = m.encode_entries([(b"\0x", index, leader_term)])
        append = m.Append(leader_term, index - 1, term, 1, 99, entries)
        raises(
            ContradictionError,
            lambda append=append: core.receive(world.time(N1), N0, append),  # type: ignore[misc]  # bound now
        )


def test_a_leader_gives_no_pre_vote_however_long_it_leads() -> None:
    """D10: asked by a member that it reaches, and that does not reach it back: a one-way fault."""
    world = _led()
    core = world.cores[N0]
    world.now += 60
    core.take_late()
    question = m.PreVote(core.kernel.term + 1, core.log.last_index, core.log.last_term)
    core.receive(world.time(N0), N2, question)
    assert core.kernel.leads
    assert core.take_late() == []


def test_a_piece_of_a_snapshot_commits_nothing_of_the_own_tail() -> None:
    """D5: the leader's commit index says nothing about entries that it did not send."""
    world = _led()
    world.cut_off(N0)
    world.propose(N0)
    world.step(N0)  # a tail that exists nowhere else
    core = world.cores[N0]
    commit, term = core.kernel.commit, core.kernel.term + 1
    world.connect(N0, N2)
    for piece in (None, m.Piece(500, term, 10_000, bytes(32), 0, bytes(300))):
        core.receive(world.time(N0), N2, m.Chunk(term, 10_000, 1, piece))
        core.tick(world.time(N0))
        assert core.kernel.commit == commit
    assert len(world.acknowledged) == 10


def test_a_snapshot_of_what_is_held_is_not_installed() -> None:
    """D6: what lies behind it may have been acknowledged."""
    world = _led()
    world.step(N1)
    core = world.cores[N1]
    last = core.log.last_index
    head = Head(FORMAT, core.log.entry(last - 4), core.log.entry(last - 3), core.configuration)
    image = join([encode_head(head), b"[]"])
    digest = hashlib.sha256(image).digest()
    piece = m.Piece(head.index, head.term, len(image), digest, 0, image)
    core.receive(world.time(N1), N0, m.Chunk(core.kernel.term, 0, 99, piece))
    assert core.log.last_index == last
    assert core.transfers.unsaved is None
    assert len(world.machines[N1].ops) == 10


def test_a_follower_far_behind_is_told_to_begin_at_its_commit_index_at_once() -> None:
    """D7: not one entry back per round trip."""
    world = _led()
    core = world.cores[N1]
    core.take_late()
    core.receive(
        world.time(N1),
        N0,
        m.Append(core.kernel.term, 10_000, core.kernel.term, 0, 7, m.encode_entries([])),
    )
    [(_, ack)] = core.take_late()
    assert ack == m.Ack(core.kernel.term, 7, core.kernel.commit + 1, False, True)


def test_an_acknowledgement_does_not_send_again_what_is_under_way() -> None:
    """D7: pysyncobj sets the next index back at each one."""
    world = _led()
    core = world.cores[N0]
    for _ in range(2):
        for _ in range(5):
            world.propose(N0)
        world.step(N0)
    following = core.kernel.next_index(N1)
    world.deliver(N0, N1)
    world.step(N1)
    world.deliver(N1, N0)
    assert core.kernel.next_index(N1) == following


def test_a_second_reset_for_the_same_loss_is_ignored() -> None:
    """D7: it was caused before the first one was handled."""
    world = _led()
    core = world.cores[N0]
    number, term, last = core.guard._sent[N1], core.kernel.term, core.log.last_index
    world.propose(N0)
    world.step(N0)
    now = world.time(N0)
    core.receive(now, N1, m.Ack(term, number, last + 1, False, True))
    assert core.kernel.next_index(N1) == last + 1
    core.tick(now + 1)
    core.kernel.set_next_index(N1, last + 2)
    core.receive(now, N1, m.Ack(term, number, last + 1, False, True))
    assert core.kernel.next_index(N1) == last + 2


def test_an_acknowledgement_of_entries_that_we_do_not_have_is_ignored() -> None:
    world = _led()
    core = world.cores[N0]
    beyond = core.log.last_index + 100
    core.receive(world.time(N0), N1, m.Ack(core.kernel.term, 1, beyond, True, False))
    assert core.kernel.match_index(N1) < beyond
    world.propose(N0)
    world.step(N0)
    world.step(N0)


def test_a_vote_of_a_stranger_does_not_count() -> None:
    """D8."""
    world = World(3, 3)
    world.now += 3
    world.step(N0)
    drain(world, N0, N1)
    world.step(N1)
    drain(world, N1, N0)
    core = world.cores[N0]
    world.step(N0)  # campaigns
    assert not core.kernel.leads
    core.receive(world.time(N0), RaftID("stranger"), m.Vote(core.kernel.term))
    assert not core.kernel.leads


def test_a_command_is_never_forwarded() -> None:
    """D22: nobody could say what became of it.  It was queued, and then leadership was lost."""
    world = _led()
    world.propose(N0)
    core = world.cores[N0]
    core.receive(world.time(N0), N1, m.Behind(core.kernel.term + 1))
    term = core.kernel.term
    core.receive(world.time(N0), N1, m.Append(term, 1, 0, 1, 1, m.encode_entries([])))
    assert core.kernel.leader == N1
    core.take_late()
    core.tick(world.time(N0))
    assert world.refused == {10}
    assert all(isinstance(message, m.Ack | m.PreVote) for _, message in core.take_late())


def test_a_backlog_leaves_in_pieces_and_stops_while_the_peer_does_not_read() -> None:
    """A heartbeat must not wait behind megabytes; and nothing is lost by holding back."""
    world = _led()
    core = world.cores[N0]
    core.guard.unsent_bytes = lambda peer: 1 << 30 if peer == N1 else 0
    for _ in range(20):
        world.propose(N0, size_bytes=100)
    core.tick(world.time(N0))
    posts = core.take_early()
    appends = [message for to, message in posts if to == N1 and isinstance(message, m.Append)]
    assert [bytes(append.entries) for append in appends] == [b"\x90"]  # a heartbeat
    assert len([1 for to, _ in posts if to == N2]) > 5
    core.guard.unsent_bytes = lambda _peer: 0
    world.step(N0)
    rounds(world, "n0", "n1 n2", 3)
    assert core.kernel.match_index(N1) == core.log.last_index


def test_two_entries_are_enough_to_go_on() -> None:
    """D16: pysyncobj looks at both ends of its log."""
    world = _led()
    for _ in range(3):
        world.compact(N0)
        assert len(world.cores[N0].log) >= 2
        world.propose(N0)
        rounds(world, "n0", "n1 n2", 2)
    world.crash(N0)
    world.boot(N0)
    world.connect_all()
    elect(world, "n0", "n1 n2")
    rounds(world, "n0", "n1 n2", 3)
    assert len(world.machines[N0].ops) == 13
    assert world.cores[N0].configuration == Configuration((N0, N1, N2), ())
