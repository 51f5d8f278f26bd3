"""Credentials for the tests: one cluster, a manager and a worker in it, and a stranger's root."""

import functools

from swarmd.ca.crypto import X509Crypto
from swarmd.net.clock import SystemClock
from swarmd.ports import CertificateFacts, Credentials, Timestamp

HOUR: Timestamp = 3600 * 1_000_000_000


@functools.cache
def root(cluster_id: str) -> tuple[str, str]:
    return X509Crypto().new_root(cluster_id, SystemClock().wall())


@functools.cache
def credentials(
    node_id: str, role: str, *, cluster_id: str = "cluster", life: Timestamp = HOUR
) -> Credentials:
    now = SystemClock().wall()
    facts = CertificateFacts(
        node_id=node_id,
        organizational_unit=f"swarm-{role}",
        cluster_id=cluster_id,
        serial="",
        not_before=now - 2 * HOUR,
        not_after=now + life,
    )
    request, key = X509Crypto().new_request()
    certificate = X509Crypto().issue(request, root(cluster_id), facts)
    return Credentials(certificate=certificate, key=key, trusted=root(cluster_id)[0])


def anonymous(cluster_id: str = "cluster") -> Credentials:
    return Credentials(trusted=root(cluster_id)[0])
