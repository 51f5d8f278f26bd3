"""What two ends agree on before a word is said, without sockets."""

import ssl

import msgspec
import pytest

from swarmd.net.contexts import client_context, server_context
from tests.unit.net.pki import anonymous, credentials

MANAGER, WORKER = credentials("node-1", "manager"), credentials("node-2", "worker")
STRANGER = credentials("node-3", "worker", cluster_id="another")


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """(server's end, client's end) after the handshake.  Raises SSLError if one end refused it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = server.wrap_bio(to_server, to_client, server_side=True)
    far = client.wrap_bio(to_client, to_server)
    done: set[ssl.SSLObject] = set()
    for _ in range(10):
        for end in (far, near):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done.add(end)
    assert done == {near, far}
    return near, far


def only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that was not updated for years."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    return context


def test_nodes_speak_tls_1_3_and_both_know_the_other() -> None:
    near, far = shaken(server_context(MANAGER), client_context(WORKER))
    assert (near.version(), far.version()) == ("TLSv1.3", "TLSv1.3")
    assert near.getpeercert()
    assert far.getpeercert()


def test_an_older_client_is_refused() -> None:
    with pytest.raises(ssl.SSLError):
        shaken(server_context(MANAGER), only(ssl.TLSVersion.TLSv1_2))


def test_an_older_server_is_refused() -> None:
    older = server_context(credentials("node-9", "manager"))
    older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_2
    shaken(older, only(ssl.TLSVersion.TLSv1_2))
    with pytest.raises(ssl.SSLError):
        shaken(older, client_context(anonymous()))


def test_a_client_with_another_swarms_certificate_is_refused() -> None:
    """Not taken for one without a certificate, who may ask to join."""
    shaken(server_context(MANAGER), client_context(anonymous()))
    with pytest.raises(ssl.SSLError):
        shaken(
            server_context(MANAGER),
            client_context(msgspec.structs.replace(STRANGER, trusted=MANAGER.trusted)),
        )
