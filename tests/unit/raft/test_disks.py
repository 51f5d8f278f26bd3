"""Members whose disk is full, or hangs."""

import asyncio

import pytest

from swarmd.errors import OutcomeUnknownError
from swarmd.raft.interface import DiskFullError, NotLeaderError, RaftConfig
from tests.unit.raft.cluster import CONFIG, Cluster
from tests.unit.raft.memory import outcome
from tests.virtual import in_virtual_time, until


@in_virtual_time
async def test_a_full_disk_hands_leadership_on_and_recovers_by_itself() -> None:
    cluster = Cluster(RaftConfig(journal_step_bytes=4096, segment_bytes=1 << 14))
    nodes = await cluster.grow(3)
    nodes[0].disk.is_full = True
    kept = 0
    error: BaseException | None = None
    while error is None:
        error = await outcome(nodes[0].member.propose(bytes(500)))
        kept += error is None
    assert isinstance(error, DiskFullError)
    await until(lambda: nodes[1].leads or nodes[2].leads)
    leader = await cluster.leader()
    await leader.member.propose(b"elsewhere")
    await asyncio.sleep(5)
    assert not nodes[0].task.done()
    nodes[0].disk.is_full = False
    await until(lambda: nodes[0].ledger.commands[-1:] == [b"elsewhere"])
    assert len(leader.ledger.commands) == kept + 1


@in_virtual_time
async def test_a_lone_member_on_a_full_disk_refuses_and_goes_on_when_there_is_room() -> None:
    node = Cluster().found()
    await until(lambda: node.leads)
    node.disk.is_full = True
    error = await outcome(node.member.propose(bytes(10_000)))
    assert isinstance(error, OutcomeUnknownError)  # it waits for room
    assert isinstance(await outcome(node.member.propose(b"x")), DiskFullError)
    assert node.member.status().leader is None
    with pytest.raises(DiskFullError):
        node.member.check_room()
    node.disk.is_full = False
    await until(lambda: node.leads)
    await node.member.propose(b"x")
    node.member.check_room()
    assert len(node.ledger.commands) == 2


@in_virtual_time
async def test_a_leader_whose_disk_hangs_says_that_it_leads_no_more_and_goes_on_later() -> None:
    """A controller that resets its bus for half a minute; a network disk whose server is away."""
    cluster = Cluster()
    nodes = await cluster.grow(3)
    told: list[bool] = []
    nodes[0].member.subscribe(lambda: told.append(nodes[0].leads))
    nodes[0].disk.goes_on.clear()
    lost = asyncio.get_running_loop().create_task(outcome(nodes[0].member.propose(b"lost")))
    await asyncio.sleep(2 * CONFIG.election_max_s)
    assert (nodes[0].leads, told[-1]) == (False, False)
    assert nodes[0].member.leading_term() is None
    assert isinstance(await outcome(nodes[0].member.propose(b"x")), NotLeaderError)
    assert isinstance(await outcome(nodes[0].member.barrier()), NotLeaderError)
    await until(lambda: nodes[1].leads or nodes[2].leads)
    leader = await cluster.leader()
    await leader.member.propose(b"elsewhere")
    assert isinstance(await lost, OutcomeUnknownError)
    nodes[0].disk.goes_on.set()
    await until(lambda: nodes[0].ledger.commands[-1:] == [b"elsewhere"])
    await until(lambda: nodes[0].member.leader == leader.me)


@in_virtual_time
async def test_a_lone_member_leads_on_while_its_disk_hangs() -> None:
    """Nobody else can: its nodes need not look for another leader."""
    node = Cluster().found()
    await until(lambda: node.leads)
    node.disk.goes_on.clear()
    waiting = asyncio.get_running_loop().create_task(outcome(node.member.propose(b"late")))
    await asyncio.sleep(5)
    assert node.leads
    node.disk.goes_on.set()
    assert await waiting is None
    assert node.ledger.commands == [b"late"]
