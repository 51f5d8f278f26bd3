"""The real Crypto port: ECDSA P-256 certificates and AES-256-GCM seals, on `cryptography`.

Every certificate carries what Python 3.13's VERIFY_X509_STRICT asks for: critical basicConstraints
and keyUsage, subject and authority key identifiers.  The facts are written where Docker's nodes
have them: CN = node id, OU = role, O = cluster id (swarmkit ca/certificates.go).
"""

import functools
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from swarmd.errors import InvalidArgumentError, WireError
from swarmd.ports import CertificateFacts, Timestamp

ROOT_NAME = "swarm-ca"
MANAGER_UNIT = "swarm-manager"
#: 20 years, as swarmkit's roots.
ROOT_LIFE = timedelta(days=20 * 365)
#: Clocks of joining nodes may be behind by this much (swarmkit's CertBackdate).
BACK_DATE = timedelta(hours=1)

_SECOND = 1_000_000_000


class X509Crypto:
    """Keys, certificates and seals of production."""

    def new_root(self, cluster_id: str, now: Timestamp) -> tuple[str, str]:
        """(certificate PEM, key PEM) of a self-signed root: CN swarm-ca, 20 years."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name({NameOID.ORGANIZATION_NAME: cluster_id, NameOID.COMMON_NAME: ROOT_NAME})
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_datetime(now) - BACK_DATE)
            .not_valid_after(_datetime(now) + ROOT_LIFE)
            # One level below it: a rotation cross-signs the next root as an intermediate.
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(_issued_by(identifier), critical=False)
            .sign(key, SHA256())
        )
        return _pem(certificate), _key_pem(key)

    def new_request(self) -> tuple[str, str]:
        """(request PEM, key PEM).  The issuer alone decides the names, so the request has none."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder().subject_name(_name({})).sign(key, SHA256())
        )
        return request.public_bytes(Encoding.PEM).decode(), _key_pem(key)

    def issue(self, request: str, root: tuple[str, str], facts: CertificateFacts) -> str:
        """Certificate PEM for a CSR, with a fresh serial number; `root` = (certificate, key).

        Names, role and life are those of `facts`, whatever the request asks for.
        Raises InvalidArgumentError if the CSR does not verify or has no P-256 key.
        """
        public_key = _requested_key(request)
        issuer = x509.load_pem_x509_certificate(root[0].encode())
        issuer_key = load_pem_private_key(root[1].encode(), None)
        assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_subject(facts))
            .issuer_name(issuer.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_datetime(facts.not_before))
            .not_valid_after(_datetime(facts.not_after))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(_both_ends(), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(_issued_by(identifier), critical=False)
            .add_extension(_alternative_names(facts), critical=False)
            .sign(issuer_key, SHA256())
        )
        return _pem(certificate)

    def facts(self, certificate: str) -> CertificateFacts:
        """What the first certificate of a PEM text says; nothing of it is verified.

        `issuer_public_key` is known for a self-signed certificate only, and empty otherwise.
        Raises InvalidArgumentError if it is no certificate.
        """
        try:
            parsed = x509.load_pem_x509_certificate(certificate.encode())
        except ValueError as error:
            raise InvalidArgumentError(f"not a certificate: {error}") from error
        is_root = parsed.subject == parsed.issuer
        return CertificateFacts(
            node_id="" if is_root else _field(parsed.subject, NameOID.COMMON_NAME),
            organizational_unit=_field(parsed.subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
            cluster_id=_field(parsed.subject, NameOID.ORGANIZATION_NAME),
            serial=format(parsed.serial_number, "x"),
            not_before=_timestamp(parsed.not_valid_before_utc),
            not_after=_timestamp(parsed.not_valid_after_utc),
            issuer_subject=parsed.issuer.public_bytes(),
            issuer_public_key=_public_der(parsed) if is_root else b"",
        )

    def seal(self, key: bytes, nonce: bytes, data: bytes) -> bytes:
        """AES-256-GCM; 16 bytes longer than `data`.  A nonce (12 bytes) is used once per key."""
        return _cipher(key).encrypt(nonce, data, None)

    def unseal(self, key: bytes, nonce: bytes, data: bytes) -> bytes:
        """Raises WireError if key, nonce or data is wrong."""
        try:
            return _cipher(key).decrypt(nonce, data, None)
        except (InvalidTag, ValueError) as error:
            raise WireError("a seal does not open: wrong key, or changed on the way") from error


# Three gossip keys, a disk key and a few spare; a key's schedule costs more than a datagram's seal.
@functools.lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESGCM:
    assert len(key) == 32, "AES-256 has keys of 32 bytes"
    return AESGCM(key)


def _requested_key(request: str) -> ec.EllipticCurvePublicKey:
    try:
        parsed = x509.load_pem_x509_csr(request.encode())
    except ValueError as error:
        raise InvalidArgumentError(f"not a certificate request: {error}") from error
    public_key = parsed.public_key()
    if not parsed.is_signature_valid:
        raise InvalidArgumentError("the certificate request is not signed by its own key")
    if (
        not isinstance(public_key, ec.EllipticCurvePublicKey)
        or public_key.curve.name != "secp256r1"
    ):
        raise InvalidArgumentError("the certificate request has another key than ECDSA P-256")
    return public_key


def _subject(facts: CertificateFacts) -> x509.Name:
    return _name(
        {
            NameOID.ORGANIZATION_NAME: facts.cluster_id,
            NameOID.ORGANIZATIONAL_UNIT_NAME: facts.organizational_unit,
            NameOID.COMMON_NAME: facts.node_id,
        }
    )


def _name(fields: dict[ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in fields.items() if text])


def _field(name: x509.Name, oid: ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _alternative_names(facts: CertificateFacts) -> x509.SubjectAlternativeName:
    names = [facts.node_id, facts.organizational_unit]
    if facts.organizational_unit == MANAGER_UNIT:
        names.append(ROOT_NAME)
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def _both_ends() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def _issued_by(identifier: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _datetime(at: Timestamp) -> datetime:
    return datetime.fromtimestamp(at // _SECOND, UTC)


def _timestamp(at: datetime) -> Timestamp:
    return int(at.timestamp()) * _SECOND
