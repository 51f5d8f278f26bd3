"""Who may call what between nodes.

A server takes connections with and without a certificate, so every call is authorised: a method
that no rule names is refused.  TLS has verified the certificate against the root; here it is held
against the cluster's id (several clusters may share a root), the clock, and the removed nodes,
whose certificates stay valid until they end.  The calling end checks its server likewise, or a
worker could pose as a manager.
"""

import enum
from collections.abc import Mapping

import msgspec

from swarmd.errors import NotPermittedError
from swarmd.model.cluster import Cluster
from swarmd.ports import Peer, Timestamp


class Access(enum.Enum):
    """Who may call a method."""

    #: also without a certificate: reading the root, asking to join
    ANYBODY = "anybody"
    #: managers and workers
    NODES = "nodes"
    MANAGERS = "managers"


_ROLES: Mapping[Access, frozenset[str]] = {
    Access.NODES: frozenset({"manager", "worker"}),
    Access.MANAGERS: frozenset({"manager"}),
}


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """What a node knows when it judges a call."""

    #: method → who may call it
    rules: Mapping[str, Access]
    cluster_id: str
    #: ids of nodes that were removed and whose certificates have not ended
    removed: frozenset[str] = frozenset()


def authority(rules: Mapping[str, Access], cluster: Cluster) -> Authority:
    """By the cluster's record."""
    removed = frozenset(str(entry.node_id) for entry in cluster.removed)
    return Authority(rules=rules, cluster_id=cluster.id, removed=removed)


def authorize(
    method: str, peer: Peer, authority: Authority, now: Timestamp, *, granted: str = ""
) -> None:
    """Returns if `peer` may call `method`; raises NotPermittedError with the reason if not.

    `granted` is the role that the node's record gives it, empty if there is none here: the
    certificate of a manager that was demoted says manager until it ends.
    """
    access = authority.rules.get(method)
    if access is None:
        raise NotPermittedError(f"nobody may call {method}")
    if access is Access.ANYBODY:
        return
    _check_member(peer, authority, now)
    if peer.role not in _ROLES[access]:
        role = peer.role or "node without a role"
        raise NotPermittedError(f"a {role} may not call {method}: only {access.value} may")
    if granted and granted not in _ROLES[access]:
        raise NotPermittedError(f"node {peer.node_id} is a {granted} now: it may not call {method}")


def authorize_server(
    peer: Peer, authority: Authority, now: Timestamp, *, node_id: str = ""
) -> None:
    """Returns if the server at the other end is a manager, and the one with `node_id` if given."""
    _check_member(peer, authority, now)
    if peer.role != "manager":
        raise NotPermittedError(f"{peer.host} shows the certificate of a worker, {peer.node_id}")
    if node_id and peer.node_id != node_id:
        raise NotPermittedError(f"{peer.host} is node {peer.node_id}, not {node_id}")


def has_ended(peer: Peer, authority: Authority, now: Timestamp) -> bool:
    """Whether a live connection with `peer` must be closed: removed, or its certificate ended."""
    return peer.node_id in authority.removed or 0 < peer.expires_at <= now


def _check_member(peer: Peer, authority: Authority, now: Timestamp) -> None:
    if not peer.node_id:
        raise NotPermittedError(f"{peer.host} shows no certificate: join the swarm first")
    if peer.cluster_id != authority.cluster_id:
        raise NotPermittedError(f"node {peer.node_id} belongs to another swarm")
    if peer.node_id in authority.removed:
        raise NotPermittedError(f"node {peer.node_id} was removed from the swarm")
    if has_ended(peer, authority, now):
        raise NotPermittedError(f"the certificate of node {peer.node_id} has expired")
