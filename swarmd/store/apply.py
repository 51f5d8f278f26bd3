"""Applying an entry: the same on every member, whatever its version of the code.

The only thing computed here is what every put has in common: versions and times.  Everything else
was decided by the proposer.  An entry whose request was answered before changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

import msgspec

from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID, Version
from swarmd.model.meta import Meta
from swarmd.model.task import Task
from swarmd.ports import Timestamp
from swarmd.store.entry import (
    Change,
    Delete,
    Entry,
    Kind,
    PatchTask,
    Put,
    PutCluster,
    PutNetwork,
    PutNode,
    PutService,
    PutSpec,
    PutTask,
    SnapshotHead,
    decode_head,
    decode_slice,
    encode_head,
    encode_slice,
    level_of,
)
from swarmd.store.view import Tables, View

#: Records in one slice of a snapshot: about a millisecond of encoding.
SLICE_RECORDS = 500


class Touched(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One object that an entry wrote or deleted."""

    kind: Kind
    id: str
    #: of a task
    service_id: ServiceID = ServiceID("")
    node_id: NodeID = NodeID("")
    is_deleted: bool = False
    #: a task of which only the observed status changed
    is_status: bool = False


def touches(touched: Sequence[Touched] | None, kind: Kind) -> bool:
    """Whether a batch wrote or deleted such an object; what a watcher is told may be None."""
    return touched is None or any(one.kind is kind for one in touched)


def apply(tables: Tables, index: Version, entry: Entry) -> list[Touched]:
    """Make the entry's changes; returns what they touched, in order."""
    tables.index = index
    tables.time = max(tables.time, entry.time)
    if tables.answered(entry.request_id) is not None:
        return []
    if entry.request_id:
        tables.remember(entry.request_id, index)
    return [
        touched
        for change in entry.changes
        if (touched := change_one(tables, index, entry.time, change)) is not None
    ]


def change_one(tables: Tables, index: Version, now: Timestamp, change: Change) -> Touched | None:
    """Make one change; None if its object is gone."""
    match change:
        case PatchTask():
            return _patch_task(tables, index, now, change)
        case Delete():
            return _delete(tables, change)
        case _:
            return _put(tables, index, now, change)


def _put(tables: Tables, index: Version, now: Timestamp, change: Put) -> Touched:
    match change:
        case PutTask(record=task):
            old_task = tables.task(task.id)
            meta = _stamp(old_task.meta if old_task else None, index, now, spec=old_task is None)
            task = msgspec.structs.replace(task, meta=meta)
            tables.put_task(task)
            return _touched(task)
        case PutService(record=service):
            old = tables.service(service.id)
            changed = old is None or old.spec_version != service.spec_version
            meta = _stamp(old.meta if old else None, index, now, spec=changed)
            tables.put_service(msgspec.structs.replace(service, meta=meta))
            return Touched(kind=Kind.SERVICE, id=service.id, service_id=service.id)
        case PutNode(record=node):
            old_node = tables.node(node.id)
            changed = old_node is None or old_node.spec != node.spec
            meta = _stamp(old_node.meta if old_node else None, index, now, spec=changed)
            tables.put_node(msgspec.structs.replace(node, meta=meta))
            return Touched(kind=Kind.NODE, id=node.id, node_id=node.id)
        case PutNetwork(record=network):
            old_net = tables.network(network.id)
            changed = old_net is None or old_net.spec != network.spec
            meta = _stamp(old_net.meta if old_net else None, index, now, spec=changed)
            tables.put_network(msgspec.structs.replace(network, meta=meta))
            return Touched(kind=Kind.NETWORK, id=network.id)
        case PutCluster(record=cluster):
            before = tables.cluster
            changed = before is None or before.spec != cluster.spec
            meta = _stamp(before.meta if before else None, index, now, spec=changed)
            tables.cluster = msgspec.structs.replace(cluster, meta=meta)
            return Touched(kind=Kind.CLUSTER, id=cluster.id)
        case PutSpec(record=stored):
            tables.put_spec(stored)
            return Touched(kind=Kind.SPEC, id=stored.service_id, service_id=stored.service_id)
        case _:
            assert_never(change)


def _stamp(old: Meta | None, index: Version, now: Timestamp, *, spec: bool) -> Meta:
    return (old or Meta()).written(index, now, spec=spec)


def _patch_task(tables: Tables, index: Version, now: Timestamp, patch: PatchTask) -> Touched | None:
    task = tables.task(patch.id)
    if task is None:
        return None
    if patch.desired_state is not None:
        task = task.asked_to(patch.desired_state)
    if patch.status is not None:
        task = task.observed(patch.status, now)
    task = msgspec.structs.replace(task, meta=_stamp(task.meta, index, now, spec=False))
    tables.put_task(task)
    return _touched(task, is_status=patch.desired_state is None)


def _touched(task: Task, *, is_status: bool = False, is_deleted: bool = False) -> Touched:
    return Touched(
        kind=Kind.TASK,
        id=task.id,
        service_id=task.service_id,
        node_id=task.node_id,
        is_status=is_status,
        is_deleted=is_deleted,
    )


def _delete(tables: Tables, change: Delete) -> Touched | None:
    touched: Touched | None = Touched(kind=change.kind, id=change.id, is_deleted=True)
    match change.kind:
        case Kind.TASK:
            task = tables.task(change.id)
            touched = None if task is None else _touched(task, is_deleted=True)
            tables.delete_task(TaskID(change.id))
        case Kind.SERVICE:
            tables.delete_service(ServiceID(change.id))
            touched = Touched(
                kind=Kind.SERVICE, id=change.id, service_id=ServiceID(change.id), is_deleted=True
            )
        case Kind.NODE:
            tables.delete_node(NodeID(change.id))
            touched = Touched(
                kind=Kind.NODE, id=change.id, node_id=NodeID(change.id), is_deleted=True
            )
        case Kind.NETWORK:
            tables.delete_network(NetworkID(change.id))
        case Kind.SPEC:
            service_id, version = change.id.split("/")
            tables.delete_spec(ServiceID(service_id), Version(int(version)))
        case Kind.CLUSTER:
            raise AssertionError("the cluster is never deleted")
        case _:
            assert_never(change.kind)
    return touched


def snapshot(view: View) -> Iterator[bytes]:
    """The view in slices, each to be encoded when it is asked for."""
    results = tuple(view.results().items())
    level = level_of(view.cluster)
    head = SnapshotHead(feature_level=level, index=view.index, time=view.time, results=results)
    yield encode_head(head)
    pending: list[Put] = []
    for put in _puts(view):
        pending.append(put)
        if len(pending) == SLICE_RECORDS:
            yield encode_slice(tuple(pending))
            pending = []
    yield encode_slice(tuple(pending))


def _puts(view: View) -> Iterator[Put]:
    """Every record, those first that others refer to."""
    if view.cluster is not None:
        yield PutCluster(record=view.cluster)
    for node in view.nodes().values():
        yield PutNode(record=node)
    for network in view.networks().values():
        yield PutNetwork(record=network)
    for stored in view.all_specs():
        yield PutSpec(record=stored)
    for service in view.services().values():
        yield PutService(record=service)
    for task in view.tasks():
        yield PutTask(record=task)


def restore(slices: Iterable[bytes]) -> Tables:
    """Tables as they were when the snapshot was taken.  Raises WireError for what is no snapshot."""
    tables, parts = Tables(), iter(slices)
    head = decode_head(next(parts, b""))
    for part in parts:
        for put in decode_slice(part):
            _restore_one(tables, put)
    tables.index, tables.time = head.index, head.time
    for request_id, index in head.results:
        tables.remember(request_id, index)
    return tables


def _restore_one(tables: Tables, put: Put) -> None:
    """As it stands: versions and times are part of the record."""
    match put:
        case PutTask(record=task):
            tables.put_task(task)
        case PutService(record=service):
            tables.put_service(service)
        case PutNode(record=node):
            tables.put_node(node)
        case PutNetwork(record=network):
            tables.put_network(network)
        case PutCluster(record=cluster):
            tables.cluster = cluster
        case PutSpec(record=stored):
            tables.put_spec(stored)
        case _:
            assert_never(put)
