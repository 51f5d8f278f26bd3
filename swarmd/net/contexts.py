"""SSL contexts from Credentials, and a Peer from a verified certificate.

Between nodes: TLS 1.3 alone, no session tickets (a resumed session would not show its certificate
again), names checked by node and cluster id instead of host name.  `ssl` loads keys from files
only; they go through a memory file, so that no key reaches a disk.
"""

import functools
import os
import ssl
from collections.abc import Mapping

from swarmd.ports import Credentials, Peer

_ROLES = {"swarm-manager": "manager", "swarm-worker": "worker"}
_SECOND = 1_000_000_000


# A certificate is renewed rarely, and an agent storm must not parse the same key 10,000 times.
@functools.lru_cache(maxsize=16)
def server_context(credentials: Credentials) -> ssl.SSLContext:
    """Accepts clients without a certificate, and those with one of a trusted root.

    Raises ssl.SSLError if certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    _furnish(context, credentials)
    context.verify_mode = ssl.CERT_OPTIONAL if credentials.trusted else ssl.CERT_NONE
    return context


@functools.lru_cache(maxsize=16)
def client_context(credentials: Credentials) -> ssl.SSLContext:
    """Verifies the server against the trusted roots; without roots it takes any, unverified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _furnish(context, credentials)
    context.verify_mode = ssl.CERT_REQUIRED if credentials.trusted else ssl.CERT_NONE
    return context


def peer_of(connection: ssl.SSLObject | None, host: str) -> Peer:
    """Who is at the other end; only `host` is known if its certificate was not verified."""
    subject, serial, not_after = _certificate(connection)
    return Peer(
        node_id=subject.get("commonName", ""),
        role=_ROLES.get(subject.get("organizationalUnitName", ""), ""),
        cluster_id=subject.get("organizationName", ""),
        serial=serial,
        expires_at=not_after,
        host=host,
    )


def _certificate(connection: ssl.SSLObject | None) -> tuple[Mapping[str, str], str, int]:
    """(subject, serial number in lower hex, end) of the peer's verified certificate, or empties."""
    found = connection.getpeercert() if connection is not None else None
    if not found:
        return {}, "", 0
    # Typeshed knows the values as a union of everything that any field may be.
    subject = {str(name): str(value) for ((name, value),) in _pairs(found["subject"])}
    serial = format(int(str(found["serialNumber"]), 16), "x")
    return subject, serial, int(ssl.cert_time_to_seconds(str(found["notAfter"]))) * _SECOND


def _pairs(names: object) -> tuple[tuple[tuple[str, str]], ...]:
    assert isinstance(names, tuple)
    return names


def _furnish(context: ssl.SSLContext, credentials: Credentials) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The default from Python 3.13 on; the same strictness everywhere, or 3.11 hides a bad certificate.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if credentials.trusted:
        context.load_verify_locations(cadata=credentials.trusted)
    if credentials.certificate:
        _load(context, f"{credentials.certificate}\n{credentials.key}")


def _load(context: ssl.SSLContext, chain: str) -> None:
    descriptor = os.memfd_create("credentials", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, chain.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
