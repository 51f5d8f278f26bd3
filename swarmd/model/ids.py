"""Ids: types, and their derivation.

Objects of the cluster have 25 characters of base36, made from 128 bits (swarmkit identity/).  No id
is drawn at random on the way to the store: a task's id follows from where and when it was decided,
an object's from the request that creates it, so that a plan replays byte for byte and a retried
create is the same create.
"""

import hashlib
from typing import NewType

ClusterID = NewType("ClusterID", str)
NodeID = NewType("NodeID", str)
ServiceID = NewType("ServiceID", str)
TaskID = NewType("TaskID", str)
NetworkID = NewType("NetworkID", str)
SecretID = NewType("SecretID", str)
ConfigID = NewType("ConfigID", str)
RequestID = NewType("RequestID", str)
#: Raft log index at which something was written.
Version = NewType("Version", int)

#: "on no node yet".
NO_NODE = NodeID("")

ID_LENGTH = 25
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

#: The version of a record that is proposed and not yet in the log: later than any that a client can name.
PROPOSED = Version(2**63 - 1)


def base36(number: int, width: int) -> str:
    """`number` in base 36, lower case, padded with zeros to `width`."""
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)).rjust(width, "0")


def id_from(*parts: object) -> str:
    """25 characters of base36 that follow from the parts, in this order."""
    text = "\0".join(str(part) for part in parts)
    return id_of(hashlib.sha256(text.encode()).digest()[:16])


def id_of(token: bytes) -> str:
    """An id out of 16 bytes."""
    return base36(int.from_bytes(token, "big"), ID_LENGTH)


def task_id(index: Version, service_id: ServiceID, slot: str, count: int) -> TaskID:
    """The id of the `count`-th task that the plan over state `index` makes for a slot.

    `slot` is the number of a replicated slot, or the node's id of a global one.
    """
    return TaskID(id_from("task", index, service_id, slot, count))
