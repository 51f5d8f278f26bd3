"""Entries of the log, as bytes."""

import msgspec
import pytest

from swarmd.errors import WireError
from swarmd.model.ids import RequestID, Version
from swarmd.model.task import ContainerStatus, HostPort, TaskState, TaskStatus
from swarmd.store.entry import (
    FEATURE_LEVEL,
    FORMAT,
    Change,
    Delete,
    Kind,
    PatchTask,
    PutCluster,
    PutNetwork,
    PutNode,
    PutService,
    PutSpec,
    PutTask,
    SnapshotHead,
    decode,
    decode_head,
    decode_slice,
    encode_head,
    encode_slice,
)
from tests.unit.store.records import cluster, command, entry, network, node, service, stored, task

STATUS = TaskStatus(
    state=TaskState.RUNNING,
    timestamp=5,
    message="started",
    container=ContainerStatus(container_id="c" * 64, pid=7),
    host_ports=(HostPort(protocol="tcp", target_port=80, published_port=8080),),
)
CHANGES: list[Change] = [
    PutCluster(record=cluster(a="b")),
    PutNode(record=node("n1", "w1", zone="a")),
    PutNetwork(record=network("w1")),
    PutSpec(record=stored("s1", 1, 10)),
    PutService(record=service("s1", 1, "w1")),
    PutTask(record=task("t1", "s1", on="n1", held=("w1",))),
    PatchTask(id=task("t1", "s1").id, desired_state=TaskState.SHUTDOWN),
    PatchTask(id=task("t1", "s1").id, status=STATUS),
    *(Delete(kind=kind, id="x") for kind in Kind),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_every_change_comes_back_from_its_bytes(change: Change) -> None:
    batch = (entry(change, time=7, request_id="r"),)
    assert decode(command(*batch)) == batch


def test_entries_decided_together_stay_together() -> None:
    batch = tuple(entry(change, time=at) for at, change in enumerate(CHANGES))
    assert decode(command(*batch)) == batch


def test_a_status_costs_about_a_hundred_bytes() -> None:
    """Agents report thousands of them: a report must not carry the task with it."""
    running = TaskStatus(
        state=TaskState.RUNNING,
        timestamp=1_795_240_183_560_938_461,
        message="started",
        container=ContainerStatus(container_id="c" * 64, pid=29555),
    )
    change = PatchTask(id=task("t" * 25, "s1").id, status=running)
    assert len(command(entry(change))) - len(command(entry())) < 230


@pytest.mark.parametrize("parts", [{"format": FORMAT + 1}, {"feature_level": FEATURE_LEVEL + 1}])
def test_what_a_newer_swarmd_wrote_is_refused_with_advice(parts: dict[str, int]) -> None:
    newer = msgspec.structs.replace(entry(), **parts)
    with pytest.raises(WireError, match=r"newer swarmd .* upgrade this manager"):
        decode(command(newer))
    head = SnapshotHead(feature_level=1, index=Version(1), time=1, results=())
    with pytest.raises(WireError, match="the snapshot was written by a newer swarmd"):
        decode_head(encode_head(msgspec.structs.replace(head, **parts)))


def test_a_field_that_a_later_version_adds_is_skipped() -> None:
    """Fields are only ever added at the end, or by name."""
    raw = msgspec.msgpack.decode(command(entry(PutNetwork(record=network("w1")))))
    raw[0].append("new field of the envelope")
    raw[0][-2][0][1]["NewField"] = 1
    (found,) = decode(msgspec.msgpack.encode(raw))
    assert found.changes == (PutNetwork(record=network("w1")),)


@pytest.mark.parametrize("noise", [b"", b"\xc1", b"\x91", b"\xa1\xff", msgspec.msgpack.encode([1])])
def test_noise_is_refused_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(WireError):
        decode(noise)
    with pytest.raises(WireError):
        decode_head(noise)
    with pytest.raises(WireError):
        decode_slice(noise)


def test_slices_and_heads_come_back_from_their_bytes() -> None:
    head = SnapshotHead(
        feature_level=1, index=Version(9), time=5, results=((RequestID("r"), Version(3)),)
    )
    assert decode_head(encode_head(head)) == head
    puts = (PutNetwork(record=network("w1")), PutTask(record=task("t1", "s1")))
    assert decode_slice(encode_slice(puts)) == puts
