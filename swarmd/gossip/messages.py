"""What nodes say about each other.

News of a node is a whole `Member`: who, where, in which incarnation, as what.  Of two, the one with
the higher (incarnation, status) is right; so news may come late, twice, or in any order, and all
nodes still end with the same table.  Only a node itself raises its incarnation: that is how it
refutes a suspicion, and how its next life overrules the last.
"""

import enum

import msgspec

from swarmd.ports import Address

#: What a node may say about itself beside its address.
MOST_META_BYTES = 256
#: Beyond it nobody could refute any more.
MOST_INCARNATION = 2**62


class Status(enum.IntEnum):
    """What is known of a node; of one incarnation, the later one in this order is right."""

    ALIVE = 0
    #: did not answer, may still refute; counts as alive
    SUSPECT = 1
    DEAD = 2
    #: said goodbye
    LEFT = 3


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One node, as of some moment."""

    node_id: str
    #: where its gossip listens
    address: Address
    #: raised by the node alone
    incarnation: int
    status: Status = Status.ALIVE
    #: the node's own words, opaque here
    meta: bytes = b""

    @property
    def is_live(self) -> bool:
        """Whether it counts as running: a suspect does."""
        return self.status <= Status.SUSPECT

    @property
    def is_sane(self) -> bool:
        """Whether a correct node would say this: what is not must not be passed on."""
        return (
            0 < len(self.node_id) <= 64
            and 0 < len(self.address) <= 64
            and 0 <= self.incarnation < MOST_INCARNATION
            and len(self.meta) <= MOST_META_BYTES
        )

    def overrules(self, other: "Member") -> bool:
        """Whether this is later news than `other`, of the same node."""
        return (self.incarnation, self.status) > (other.incarnation, other.status)

    def seen_as(self, status: Status) -> "Member":
        """The same node in the same incarnation, with another status."""
        return msgspec.structs.replace(self, status=status)

    def reborn(self, incarnation: int, meta: bytes) -> "Member":
        """What the node itself says, in a later incarnation."""
        assert incarnation > self.incarnation
        return msgspec.structs.replace(
            self, incarnation=incarnation, status=Status.ALIVE, meta=meta
        )


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Are you `target`, and there?"""

    sequence: int
    #: addresses are used again: another node must not answer
    target: str


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """To a Ping or PingRequest of that sequence number: it is there."""

    sequence: int


class PingRequest(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """I get no answer from `target`: do you?"""

    sequence: int
    target: str
    address: Address


class Nack(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """To a PingRequest: I get none either; but you and I still hear each other (Lifeguard)."""

    sequence: int


class News(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Something has changed; passed on from node to node."""

    member: Member
    #: who says so: a suspicion weighs more when several do
    by: str


class Digest(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A fingerprint of my table: is yours the same?"""

    value: int


class Rows(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """A part of my table."""

    members: tuple[Member, ...]
    #: send me yours; said in the last part
    wants_reply: bool = False


Message = Ping | Ack | PingRequest | Nack | News | Digest | Rows
