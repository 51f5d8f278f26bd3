"""News on its way: what goes into the next datagram.

Each piece is sent a few times, more often in a larger cluster (SWIM's λ·log n): then everybody has
it, with high probability.  Later news of a node replaces what was queued of it.
"""

import math

import msgspec

#: memberlist's RetransmitMult.
RETRANSMIT_MULTIPLIER = 4


class _Piece(msgspec.Struct, kw_only=True):
    encoded: bytes
    is_urgent: bool
    #: order of arrival, the latest highest
    number: int
    sent_count: int = 0


class Broadcasts:
    """The queue: at most one piece per node."""

    def __init__(self) -> None:
        #: node id → what is to be said of it
        self._pieces: dict[str, _Piece] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._pieces)

    def put(self, node_id: str, encoded: bytes, *, is_urgent: bool) -> None:
        """Queue news of a node.  Urgent: a death must not wait behind a hundred joins."""
        self._number += 1
        self._pieces[node_id] = _Piece(encoded=encoded, is_urgent=is_urgent, number=self._number)

    def take(self, room_bytes: int, node_count: int) -> list[bytes]:
        """Pieces that fit into `room_bytes`, each counted as sent once in a cluster that large.

        The least often sent first, of those the urgent, of those the latest.
        """
        limit = RETRANSMIT_MULTIPLIER * math.ceil(math.log10(node_count + 1))
        taken = []
        for node_id, piece in sorted(self._pieces.items(), key=_order):
            if len(piece.encoded) > room_bytes:
                continue
            room_bytes -= len(piece.encoded)
            taken.append(piece.encoded)
            piece.sent_count += 1
            if piece.sent_count >= limit:
                del self._pieces[node_id]
        return taken


def _order(item: tuple[str, _Piece]) -> tuple[int, bool, int]:
    piece = item[1]
    return piece.sent_count, not piece.is_urgent, -piece.number
