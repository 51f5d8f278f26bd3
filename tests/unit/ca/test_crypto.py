"""Certificates by the eyes of OpenSSL at its strictest, and seals."""

import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from swarmd.ca.crypto import X509Crypto
from swarmd.errors import InvalidArgumentError, WireError
from swarmd.net.contexts import client_context, server_context
from swarmd.ports import CertificateFacts, Credentials

SECOND = 1_000_000_000
NOW = 1_764_000_000 * SECOND
DAY = 86_400 * SECOND
CRYPTO = X509Crypto()
ROOT = CRYPTO.new_root("cluster", NOW)


def facts(role: str, *, start: int = NOW, end: int = NOW + 90 * DAY) -> CertificateFacts:
    return CertificateFacts(
        node_id="node1",
        organizational_unit=f"swarm-{role}",
        cluster_id="cluster",
        serial="",
        not_before=start,
        not_after=end,
    )


def issued(role: str) -> x509.Certificate:
    request, _ = CRYPTO.new_request()
    return x509.load_pem_x509_certificate(CRYPTO.issue(request, ROOT, facts(role)).encode())


def test_the_root_is_dockers() -> None:
    root = x509.load_pem_x509_certificate(ROOT[0].encode())
    assert root.subject.rfc4514_string() == "CN=swarm-ca,O=cluster"
    assert root.not_valid_after_utc - root.not_valid_before_utc == timedelta(days=7300, hours=1)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    root.verify_directly_issued_by(root)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("worker", ["node1", "swarm-worker"]),
        ("manager", ["node1", "swarm-manager", "swarm-ca"]),
    ],
)
def test_a_nodes_certificate_says_who_it_is_as_dockers_do(role: str, names: list[str]) -> None:
    leaf = issued(role)
    assert leaf.subject.rfc4514_string() == f"CN=node1,OU=swarm-{role},O=cluster"
    alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == names
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(ROOT[0].encode()))


@pytest.mark.parametrize("extension", [x509.BasicConstraints, x509.KeyUsage])
def test_what_strict_verification_wants_critical_is(
    extension: type[x509.BasicConstraints | x509.KeyUsage],
) -> None:
    for certificate in (issued("worker"), x509.load_pem_x509_certificate(ROOT[0].encode())):
        assert certificate.extensions.get_extension_for_class(extension).critical
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


@pytest.mark.parametrize("server_role", ["manager", "worker"])
def test_it_passes_strict_verification_at_both_ends(server_role: str) -> None:
    """Python 3.13 verifies strictly by default; a cluster must not break when Python is upgraded."""
    root = CRYPTO.new_root("cluster", 1_700_000_000 * SECOND)
    request, key = CRYPTO.new_request()
    span = facts(server_role, start=1_700_000_000 * SECOND, end=2_500_000_000 * SECOND)
    leaf = CRYPTO.issue(request, root, span)
    shown = Credentials(certificate=leaf, key=key, trusted=root[0])
    client_in, server_in = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(shown).wrap_bio(client_in, server_in)
    server = server_context(shown).wrap_bio(server_in, client_in, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    server.do_handshake()
    assert server.getpeercert() is not None
    assert client_context(shown).verify_flags & ssl.VERIFY_X509_STRICT


def test_the_facts_are_what_was_issued() -> None:
    request, _ = CRYPTO.new_request()
    leaf = CRYPTO.issue(request, ROOT, facts("manager"))
    read = CRYPTO.facts(leaf)
    assert (read.node_id, read.organizational_unit, read.cluster_id) == (
        "node1",
        "swarm-manager",
        "cluster",
    )
    assert (read.not_before, read.not_after) == (NOW, NOW + 90 * DAY)
    assert int(read.serial, 16) == x509.load_pem_x509_certificate(leaf.encode()).serial_number
    assert read.issuer_subject == CRYPTO.facts(ROOT[0]).issuer_subject
    assert read.issuer_public_key == b""


def test_a_roots_facts_carry_what_docker_shows_of_it() -> None:
    read = CRYPTO.facts(ROOT[0])
    assert (read.node_id, read.organizational_unit, read.cluster_id) == ("", "", "cluster")
    assert read.issuer_public_key.startswith(b"\x30\x59")


def test_two_certificates_have_two_serial_numbers() -> None:
    request, _ = CRYPTO.new_request()
    serials = {CRYPTO.facts(CRYPTO.issue(request, ROOT, facts("worker"))).serial for _ in range(5)}
    assert len(serials) == 5


def test_a_request_decides_its_key_and_nothing_else() -> None:
    """A worker asks for a manager's names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=other,OU=swarm-manager,O=other")
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    leaf = CRYPTO.issue(request.public_bytes(Encoding.PEM).decode(), ROOT, facts("worker"))
    read = CRYPTO.facts(leaf)
    assert (read.node_id, read.organizational_unit) == ("node1", "swarm-worker")


def forged() -> str:
    request, _ = CRYPTO.new_request()
    parsed = x509.load_pem_x509_csr(request.encode())
    der = bytearray(parsed.public_bytes(Encoding.DER))
    der[-1] ^= 1
    try:
        return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    except ValueError:
        return "broken"


def of_rsa() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("request_pem", "words"),
    [("", "not a certificate request"), (forged(), "."), (of_rsa(), "another key than ECDSA")],
)
def test_a_request_that_does_not_hold_is_refused(request_pem: str, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        CRYPTO.issue(request_pem, ROOT, facts("worker"))


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="not a certificate"):
        CRYPTO.facts("hello")


def test_a_seal_opens_with_its_key_and_nonce_only() -> None:
    key, nonce = bytes(range(32)), bytes(12)
    sealed = CRYPTO.seal(key, nonce, b"secret")
    assert len(sealed) == len(b"secret") + 16
    assert CRYPTO.unseal(key, nonce, sealed) == b"secret"
    for wrong in (
        (bytes(32), nonce, sealed),
        (key, b"1" * 12, sealed),
        (key, nonce, sealed[:-1]),
        (key, nonce, b"x" + sealed[1:]),
        (key, nonce, b""),
    ):
        with pytest.raises(WireError):
            CRYPTO.unseal(*wrong)
