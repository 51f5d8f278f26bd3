"""Snapshots on their way from a leader to a follower: stands in for pysyncobj's `Serializer`.

Every piece names its snapshot and its place in it, so pieces of two are never put together, and
nothing is installed before the digest was checked.  The image is read from disk only while a peer
needs it (`wants_image`); until it is there the peer gets empty heartbeats.

A received snapshot is `unsaved` until the member has it on disk, which it does before it writes the
journal of the same turn: the log that begins behind the snapshot must not be there without it.
"""
# pysyncobj's names.
# ruff: noqa: N802

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from swarmd.errors import WireError
from swarmd.raft.image import Head, head_of
from swarmd.raft.interface import RaftConfig, RaftID
from swarmd.raft.messages import Piece
from swarmd.raft.planted import PLANTED


class _Node(Protocol):
    @property
    def id(self) -> RaftID: ...


class _Outgoing:
    """One image on its way to one peer."""

    def __init__(self, name: Piece, image: bytes) -> None:
        self.name, self.image, self.offset = name, image, 0


class _Incoming:
    """Pieces that have come so far."""

    def __init__(self, name: Piece) -> None:
        self.name, self.data, self.digest = name, bytearray(), hashlib.sha256()


class Transfers:
    """The newest snapshot, who is being sent it, and what is being received."""

    def __init__(self, config: RaftConfig, head: Head | None) -> None:
        self._config = config
        #: may this peer be sent a piece now?  The guard's answer
        self.may_send: Callable[[RaftID], bool] = lambda _member: True
        #: of the newest snapshot, on disk or unsaved
        self.head = head
        #: a peer waits for the image: bring it with `load`
        self.wants_image = False
        #: received, installed, and not yet on disk
        self.unsaved: bytes | None = None
        self._image: bytes | None = None
        self._name: Piece | None = None
        self._outgoing: dict[RaftID, _Outgoing] = {}
        self._incoming: _Incoming | None = None

    @property
    def index(self) -> int:
        """Of the newest snapshot; 0 if there is none."""
        return self.head.index if self.head else 0

    @property
    def is_sending(self) -> bool:
        """Is the image still of use?  If not, `unload` frees its memory."""
        return bool(self._outgoing) or self.wants_image

    def load(self, image: bytes, digest: bytes) -> None:
        """Bring the newest snapshot's image and its SHA-256; ignored if a newer one came meanwhile."""
        head = head_of(image)
        if self.head is None or head.index != self.head.index:
            return
        self._image, self.wants_image = image, False
        self._name = Piece(head.index, head.term, len(image), digest, 0, b"")

    def unload(self) -> None:
        """Forget the image; the next peer that needs it asks for it again."""
        self._image = None

    def took(self, head: Head) -> None:
        """A snapshot of our own is on disk and becomes the newest."""
        self.head, self._image = head, None
        self.unsaved = None  # an earlier one

    def saved(self) -> None:
        """The unsaved one is on disk."""
        self.unsaved = None

    def take_unsaved(self) -> bytes | None:
        """The image that must be on disk before the journal; `saved` when it is."""
        return None if "snapshot-not-synced" in PLANTED else self.unsaved

    # ---- sending --------------------------------------------------------------------------------

    def getTransmissionData(self, node: _Node) -> tuple[Piece, bool, bool] | None:
        """(piece, is first, is last), or None: an empty heartbeat now, ask again in the next."""
        transfer = self._outgoing.get(node.id)
        if transfer is None:
            transfer = self._begin()
        if transfer is None or not self.may_send(node.id):
            return None
        name, offset = transfer.name, transfer.offset
        data = transfer.image[offset : offset + self._config.piece_bytes]
        transfer.offset += len(data)
        is_last = transfer.offset == len(transfer.image)
        if is_last:
            self._outgoing.pop(node.id, None)
        else:
            # Goes on with the old one if a newer is taken meanwhile.
            self._outgoing[node.id] = transfer
        piece = Piece(name.index, name.term, name.size_bytes, name.sha256, offset, data)
        return piece, offset == 0, is_last

    def _begin(self) -> _Outgoing | None:
        if self._image is None or self._name is None:
            self.wants_image = self.head is not None
            return None
        return _Outgoing(self._name, self._image)

    def cancelTransmisstion(self, node: _Node) -> None:
        """The peer went, or needs it no more.  pysyncobj spells it so."""
        self.cancel(node.id)

    def cancel(self, member: RaftID) -> None:
        """The peer went, or needs it no more."""
        self._outgoing.pop(member, None)

    def cancel_all(self) -> None:
        """A new leadership begins."""
        self._outgoing.clear()

    # ---- receiving ------------------------------------------------------------------------------

    def setTransmissionData(self, transmission: Any) -> bool:
        """True once a whole snapshot is here and checked: `head` and `unsaved` are of it then."""
        piece: Piece = transmission
        name = Piece(piece.index, piece.term, piece.size_bytes, piece.sha256, 0, b"")
        if piece.offset == 0 and piece.size_bytes <= self._config.max_snapshot_bytes:
            self._incoming = _Incoming(name)
        incoming = self._incoming
        if incoming is None or incoming.name != name or len(incoming.data) != piece.offset:
            return False  # of another one, or out of order: the sender will begin again
        if len(incoming.data) + len(piece.data) > name.size_bytes:
            self._incoming = None
            return False
        incoming.data += piece.data
        incoming.digest.update(piece.data)
        if len(incoming.data) < name.size_bytes:
            return False
        self._incoming = None
        return self._received(incoming)

    def _received(self, incoming: _Incoming) -> bool:
        if incoming.digest.digest() != incoming.name.sha256:
            return False
        image = bytes(incoming.data)
        try:
            head = head_of(image)
        except WireError:
            return False
        if (head.index, head.term) != (incoming.name.index, incoming.name.term):
            return False
        self.head, self._image, self.unsaved = head, None, image
        return True
