"""How the raft members follow what an operator wants of the nodes: one step at a time."""

import msgspec
import pytest

from swarmd.dispatcher.control.roles import (
    AddLearner,
    Grant,
    NoteVote,
    Promote,
    RaiseLevel,
    Remove,
    RoleChange,
    StepDown,
    roles,
)
from swarmd.model.ids import NodeID
from swarmd.model.node import Availability, Member, Node, NodeSpec, Role
from swarmd.store.view import Tables
from tests.unit.store.records import cluster

ME, OTHER = "raft-me", "raft-other"
NODE = NodeID("node")
MANAGER, WORKER = Role.MANAGER, Role.WORKER


def node(wanted: Role, role: Role, member: Member | None) -> Node:
    spec = NodeSpec(labels={}, role=wanted, availability=Availability.ACTIVE)
    return Node(id=NODE, spec=spec, role=role, member=member)


def member(raft_id: str = OTHER, *, is_learner: bool = False, level: int = 1) -> Member:
    return Member(
        raft_id=raft_id, address="10.0.0.1:2377", is_learner=is_learner, feature_level=level
    )


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


@pytest.mark.parametrize(
    ("levels", "in_force", "change"),
    [
        ([1, 1, 1], 1, None),
        ([2, 1, 3], 1, None),  # the second has not been upgraded yet
        ([2, 2, 3], 1, RaiseLevel(2)),
        ([2, 2, 3], 2, None),
        ([1], 2, None),  # what was written at it is there
        ([], 1, None),
    ],
)
def test_the_feature_level_is_the_least_that_a_manager_understands(
    levels: list[int], in_force: int, change: RoleChange | None
) -> None:
    """Managers are upgraded one after the other; a worker's swarmd does not count."""
    tables = Tables()
    tables.cluster = msgspec.structs.replace(cluster(), feature_level=in_force)
    tables.put_node(node(WORKER, WORKER, None))
    for number, level in enumerate(levels):
        one = node(MANAGER, MANAGER, member(str(number), level=level))
        tables.put_node(msgspec.structs.replace(one, id=NodeID(f"m{number}")))
    voters = [str(number) for number in range(len(levels))]
    assert roles(tables.view(), voters, [], ME) == change
