"""Roles: how the raft members are to follow the nodes' records.  One operation at a time.

In the end the cluster's feature level follows the members.  Managers are upgraded one after the
other, and meanwhile any of them may lead; so what only the newest know is written once all know it,
and not before.  The level never goes back: the log and the snapshots hold what was written at it.

An operator changes `spec.role`; the record's `role` follows at once upwards (the node then renews
its certificate and enlists), and downwards only after its member is out of Raft.  A member that
belongs to no node any more is taken out.

Source: swarmkit manager/role_manager.go.
"""

from collections.abc import Collection
from typing import TypeAlias

import msgspec

from swarmd.model.ids import NodeID
from swarmd.model.node import Node, Role
from swarmd.store.view import View


class Grant(msgspec.Struct, frozen=True, tag=True):
    """Let the node renew its certificate in another role."""

    node_id: NodeID
    role: Role


class Promote(msgspec.Struct, frozen=True, tag=True):
    """Give a learner its vote, if it has caught up."""

    raft_id: str


class NoteVote(msgspec.Struct, frozen=True, tag=True):
    """Note in the node's record that its member has its vote.

    A step of its own: the leader that gave the vote may be gone before it could.
    """

    node_id: NodeID


class AddLearner(msgspec.Struct, frozen=True, tag=True):
    """Send the log to a member that enlisted."""

    raft_id: str


class Remove(msgspec.Struct, frozen=True, tag=True):
    """Take a member out."""

    raft_id: str


class StepDown(msgspec.Struct, frozen=True, tag=True):
    """Hand leadership to another, who then takes this member out."""


class RaiseLevel(msgspec.Struct, frozen=True, tag=True):
    """Write from now on what all managers understand by now."""

    level: int


RoleChange: TypeAlias = Grant | Promote | NoteVote | AddLearner | Remove | StepDown | RaiseLevel


def roles(
    view: View, voters: Collection[str], learners: Collection[str], own: str
) -> RoleChange | None:
    """The next change; `voters` and `learners` are raft ids as Raft has them, `own` the leader's."""
    members = {n.member.raft_id: n for n in view.nodes().values() if n.member is not None}
    for raft_id in sorted((*voters, *learners)):
        if raft_id not in members and raft_id != own:
            return Remove(raft_id)
    for node in view.nodes().values():
        change = _of_node(node, voters, learners, own)
        if change is not None:
            return change
    return raise_level(view)


def raise_level(view: View) -> RaiseLevel | None:
    """To the least that a manager understands; None if the cluster is at it."""
    levels = [n.member.feature_level for n in view.nodes().values() if n.member is not None]
    if view.cluster is None or not levels or min(levels) <= view.cluster.feature_level:
        return None
    return RaiseLevel(min(levels))


def _of_node(
    node: Node, voters: Collection[str], learners: Collection[str], own: str
) -> RoleChange | None:
    wanted, member = node.spec.role, node.member
    if wanted is Role.MANAGER:
        if node.role is not Role.MANAGER:
            return Grant(node.id, Role.MANAGER)
        if member is not None and member.raft_id not in voters:
            is_known = member.raft_id in learners
            return Promote(member.raft_id) if is_known else AddLearner(member.raft_id)
        return NoteVote(node.id) if member is not None and member.is_learner else None
    if member is not None and member.raft_id in (*voters, *learners):
        return StepDown() if member.raft_id == own else Remove(member.raft_id)
    if node.role is not Role.WORKER or member is not None:
        return Grant(node.id, Role.WORKER)
    return None
