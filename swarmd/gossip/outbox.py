"""What one step of the core wants sent, packed: messages first, then as much news as fits."""

from collections.abc import Sequence

import msgspec

from swarmd.gossip import wire
from swarmd.gossip.broadcast import Broadcasts
from swarmd.gossip.messages import Member, Message, Rows
from swarmd.gossip.table import Table
from swarmd.ports import Address

#: The head of a message of rows, with its array's.
_ROWS_HEAD_BYTES = 8


class Send(msgspec.Struct, frozen=True):
    """A packet to be sealed and sent."""

    to: Address
    packet: bytes


class Outbox:
    """Collects during a step; `drain` ends it."""

    def __init__(self, table: Table, broadcasts: Broadcasts) -> None:
        self._table = table
        self._broadcasts = broadcasts
        self._room_bytes = wire.room(table.me_id)
        #: address → encoded messages
        self._messages: dict[Address, list[bytes]] = {}

    def add(self, to: Address, message: Message) -> None:
        """Send `message`."""
        self._messages.setdefault(to, []).append(wire.encode(message))

    def touch(self, to: Address) -> None:
        """Send news, if there is any."""
        self._messages.setdefault(to, [])

    def add_rows(self, to: Address, members: Sequence[Member], *, wants_reply: bool) -> None:
        """Send rows of the table, in as many packets as they need."""
        parts: list[list[Member]] = [[]]
        free = self._room_bytes - _ROWS_HEAD_BYTES
        for member in members:
            size = len(msgspec.msgpack.encode(member))
            if size > free:
                parts.append([])
                free = self._room_bytes - _ROWS_HEAD_BYTES
            parts[-1].append(member)
            free -= size
        for index, part in enumerate(parts, start=1):
            is_last = index == len(parts)
            self.add(to, Rows(members=tuple(part), wants_reply=wants_reply and is_last))

    def drain(self) -> list[Send]:
        """Everything, packed."""
        messages, self._messages = self._messages, {}
        return [send for to, encoded in messages.items() for send in self._packets(to, encoded)]

    def _packets(self, to: Address, encoded: Sequence[bytes]) -> list[Send]:
        packets: list[list[bytes]] = [[]]
        free = self._room_bytes
        for message in encoded:
            if len(message) > free:
                packets.append([])
                free = self._room_bytes
            packets[-1].append(message)
            free -= len(message)
        packets[-1] += self._broadcasts.take(free, self._table.live_count)
        return [Send(to, wire.pack(self._table.me_id, packet)) for packet in packets if packet]
