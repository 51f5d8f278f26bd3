"""How the raft members follow what an operator wants of the nodes: one step at a time."""

import pytest

from swarmd.dispatcher.control.roles import (
    AddLearner,
    Grant,
    NoteVote,
    Promote,
    Remove,
    RoleChange,
    StepDown,
    roles,
)
from swarmd.model.ids import NodeID
from swarmd.model.node import Availability, Member, Node, NodeSpec, Role
from swarmd.store.view import Tables

ME, OTHER = "raft-me", "raft-other"
NODE = NodeID("node")
MANAGER, WORKER = Role.MANAGER, Role.WORKER


def node(wanted: Role, role: Role, member: Member | None) -> Node:
    spec = NodeSpec(labels={}, role=wanted, availability=Availability.ACTIVE)
    return Node(id=NODE, spec=spec, role=role, member=member)


def member(raft_id: str = OTHER, *, is_learner: bool = False) -> Member:
    return Member(raft_id=raft_id, address="10.0.0.1:2377", is_learner=is_learner)


@pytest.mark.parametrize(
    ("one", "voters", "learners", "change"),
    [
        (node(MANAGER, WORKER, None), [ME], [], Grant(NODE, MANAGER)),
        (node(MANAGER, MANAGER, None), [ME], [], None),  # it enlists by itself
        (node(MANAGER, MANAGER, member(is_learner=True)), [ME], [], AddLearner(OTHER)),
        (node(MANAGER, MANAGER, member(is_learner=True)), [ME], [OTHER], Promote(OTHER)),
        # Whoever gave it its vote was gone before it could note it (seed 31).
        (node(MANAGER, MANAGER, member(is_learner=True)), [ME, OTHER], [], NoteVote(NODE)),
        (node(MANAGER, MANAGER, member()), [ME, OTHER], [], None),
        (node(WORKER, MANAGER, member()), [ME, OTHER], [], Remove(OTHER)),
        (node(WORKER, MANAGER, member(ME)), [ME], [], StepDown()),
        (node(WORKER, MANAGER, member()), [ME], [], Grant(NODE, WORKER)),
        (node(WORKER, WORKER, None), [ME], [], None),
        (node(WORKER, WORKER, None), [ME, OTHER], [], Remove(OTHER)),  # nobody's
    ],
)
def test_each_step_follows_from_the_record_and_the_members(
    one: Node, voters: list[str], learners: list[str], change: RoleChange | None
) -> None:
    tables = Tables()
    tables.put_node(one)
    assert roles(tables.view(), voters, learners, ME) == change
