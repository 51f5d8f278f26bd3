"""Messages to datagrams and back.

A packet is `[sender, [message, ...]]` in msgpack, each message an array that begins with its kind;
a datagram is a sealed packet:

    version (1) | key id (4) | nonce (12) | AES-256-GCM of the packet (16 longer)

A message of a kind that this version does not know is skipped; whatever else is wrong with a
datagram, it is dropped as a whole.  Nothing that arrives can raise anything but WireError.
"""

from collections.abc import Sequence

import msgspec

from swarmd.errors import WireError
from swarmd.gossip.keyring import KEY_ID_BYTES, Keyring, key_id
from swarmd.gossip.messages import Message
from swarmd.ports import Crypto, Random

#: Fits into an Ethernet frame, also inside a tunnel (memberlist's UDPBufferSize).
MOST_DATAGRAM_BYTES = 1400

_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = len(_VERSION) + KEY_ID_BYTES + _NONCE_BYTES

MOST_PACKET_BYTES = MOST_DATAGRAM_BYTES - _HEAD_BYTES - _TAG_BYTES

_encoder = msgspec.msgpack.Encoder()
_message_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


class _Packet(msgspec.Struct, frozen=True, array_like=True):
    sender: str
    messages: tuple[msgspec.Raw, ...]


_packet_decoder = msgspec.msgpack.Decoder(_Packet)


def encode(message: Message) -> bytes:
    """One message, to be packed."""
    return _encoder.encode(message)


def room(sender: str) -> int:
    """Bytes of encoded messages that fit into one packet of that sender."""
    # Heads: the pair, a string of up to 255 bytes, an array of up to 65,535.
    return MOST_PACKET_BYTES - len(sender.encode()) - 6


def pack(sender: str, messages: Sequence[bytes]) -> bytes:
    """A packet of encoded messages."""
    raw = tuple(msgspec.Raw(message) for message in messages)
    packet = _encoder.encode(_Packet(sender=sender, messages=raw))
    assert len(packet) <= MOST_PACKET_BYTES, f"a packet of {len(packet)} bytes"
    return packet


def unpack(packet: bytes) -> tuple[str, list[Message]]:
    """(sender, the messages that this version knows).  Raises WireError."""
    try:
        decoded = _packet_decoder.decode(packet)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError(f"not a gossip packet: {error}") from error
    messages = []
    for raw in decoded.messages:
        try:
            messages.append(_message_decoder.decode(raw))
        except (msgspec.DecodeError, RecursionError):
            continue
    return decoded.sender, messages


def seal(packet: bytes, keyring: Keyring, crypto: Crypto, random: Random) -> bytes:
    """A datagram."""
    nonce = random.token(_NONCE_BYTES)
    sealed = crypto.seal(keyring.primary, nonce, packet)
    return b"".join((_VERSION, key_id(keyring.primary), nonce, sealed))


def unseal(datagram: bytes, keyring: Keyring, crypto: Crypto) -> bytes:
    """The packet.  Raises WireError if none of our keys sealed it, or it was changed."""
    if len(datagram) < _HEAD_BYTES + _TAG_BYTES or datagram[:1] != _VERSION:
        raise WireError("not a gossip datagram")
    key = keyring.keys.get(datagram[1 : 1 + KEY_ID_BYTES])
    if key is None:
        raise WireError("a gossip datagram under a key that this node does not have")
    return crypto.unseal(key, datagram[1 + KEY_ID_BYTES : _HEAD_BYTES], datagram[_HEAD_BYTES:])
