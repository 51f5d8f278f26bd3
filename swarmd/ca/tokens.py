"""Join tokens: `SWMTKN-1-<root>-<secret>`.

`root` is the SHA-256 of the root certificate's PEM in base36, 50 digits: with it a node that knows
nothing else recognises the cluster that it was invited to, before it tells anybody the secret.
`secret` is 128 bits in base36, 25 digits: one for workers, one for managers.
Source: swarmkit ca/config.go (ParseJoinToken, GenerateJoinToken); the refusals are its words.
"""

import hashlib
import re

import msgspec

from swarmd.errors import InvalidArgumentError
from swarmd.model.ids import base36

SECRET_BYTES = 16

_FORM = re.compile(r"SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})")
_ROOT_DIGITS = 50
_SECRET_DIGITS = 25


class JoinToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token, taken apart."""

    #: SHA-256 of the root certificate's PEM, 64 hex digits
    fingerprint: str
    secret: str


def new_secret(token: bytes) -> str:
    """The secret half, out of SECRET_BYTES unguessable bytes."""
    assert len(token) == SECRET_BYTES
    return base36(int.from_bytes(token, "big"), _SECRET_DIGITS)


def join_token(root_certificate: str, secret: str) -> str:
    """The token of the cluster with that root for the role with that secret."""
    digest = hashlib.sha256(root_certificate.encode()).digest()
    return f"SWMTKN-1-{base36(int.from_bytes(digest, 'big'), _ROOT_DIGITS)}-{secret}"


def parse_token(text: str) -> JoinToken:
    """Raises InvalidArgumentError("invalid join token")."""
    match = _FORM.fullmatch(text.strip())
    number = int(match[1], 36) if match else 1 << 256
    if match is None or number >= 1 << 256:
        raise InvalidArgumentError("invalid join token")
    return JoinToken(fingerprint=f"{number:064x}", secret=match[2])


def check_root(token: JoinToken, root_certificate: str) -> None:
    """Raises InvalidArgumentError if this is not the root that the token was made for."""
    if hashlib.sha256(root_certificate.encode()).hexdigest() != token.fingerprint:
        raise InvalidArgumentError(
            f"remote CA does not match fingerprint. Expected: {token.fingerprint}"
        )
