"""The gossip keys of a cluster: up to three, so that a rotation needs no moment in common.

Every key opens; one seals.  A new key is first known everywhere, then sealed with, then the oldest
is dropped (memberlist's keyring; swarmkit's keymanager rotates every 12 h).
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

KEY_BYTES = 32
KEY_ID_BYTES = 4
MOST_KEYS = 3


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """Keys by their id."""

    #: what seals
    primary: bytes
    #: all keys that open, the primary among them: id → key
    keys: Mapping[bytes, bytes]


def keyring(keys: Sequence[bytes]) -> Keyring:
    """From the cluster's keys, newest first: the second seals while there is one.

    So a key seals only once it has been the newest for a whole period, and every node has it.
    """
    assert 1 <= len(keys) <= MOST_KEYS, f"{len(keys)} gossip keys"
    assert all(len(key) == KEY_BYTES for key in keys), "gossip keys have 32 bytes"
    return Keyring(primary=keys[min(1, len(keys) - 1)], keys={key_id(key): key for key in keys})


def rotated(keys: Sequence[bytes], new: bytes) -> tuple[bytes, ...]:
    """The cluster's keys after a rotation, newest first."""
    return (new, *keys)[:MOST_KEYS]


def key_id(key: bytes) -> bytes:
    """What a datagram says of its key: nothing that helps to guess it."""
    return hashlib.sha256(b"gossip key id" + key).digest()[:KEY_ID_BYTES]
