"""The loop that makes the raft members follow the nodes' records; runs while this manager leads."""

import asyncio
import logging
from collections.abc import Sequence
from typing import assert_never

import msgspec

from swarmd.dispatcher.control.roles import (
    AddLearner,
    Grant,
    NoteVote,
    Promote,
    RaiseLevel,
    Remove,
    RoleChange,
    StepDown,
    raise_level,
    roles,
)
from swarmd.errors import SwarmError
from swarmd.lib.bell import Bell
from swarmd.model.ids import RequestID
from swarmd.model.node import Node, Role
from swarmd.ports import Timestamp
from swarmd.raft.interface import NotCaughtUpError, Raft, RaftID
from swarmd.store.entry import Change, Kind, PutCluster, PutNode
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View

log = logging.getLogger(__name__)

#: A learner catches up and a peer is reached again without a word: a change that cannot be made yet
#: is tried so often.
AGAIN_S = 0.25
PRINCIPAL = "membership"


class Membership:
    """One term's membership loop."""

    def __init__(self, store: Store, raft: Raft) -> None:
        self._store, self._raft = store, raft
        #: rung when a node's record changed; the members change by this loop alone
        self._bell = Bell()

    async def run(self) -> None:
        """Until cancelled."""
        with self._store.ringing(Kind.NODE, self._bell.ring):
            while True:
                change = self._next()
                if change is None:
                    await self._bell.wait()
                elif not await self._is_made(change):
                    await asyncio.sleep(AGAIN_S)

    async def _is_made(self, change: RoleChange) -> bool:
        try:
            await self._carry_out(change)
        except NotCaughtUpError:
            return False
        except SwarmError as error:
            log.info(
                "membership change not made", extra={"change": str(change), "reason": str(error)}
            )
            return False
        return True

    def _next(self) -> RoleChange | None:
        status = self._raft.status()
        voters = [member.id for member in status.members if member.is_voter]
        learners = [member.id for member in status.members if not member.is_voter]
        return roles(self._store.view(), voters, learners, status.id)

    async def _carry_out(self, change: RoleChange) -> None:
        match change:
            case Grant(node_id=node_id, role=role):
                await self._write(node_id, role=role)
            case AddLearner(raft_id=raft_id):
                await self._raft.add_learner(RaftID(raft_id))
            case Promote(raft_id=raft_id):
                await self._raft.promote(RaftID(raft_id))
            case NoteVote(node_id=node_id):
                await self._write(node_id, is_learner=False)
            case Remove(raft_id=raft_id):
                await self._raft.remove(RaftID(raft_id))
            case StepDown():
                await self._raft.transfer()
            case RaiseLevel():
                await self._raise_level()
            case _:
                assert_never(change)
        log.info("membership changed", extra={"change": str(change)})

    async def _write(
        self, node_id: str, *, role: Role | None = None, is_learner: bool | None = None
    ) -> None:
        def decide(view: View, _: Timestamp) -> Sequence[Change]:
            node = view.node(node_id)
            return () if node is None else (PutNode(record=_changed(node, role, is_learner)),)

        await self._store.write(Write(request_id=RequestID(""), principal=PRINCIPAL, decide=decide))

    async def _raise_level(self) -> None:
        def decide(view: View, _: Timestamp) -> Sequence[Change]:
            # An older manager may have enlisted since this was looked at.
            change = raise_level(view)
            if change is None or view.cluster is None:
                return ()
            cluster = msgspec.structs.replace(view.cluster, feature_level=change.level)
            return (PutCluster(record=cluster),)

        await self._store.write(Write(request_id=RequestID(""), principal=PRINCIPAL, decide=decide))


def _changed(node: Node, role: Role | None, is_learner: bool | None) -> Node:
    if role is not None:
        member = None if role is Role.WORKER else node.member
        return msgspec.structs.replace(node, role=role, member=member)
    if node.member is not None and is_learner is not None:
        member = msgspec.structs.replace(node.member, is_learner=is_learner)
        return msgspec.structs.replace(node, member=member)
    return node
