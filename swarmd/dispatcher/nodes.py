"""What sessions write into the nodes' records."""

import ipaddress
from collections.abc import Callable, Sequence

import msgspec

from swarmd.model.assignment import SessionRequest
from swarmd.model.ids import NodeID
from swarmd.model.node import Node, NodeDescription, NodeState, Role
from swarmd.model.spec import SECOND
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PutNode
from swarmd.store.view import View

#: Why a node gets no tasks, and after a grace is DOWN, though its daemon lives.
ENGINE_AWAY = "engine not reachable"
#: So long its engine may be away before the node's tasks move.
ENGINE_GRACE = 30 * SECOND


def without_engine(view: View, now: Timestamp) -> Sequence[NodeID]:
    """Nodes whose engine has been away for longer than the grace."""
    return [
        node.id
        for node in view.nodes().values()
        if not node.status.engine_reachable
        and node.status.state is not NodeState.DOWN
        and now - node.status.since >= ENGINE_GRACE
    ]


def registered(
    view: View, node_id: NodeID, request: SessionRequest, host: str, now: Timestamp
) -> Sequence[Change]:
    """The node is READY, and described."""
    node = view.node(node_id)
    if node is None:
        return ()
    before = node.status
    # An engine's grace counts from when it went away, not from when the node was last seen to come.
    is_as_before = (
        before.state is NodeState.READY and before.engine_reachable == request.engine_reachable
    )
    status = msgspec.structs.replace(
        before,
        state=NodeState.READY,
        message="",
        addr=host or before.addr,
        engine_reachable=request.engine_reachable,
        since=before.since if is_as_before else now,
    )
    return _put(node, status=status, description=_readable(request.description))


def described(view: View, node_id: NodeID, description: NodeDescription) -> Sequence[Change]:
    """What the node says of itself has changed."""
    node = view.node(node_id)
    return () if node is None else _put(node, description=_readable(description))


def _readable(description: NodeDescription) -> NodeDescription:
    """Without what is no address: it would end the allocation, and go into other nodes' rules."""
    path = description.data_path_address
    return msgspec.structs.replace(
        description,
        data_path_address=path if _can(ipaddress.ip_address, path) else "",
        subnets=tuple(s for s in description.subnets if _can(ipaddress.ip_network, s)),
    )


def _can(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def engine_health(
    view: View, node_id: NodeID, is_reachable: bool, now: Timestamp
) -> Sequence[Change]:
    """A node whose engine does not answer gets no new tasks."""
    node = view.node(node_id)
    if node is None:
        return ()
    status = msgspec.structs.replace(
        node.status,
        engine_reachable=is_reachable,
        state=NodeState.READY if is_reachable else node.status.state,
        message="" if is_reachable else ENGINE_AWAY,
        since=now,
    )
    return _put(node, status=status)


def down(view: View, node_id: NodeID, message: str, now: Timestamp) -> Sequence[Change]:
    """The node is DOWN; its tasks are followed elsewhere."""
    node = view.node(node_id)
    if node is None or node.status.state is NodeState.DOWN:
        return ()
    status = msgspec.structs.replace(node.status, state=NodeState.DOWN, message=message, since=now)
    return _put(node, status=status)


def left(view: View, node_id: NodeID, now: Timestamp) -> Sequence[Change]:
    """The node left the swarm: DOWN, a worker, and no raft member; `node rm` forgets it."""
    node = view.node(node_id)
    if node is None:
        return ()
    status = msgspec.structs.replace(
        node.status, state=NodeState.DOWN, message="node left the swarm", since=now
    )
    spec = msgspec.structs.replace(node.spec, role=Role.WORKER)
    return _put(node, status=status, spec=spec, role=Role.WORKER, member=None)


def _put(node: Node, **parts: object) -> Sequence[Change]:
    changed = msgspec.structs.replace(node, **parts)
    return () if changed == node else (PutNode(record=changed),)
