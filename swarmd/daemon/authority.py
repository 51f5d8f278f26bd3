"""The CA's calls: handing out the root, admitting nodes, renewing certificates.

Any manager answers for the root; the others are the leader's, because they write.  A join is known
by its request for a certificate: repeated, it is the same node.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from swarmd.ca.issue import facts_of_node, role_of_token
from swarmd.dispatcher.server import managers_of
from swarmd.errors import NotFoundError, NotPermittedError, UnavailableError
from swarmd.model.assignment import ManagerAddress
from swarmd.model.cluster import Cluster
from swarmd.model.ids import ClusterID, NodeID, RequestID, id_from
from swarmd.model.node import Availability, Node, NodeSpec, NodeStatus, Role
from swarmd.ports import Crypto, Peer, Timestamp
from swarmd.store.entry import Change, PutNode
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View
from swarmd.wire.packed import pack, unpack


class JoinCall(msgspec.Struct, frozen=True, kw_only=True):
    """A node asks to be admitted."""

    token: str
    request: str
    availability: Availability = Availability.ACTIVE


class RenewCall(msgspec.Struct, frozen=True, kw_only=True):
    """A node asks for a new certificate, in the role that was granted to it."""

    request: str


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What a node needs to show and to know."""

    node_id: NodeID
    cluster_id: ClusterID
    role: Role
    certificate: str
    trusted: str
    managers: tuple[ManagerAddress, ...]
    gossip_keys: tuple[bytes, ...] = ()


class Authority:
    """Answers the CA's calls on one manager."""

    def __init__(
        self, store: Store, crypto: Crypto, to_leader: Callable[[str, bytes], Awaitable[bytes]]
    ) -> None:
        self._store, self._crypto = store, crypto
        #: makes the same call at the leader: (method, payload)
        self._to_leader = to_leader
        self.is_leader: Callable[[], bool] = lambda: False

    async def root(self, _peer: Peer, _payload: bytes) -> bytes:
        """→ the root certificate, PEM; the asker compares it with its token."""
        return self._cluster().root_certificate.encode()

    async def join(self, _peer: Peer, payload: bytes) -> bytes:
        """JoinCall → Issued."""
        if not self.is_leader():
            return await self._to_leader("ca.join", payload)
        call = unpack(payload, JoinCall)
        role = role_of_token(call.token, self._cluster())
        node_id = NodeID(id_from("node", call.request))
        now = self._store.now()
        certificate, serial, end = self._issue(call.request, node_id, role, now)

        def decide(view: View, _: Timestamp) -> Sequence[Change]:
            known = view.node(node_id)
            node = known or Node(
                id=node_id,
                spec=NodeSpec(labels={}, role=role, availability=call.availability),
                status=NodeStatus(since=now),
                role=role,
            )
            node = msgspec.structs.replace(
                node, certificate_serial=serial, certificate_expires_at=end
            )
            return [PutNode(record=node)]

        await self._store.write(
            Write(request_id=RequestID(""), principal=f"join:{node_id}", decide=decide)
        )
        return pack(self._issued(node_id, role, certificate))

    async def renew(self, peer: Peer, payload: bytes) -> bytes:
        """RenewCall → Issued."""
        if not self.is_leader():
            raise UnavailableError("only the leader renews certificates")
        call = unpack(payload, RenewCall)
        node = self._store.view().node(peer.node_id)
        if node is None:
            raise NotFoundError("node", peer.node_id)
        certificate, serial, end = self._issue(call.request, node.id, node.role, self._store.now())

        def decide(view: View, _: Timestamp) -> Sequence[Change]:
            known = view.node(peer.node_id)
            if known is None:
                raise NotPermittedError(f"node {peer.node_id} was removed from the swarm")
            if known.role is not node.role:
                # The certificate that was made would outlive the role by months.
                raise UnavailableError("the node's role has changed meanwhile: ask again")
            return [
                PutNode(
                    record=msgspec.structs.replace(
                        known, certificate_serial=serial, certificate_expires_at=end
                    )
                )
            ]

        await self._store.write(
            Write(request_id=RequestID(""), principal=peer.node_id, decide=decide)
        )
        return pack(self._issued(node.id, node.role, certificate))

    def _issue(
        self, request: str, node_id: NodeID, role: Role, now: Timestamp
    ) -> tuple[str, str, Timestamp]:
        cluster = self._cluster()
        facts = facts_of_node(node_id, role, cluster, now)
        root = (cluster.root_certificate, cluster.root_key)
        certificate = self._crypto.issue(request, root, facts)
        return certificate, self._crypto.facts(certificate).serial, facts.not_after

    def _issued(self, node_id: NodeID, role: Role, certificate: str) -> Issued:
        cluster = self._cluster()
        return Issued(
            node_id=node_id,
            cluster_id=cluster.id,
            role=role,
            certificate=certificate,
            trusted=cluster.root_certificate,
            managers=managers_of(self._store.view()),
            gossip_keys=cluster.gossip_keys,
        )

    def _cluster(self) -> Cluster:
        cluster = self._store.view().cluster
        if cluster is None:
            raise UnavailableError("this manager has not caught up yet")
        return cluster
