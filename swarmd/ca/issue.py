"""From a request for a certificate to what it will say, or a refusal.

Who joins shows a token and gets the role whose secret it holds; who renews shows its certificate
and gets the role that the cluster's record of it has now (a promotion is a renewal).  The request
(CSR) contributes a key and nothing else; `Crypto.issue` checks it.
"""

import hmac

from swarmd.ca.tokens import join_token
from swarmd.errors import InvalidArgumentError
from swarmd.model.cluster import HOUR, Cluster
from swarmd.model.ids import NodeID
from swarmd.model.node import Role
from swarmd.ports import CertificateFacts, Timestamp

#: Clocks of joining nodes may be behind by this much (swarmkit's CertBackdate).
BACK_DATE: Timestamp = HOUR
#: Docker's least validity.
SHORTEST_LIFE: Timestamp = HOUR

_UNITS = {Role.MANAGER: "swarm-manager", Role.WORKER: "swarm-worker"}


def role_of_token(token: str, cluster: Cluster) -> Role:
    """The role that `token` invites to.  Raises InvalidArgumentError, in Docker's words."""
    secrets = cluster.join_secrets
    for role, secret in (
        (Role.MANAGER, secrets.manager),
        (Role.WORKER, secrets.worker),
    ):
        expected = join_token(cluster.root_certificate, secret)
        if hmac.compare_digest(expected.encode(), token.strip().encode()):
            return role
    raise InvalidArgumentError("A valid join token is necessary to join this cluster")


def facts_of_node(
    node_id: NodeID, role: Role, cluster: Cluster, now: Timestamp
) -> CertificateFacts:
    """What the certificate of this node says, issued now."""
    return CertificateFacts(
        node_id=node_id,
        organizational_unit=_UNITS[role],
        cluster_id=cluster.id,
        serial="",
        not_before=now - BACK_DATE,
        not_after=now + max(cluster.spec.ca_config.node_cert_expiry, SHORTEST_LIFE),
    )
