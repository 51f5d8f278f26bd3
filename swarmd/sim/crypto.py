"""Identities without keys: a certificate says in clear what a real one proves.

The simulated network checks what TLS would: that the certificate was issued by a trusted root and
has not ended.
"""

from collections.abc import Callable

import msgspec

from swarmd.errors import InvalidArgumentError, WireError
from swarmd.ports import CertificateFacts, Timestamp


class _Paper(msgspec.Struct, frozen=True):
    """A certificate, root or request."""

    facts: CertificateFacts
    issuer: str
    number: str


class SimCrypto:
    """The Crypto port of one process."""

    def __init__(self, token: Callable[[int], bytes]) -> None:
        self._token = token

    def new_root(self, cluster_id: str, now: Timestamp) -> tuple[str, str]:
        """As `Crypto.new_root`."""
        number = self._token(8).hex()
        facts = CertificateFacts(
            node_id="",
            organizational_unit="",
            cluster_id=cluster_id,
            serial=number,
            not_before=now,
            not_after=now + 20 * 365 * 86_400 * 10**9,
        )
        return _write(_Paper(facts, number, number)), f"key of {number}"

    def new_request(self) -> tuple[str, str]:
        """As `Crypto.new_request`."""
        number = self._token(8).hex()
        return f"request {number}", f"key of {number}"

    def issue(self, request: str, root: tuple[str, str], facts: CertificateFacts) -> str:
        """As `Crypto.issue`."""
        if not request.startswith("request "):
            raise InvalidArgumentError("not a certificate request")
        number = request.removeprefix("request ")
        facts = msgspec.structs.replace(facts, serial=self._token(8).hex())
        return _write(_Paper(facts, read(root[0]).number, number))

    def facts(self, certificate: str) -> CertificateFacts:
        """As `Crypto.facts`."""
        return read(certificate).facts

    def seal(self, key: bytes, nonce: bytes, data: bytes) -> bytes:
        """As `Crypto.seal`: 16 bytes longer, and opened only with the same key and nonce."""
        return data + _mark(key, nonce)

    def unseal(self, key: bytes, nonce: bytes, data: bytes) -> bytes:
        """As `Crypto.unseal`."""
        if len(data) < 16 or data[-16:] != _mark(key, nonce):
            raise WireError("sealed with another key")
        return data[:-16]


def _mark(key: bytes, nonce: bytes) -> bytes:
    return (key[:8] + nonce[-8:]).ljust(16, b"\0")


def _write(paper: _Paper) -> str:
    return msgspec.json.encode(paper).decode() + "\n"


def read(certificate: str) -> _Paper:
    """Raises InvalidArgumentError for what is no certificate."""
    try:
        return msgspec.json.decode(certificate, type=_Paper)
    except msgspec.DecodeError as error:
        raise InvalidArgumentError(f"not a certificate: {error}") from error


def is_trusted(certificate: str, trusted: str, now: Timestamp) -> bool:
    """Whether one of the trusted roots issued it, and it is valid now."""
    paper = read(certificate)
    roots = {read(line).number for line in trusted.splitlines() if line}
    return paper.issuer in roots and paper.facts.not_before <= now < paper.facts.not_after
