"""What an entry of the log is.  Nothing is harder to change later.

An entry is an envelope with changes.  A change is a *resulting record* (put), a small part of one
(patch) or its end (delete), never a call into logic, so that two versions of the code apply an
entry alike.  A field is only ever added at the end, gated by the cluster's feature level, which is
what all of its managers understand (`dispatcher.control.roles`): a newer leader writes what the
oldest manager reads.  A member that meets a higher level than it knows stops with a sentence
instead of guessing.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from swarmd.errors import WireError
from swarmd.model.cluster import Cluster
from swarmd.model.ids import RequestID, TaskID, Version
from swarmd.model.network import Network
from swarmd.model.node import Node
from swarmd.model.service import Service, StoredSpec
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.ports import Timestamp

#: Layout of the envelope itself.
FORMAT = 1
#: The newest records and fields that this code understands.
FEATURE_LEVEL = 1
#: What msgpack puts in front of an array of any length.
ARRAY_HEAD_BYTES = 5


class Kind(StrEnum):
    """Tables, by the word that Docker's errors use."""

    CLUSTER = "swarm"
    NODE = "node"
    SERVICE = "service"
    SPEC = "spec"
    TASK = "task"
    NETWORK = "network"


class _Change(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag_field="change"):
    """One change.  Encoded as an array that begins with its tag."""


class PutCluster(_Change, frozen=True, kw_only=True, tag="c"):
    """The cluster, as it is from now on."""

    record: Cluster


class PutNode(_Change, frozen=True, kw_only=True, tag="n"):
    """A node, as it is from now on."""

    record: Node


class PutService(_Change, frozen=True, kw_only=True, tag="s"):
    """A service, as it is from now on."""

    record: Service


class PutSpec(_Change, frozen=True, kw_only=True, tag="p"):
    """A version of a service's spec, before the service that refers to it."""

    record: StoredSpec


class PutTask(_Change, frozen=True, kw_only=True, tag="t"):
    """A task, as it is from now on."""

    record: Task


class PutNetwork(_Change, frozen=True, kw_only=True, tag="w"):
    """A network, as it is from now on."""

    record: Network


class PatchTask(_Change, frozen=True, kw_only=True, tag="x"):
    """About 100 bytes: a task's new desired state, or what was observed of it."""

    id: TaskID
    desired_state: TaskState | None = None
    status: TaskStatus | None = None


class Delete(_Change, frozen=True, kw_only=True, tag="d"):
    """The object is no more.  `id` of a spec is `service id/version`."""

    kind: Kind
    id: str


Put = PutCluster | PutNode | PutService | PutSpec | PutTask | PutNetwork
Change = Put | PatchTask | Delete


class Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One entry: all of its changes happen, or none."""

    format: int = FORMAT
    #: the cluster's when it was decided, whatever the proposer knows beyond it
    feature_level: int
    #: cluster time at which the proposer decided it
    time: Timestamp
    #: node id of the leader that proposed it
    proposer: str
    #: on whose behalf: a node id, or how the client was authenticated
    principal: str = ""
    request_id: RequestID
    changes: tuple[Change, ...]


class SnapshotHead(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The first slice of a snapshot."""

    format: int = FORMAT
    #: the cluster's, as in an entry
    feature_level: int
    index: Version
    time: Timestamp
    #: answered requests, oldest first
    results: tuple[tuple[RequestID, Version], ...]


def level_of(cluster: Cluster | None) -> int:
    """At which level to write: the cluster's, or the founder's own while there is none."""
    return FEATURE_LEVEL if cluster is None else cluster.feature_level


_encoder = msgspec.msgpack.Encoder()
_batches = msgspec.msgpack.Decoder(tuple[Entry, ...])
_slices = msgspec.msgpack.Decoder(tuple[Put, ...])
_heads = msgspec.msgpack.Decoder(SnapshotHead)


def encode(entry: Entry) -> bytes:
    """One entry, to be `joined` with others."""
    return _encoder.encode(entry)


def joined(encoded: Sequence[bytes]) -> bytes:
    """The bytes that go into the log: entries decided together, applied together.

    At most ARRAY_HEAD_BYTES longer than the entries.
    """
    return _encoder.encode([msgspec.Raw(one) for one in encoded])


def decode(data: bytes) -> tuple[Entry, ...]:
    """Raises WireError for an entry of a newer format or feature level, or for noise."""
    try:
        batch = _batches.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"log entry: {error}") from error
    for entry in batch:
        _check(entry.format, entry.feature_level, "the log")
    return batch


def encode_head(head: SnapshotHead) -> bytes:
    """The first slice."""
    return _encoder.encode(head)


def decode_head(data: bytes) -> SnapshotHead:
    """Raises WireError like `decode`."""
    try:
        head = _heads.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"snapshot: {error}") from error
    _check(head.format, head.feature_level, "the snapshot")
    return head


def encode_slice(puts: tuple[Put, ...]) -> bytes:
    """A further slice: records as they are, versions and times included."""
    return _encoder.encode(puts)


def decode_slice(data: bytes) -> tuple[Put, ...]:
    """The records of a slice.  Raises WireError for noise."""
    try:
        return _slices.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"snapshot: {error}") from error


def _check(layout: int, level: int, where: str) -> None:
    if layout > FORMAT or level > FEATURE_LEVEL:
        raise WireError(
            f"{where} was written by a newer swarmd (format {layout}, feature level {level}; "
            f"this one knows {FORMAT} and {FEATURE_LEVEL}): upgrade this manager"
        )
