"""Writes of nodes, decided against the cluster's state.

Source: swarmkit manager/controlapi/node.go.
"""

from collections.abc import Mapping, Sequence

import msgspec

from swarmd.api.cluster import Decide
from swarmd.errors import PreconditionError
from swarmd.model.cluster import Removed
from swarmd.model.ids import NodeID
from swarmd.model.node import Node, NodeSpec, NodeState, Role
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, Delete, Kind, PutCluster, PutNode
from swarmd.store.find import find_node
from swarmd.store.sequencer import check_version
from swarmd.store.view import View
from swarmd.wire.node import ManagerStatus

Managers = Mapping[NodeID, ManagerStatus]

#: A node without a certificate on record could have one of this age at the most.
_UNKNOWN_CERTIFICATE_NS = 90 * 24 * 3600 * 10**9


def update(reference: str, version: int, spec: NodeSpec, managers: Managers) -> Decide:
    """What an operator wants of a node.  Its role follows later, when its member came or went."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        node = find_node(view, reference)
        check_version(node.meta, version)
        if node.spec.role is Role.MANAGER and spec.role is Role.WORKER:
            _check_demotion(view, node, managers)
        return [PutNode(record=msgspec.structs.replace(node, spec=spec))]

    return decide


def _check_demotion(view: View, node: Node, managers: Managers) -> None:
    wanted = [n for n in view.nodes().values() if n.spec.role is Role.MANAGER]
    if len(wanted) == 1:
        raise PreconditionError("attempting to demote the last manager of the swarm")
    if node.member is not None and not _keeps_quorum(view, node, managers):
        raise PreconditionError(
            "can't remove member from the raft: this would result in a loss of quorum"
        )


def _keeps_quorum(view: View, leaving: Node, managers: Managers) -> bool:
    """Whether the managers that stay can commit without it, as far as they can be reached."""
    staying = [
        node.id
        for node in view.nodes().values()
        if node.member is not None and not node.member.is_learner and node.id != leaving.id
    ]
    reachable = sum(managers[i].is_reachable for i in staying if i in managers)
    return reachable >= len(staying) // 2 + 1


def remove(reference: str, *, force: bool) -> Decide:
    """A node that is down, or any worker by force; its certificates are refused from now on."""

    def decide(view: View, now: Timestamp) -> Sequence[Change]:
        node = find_node(view, reference)
        if node.spec.role is Role.MANAGER or node.member is not None:
            raise PreconditionError(
                f"node {node.id} is a cluster manager and is a member of the raft cluster. "
                "It must be demoted to worker before removal"
            )
        if not force and node.status.state is NodeState.READY:
            raise PreconditionError(f"node {node.id} is not down and can't be removed")
        assert view.cluster is not None
        until = node.certificate_expires_at or now + _UNKNOWN_CERTIFICATE_NS
        still = tuple(one for one in view.cluster.removed if one.until > now)
        cluster = msgspec.structs.replace(
            view.cluster, removed=(*still, Removed(node_id=node.id, until=until))
        )
        return [PutCluster(record=cluster), Delete(kind=Kind.NODE, id=node.id)]

    return decide
