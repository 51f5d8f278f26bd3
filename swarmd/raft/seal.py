"""Sealing what lies on the disk: one key per file, derived from the data key and the file's salt.

A number is sealed once per file, so it may serve as the nonce.  After a torn tail a new segment,
with a new salt, begins, since the torn batch's number is used again.
"""

import hashlib
import hmac
from typing import Protocol

from swarmd.ports import Crypto

SALT_BYTES = 16


class Sealer(Protocol):
    """Keeps the content of journal and snapshots from readers of the disk."""

    def seal(self, salt: bytes, number: int, data: bytes) -> bytes:
        """A pair (salt, number) is used for one `data` only.  Called off the loop."""
        ...

    def unseal(self, salt: bytes, number: int, data: bytes) -> bytes:
        """Raises WireError if key, salt, number or data is wrong."""
        ...


class KeySealer:
    """AES-256-GCM through the Crypto port, under keys derived by HKDF (RFC 5869) with SHA-256."""

    def __init__(self, crypto: Crypto, key: bytes) -> None:
        self._crypto, self._key = crypto, key
        #: the files in use are the last segment and the snapshot
        self._derived: dict[bytes, bytes] = {}

    def seal(self, salt: bytes, number: int, data: bytes) -> bytes:
        """See `Sealer`."""
        return self._crypto.seal(self._for(salt), number.to_bytes(12, "little"), data)

    def unseal(self, salt: bytes, number: int, data: bytes) -> bytes:
        """See `Sealer`."""
        return self._crypto.unseal(self._for(salt), number.to_bytes(12, "little"), data)

    def _for(self, salt: bytes) -> bytes:
        key = self._derived.get(salt)
        if key is None:
            if len(self._derived) > 4:
                self._derived.clear()
            extracted = hmac.digest(salt, self._key, hashlib.sha256)
            key = hmac.digest(extracted, b"swarmd raft file\x01", hashlib.sha256)
            self._derived[salt] = key
        return key
