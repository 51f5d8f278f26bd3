"""Members over connections and disks in memory, in virtual time."""

import asyncio

import pytest

from swarmd.errors import (
    NoQuorumError,
    NotFoundError,
    OutcomeUnknownError,
    PreconditionError,
    StateError,
    UnavailableError,
)
from swarmd.raft import identity
from swarmd.raft.interface import (
    ApplyFailedError,
    CorruptError,
    JournalError,
    NotCaughtUpError,
    NotLeaderError,
    QueueFullError,
    RaftConfig,
    RaftID,
    TooLargeError,
)
from swarmd.raft.journalfile import PREFIX
from tests.unit.raft.cluster import CONFIG, Cluster, PlainSealer
from tests.unit.raft.memory import MemoryDisk, SeededRandom, outcome, pair
from tests.virtual import in_virtual_time, until

SMALL = RaftConfig(
    journal_step_bytes=4096,
    segment_bytes=1 << 16,
    snapshot_interval=50,
    keep_entries=10,
    piece_bytes=500,
    unsent_bytes=2000,
)


def _now() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_single_member_leads_within_an_election_timeout() -> None:
    began, node = _now(), Cluster().found()
    await until(lambda: node.leads)
    assert _now() - began < CONFIG.election_max_s + 0.1
    assert await node.member.propose(b"first") == b"1:first"
    assert await node.member.barrier() == node.member.status().applied


@in_virtual_time
async def test_what_was_acknowledged_is_there_after_a_kill() -> None:
    node = Cluster().found()
    await until(lambda: node.leads)
    for k in range(20):
        await node.member.propose(b"%d" % k)
    await node.stop()
    node.start()
    await until(lambda: node.leads)
    await node.member.barrier()
    assert node.ledger.commands == [b"%d" % k for k in range(20)]


@in_virtual_time
async def test_proposals_of_one_moment_share_one_sync() -> None:
    node = Cluster().found()
    await until(lambda: node.leads)
    await node.member.barrier()
    before = node.disk.syncs
    async with asyncio.TaskGroup() as group:
        for k in range(500):
            group.create_task(node.member.propose(b"%d" % k))
    assert len(node.ledger.commands) == 500
    assert node.disk.syncs - before < 20  # one for the batch, the others reserve space


@in_virtual_time
async def test_three_members_agree_and_survive_the_leader() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    for k in range(10):
        await nodes[0].member.propose(b"%d" % k)
    await cluster.settle()
    assert [node.ledger.commands for node in nodes] == [nodes[0].ledger.commands] * 3
    await nodes[0].stop()
    leader = await cluster.leader()
    assert leader is not nodes[0]
    await leader.member.propose(b"after")
    nodes[0].start()
    await until(lambda: nodes[0].ledger.commands[-1:] == [b"after"])
    assert nodes[0].ledger.commands == leader.ledger.commands


@in_virtual_time
async def test_a_follower_names_the_leader_and_takes_nothing() -> None:
    nodes = await Cluster().grow(3)
    await until(lambda: nodes[1].member.status().leader == nodes[0].me)
    for call in (nodes[1].member.propose(b"x"), nodes[1].member.barrier()):
        error = await outcome(call)
        assert isinstance(error, NotLeaderError)
        assert error.leader == nodes[0].me


@in_virtual_time
async def test_a_command_without_a_majority_is_unknown_at_its_deadline() -> None:
    """It may still be applied when the others come back, and here it is not."""
    cluster = Cluster()
    nodes = await cluster.grow(3)
    cluster.isolate(nodes[0])
    read = asyncio.get_running_loop().create_task(outcome(nodes[0].member.barrier()))
    error = await outcome(nodes[0].member.propose(b"lost"))
    assert isinstance(error, OutcomeUnknownError)
    assert isinstance(await read, NoQuorumError | NotLeaderError)
    await until(lambda: not nodes[0].leads)  # steps down by itself
    await until(lambda: nodes[1].leads or nodes[2].leads)
    cluster.heal()
    await (await cluster.leader()).member.propose(b"kept")
    await cluster.settle()
    assert nodes[0].ledger.commands == [b"kept"]


@in_virtual_time
async def test_a_member_stops_in_front_of_a_command_that_only_newer_versions_know() -> None:
    """An upgrade of the managers one by one, and the new ones write what the old cannot read."""
    cluster = Cluster()
    nodes = await cluster.grow(3)
    old = nodes[2]
    old.ledger.unknown = b"new"
    await nodes[0].member.propose(b"new")
    await nodes[0].member.propose(b"after")
    await until(old.task.done)
    assert isinstance(old.task.exception(), StateError)
    assert old.ledger.commands == []
    old.start()
    await until(lambda: old.ledger.commands == [b"new", b"after"])


@in_virtual_time
async def test_a_command_that_fails_to_apply_fails_once_and_stops_nobody() -> None:
    """Pysyncobj would apply it forever (D14)."""
    cluster = Cluster()
    nodes = await cluster.grow(3)
    assert isinstance(await outcome(nodes[0].member.propose(b"poison")), ApplyFailedError)
    await nodes[0].member.propose(b"next")
    await cluster.settle()
    assert [node.ledger.commands for node in nodes] == [[b"next"]] * 3


@in_virtual_time
async def test_too_much_is_refused_before_it_is_queued() -> None:
    config = RaftConfig(journal_step_bytes=4096, queued_proposals=3)
    node = Cluster(config).found()
    await until(lambda: node.leads)
    error = await outcome(node.member.propose(bytes(config.max_command_bytes + 1)))
    assert isinstance(error, TooLargeError)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(outcome(node.member.propose(b"x"))) for _ in range(5)]
    # Which of them come first is the seed's.
    errors = [error for call in calls if (error := call.result()) is not None]
    assert [type(error) for error in errors] == [QueueFullError] * 2
    await node.member.propose(bytes(config.max_command_bytes))


@in_virtual_time
async def test_a_joiner_does_nothing_until_it_is_added() -> None:
    cluster = Cluster()
    founder, joiner = cluster.found(), cluster.join()
    await until(lambda: founder.leads)
    await asyncio.sleep(5)
    assert joiner.member.status().term == 0
    assert not joiner.member.status().is_voter


@in_virtual_time
async def test_a_learner_gets_the_log_and_a_vote_only_when_it_has_caught_up() -> None:
    cluster = Cluster()
    founder = cluster.found()
    await until(lambda: founder.leads)
    await founder.member.propose(b"before")
    assert isinstance(await outcome(founder.member.promote(RaftID("17"))), NotCaughtUpError)
    learner = cluster.join()
    await founder.member.add_learner(learner.me)
    await until(lambda: learner.ledger.commands == [b"before"])
    assert not learner.member.status().is_voter
    await cluster.promote(founder, learner)
    assert [member.is_voter for member in founder.member.status().members] == [True, True]


@in_virtual_time
async def test_a_dead_learner_delays_nothing_and_gets_no_vote() -> None:
    cluster = Cluster()
    founder, learner = cluster.found(), cluster.join()
    await until(lambda: founder.leads)
    await founder.member.add_learner(learner.me)
    await learner.stop()
    began = _now()
    await founder.member.propose(b"x")
    assert _now() - began < 0.2
    await asyncio.sleep(1)
    assert isinstance(await outcome(founder.member.promote(learner.me)), NotCaughtUpError)
    await founder.member.remove(learner.me)
    assert len(founder.member.status().members) == 1


@in_virtual_time
async def test_a_removed_member_no_longer_counts() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    error = await outcome(nodes[0].member.remove(nodes[0].me))
    assert isinstance(error, PreconditionError)  # transfer first
    await nodes[0].member.remove(nodes[2].me)
    await nodes[2].stop()
    await nodes[0].member.propose(b"two")
    assert [m.id for m in nodes[0].member.status().members] == sorted([nodes[0].me, nodes[1].me])
    cluster.isolate(nodes[1])
    error = await outcome(nodes[0].member.propose(b"one"))
    assert isinstance(error, OutcomeUnknownError | NotLeaderError)


@in_virtual_time
async def test_removing_one_of_the_last_reachable_majority_is_refused() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    cluster.isolate(nodes[2])
    await until(lambda: sum(m.is_connected for m in nodes[0].member.status().members) == 2)
    error = await outcome(nodes[0].member.remove(nodes[1].me))
    assert isinstance(error, PreconditionError)
    await nodes[0].member.remove(nodes[2].me)


@in_virtual_time
async def test_leadership_goes_where_it_is_sent_and_no_command_is_lost() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    began = _now()
    await nodes[0].member.transfer(nodes[1].me)
    await until(lambda: nodes[1].leads)
    assert _now() - began < CONFIG.election_min_s  # no election timeout passes
    await nodes[1].member.transfer(None)
    assert (await cluster.leader()) is not nodes[1]
    assert isinstance(await outcome(nodes[1].member.transfer(None)), NotLeaderError)
    leader = await cluster.leader()
    assert isinstance(await outcome(leader.member.transfer(RaftID("17"))), NotFoundError)


@in_virtual_time
async def test_a_transfer_to_a_member_that_is_gone_fails_and_the_leader_goes_on() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    await nodes[2].stop()
    await nodes[0].member.propose(b"x")
    call = asyncio.get_running_loop().create_task(outcome(nodes[0].member.transfer(nodes[2].me)))
    await asyncio.sleep(0.1)
    assert isinstance(await outcome(nodes[0].member.propose(b"y")), NotLeaderError)
    assert isinstance(await call, UnavailableError)
    await nodes[0].member.propose(b"z")


@in_virtual_time
async def test_the_log_is_compacted_and_a_late_member_gets_a_snapshot() -> None:
    cluster = Cluster(SMALL)
    nodes = await cluster.grow(2)
    for k in range(300):
        await nodes[0].member.propose(b"command %d" % k)
    await until(lambda: nodes[0].member.status().snapshot_index > 250)
    late = cluster.join()
    await nodes[0].member.add_learner(late.me)
    await until(lambda: late.ledger.commands == nodes[0].ledger.commands)
    assert late.ledger.installed > 250
    await late.stop()
    late.start()
    await until(lambda: late.ledger.commands == nodes[0].ledger.commands)
    await nodes[0].stop()
    nodes[0].start()
    await until(lambda: nodes[0].ledger.commands == late.ledger.commands)
    assert nodes[0].ledger.installed > 250


@in_virtual_time
async def test_a_snapshot_that_cannot_be_written_is_tried_again_later() -> None:
    node = Cluster(SMALL).found()
    await until(lambda: node.leads)
    node.disk.full_names = ("raft/snapshot",)
    for k in range(60):
        await node.member.propose(b"%d" % k)
    await asyncio.sleep(1)
    assert node.member.status().snapshot_index == 0
    node.disk.full_names = ()
    await until(lambda: node.member.status().snapshot_index > 0)
    assert node.disk.list("raft/snapshot") == ["raft/snapshot"]


@in_virtual_time
async def test_a_disk_that_fails_to_sync_ends_the_member_and_the_waiting_learn_nothing() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    nodes[0].disk.fails_sync = True
    error = await outcome(nodes[0].member.propose(b"x"))
    assert isinstance(error, OutcomeUnknownError)
    await asyncio.wait([nodes[0].task])
    assert isinstance(nodes[0].task.exception(), JournalError)
    assert nodes[0].member.status().leader is None
    await (await cluster.leader()).member.propose(b"y")


@in_virtual_time
async def test_a_damaged_journal_keeps_the_member_from_starting() -> None:
    node = Cluster().found()
    await until(lambda: node.leads)
    await node.member.propose(b"x")
    await node.stop()
    name = node.disk.list(PREFIX)[-1]
    node.disk.files[name][40] ^= 0xFF
    node.start()
    await asyncio.wait([node.task])
    assert isinstance(node.task.exception(), CorruptError)


@in_virtual_time
async def test_frames_that_nobody_can_read_end_their_connection_and_nothing_else() -> None:
    cluster = Cluster()
    nodes = await cluster.grow(3)
    near, far = pair()
    served = asyncio.get_running_loop().create_task(nodes[0].member.attach(RaftID("1"), far))
    for k in range(20):
        near.send(b"\xc1" * k)
    await asyncio.wait([served])
    assert far.is_closed
    await nodes[0].member.propose(b"x")


@in_virtual_time
async def test_a_member_that_has_ended_takes_nothing_and_says_nothing() -> None:
    node = Cluster().found()
    await until(lambda: node.leads)
    await node.stop()
    near, far = pair()
    await node.member.attach(RaftID("1"), far)
    assert near.is_closed
    assert isinstance(await outcome(node.member.propose(b"x")), NotLeaderError)
    assert node.member.status().members == ()


@in_virtual_time
async def test_subscribers_hear_of_leadership_and_progress() -> None:
    node, heard = Cluster().found(), []
    end = node.member.subscribe(lambda: heard.append(node.member.status()))
    await until(lambda: node.leads)
    await node.member.propose(b"x")
    await until(lambda: heard and heard[-1].applied == node.member.status().applied)
    assert any(status.is_leader for status in heard)
    end()
    count = len(heard)
    await node.member.propose(b"y")
    await asyncio.sleep(0.5)
    assert len(heard) == count


@in_virtual_time
async def test_a_follower_applies_a_commit_without_waiting_for_a_heartbeat() -> None:
    """So that a write through a follower is answered at once."""
    cluster = Cluster()
    nodes = await cluster.grow(3)
    await nodes[0].member.propose(b"x")
    began = _now()
    applied = nodes[0].member.status().applied
    await until(lambda: nodes[1].member.status().applied >= applied)
    assert _now() - began < CONFIG.heartbeat_s / 4


def test_a_disk_has_one_life() -> None:
    disk, random = MemoryDisk(), SeededRandom(1)
    me = identity.join(disk, PlainSealer(), random, CONFIG)
    assert identity.read_id(disk) == me
    assert 0 < int(me) < 1 << 63
    with pytest.raises(Exception, match="already"):
        identity.bootstrap(disk, PlainSealer(), random, CONFIG)
    identity.wipe(disk)
    assert identity.read_id(disk) is None
    assert disk.list("raft/") == []
    assert identity.bootstrap(disk, PlainSealer(), random, CONFIG) != me


@in_virtual_time
async def test_an_id_whose_journal_is_gone_does_not_vote_again() -> None:
    """Somebody emptied the folder (D13)."""
    node = Cluster().found()
    await node.stop()
    for name in node.disk.list(PREFIX):
        node.disk.delete(name)
    node.start()
    await asyncio.wait([node.task])
    assert isinstance(node.task.exception(), CorruptError)
