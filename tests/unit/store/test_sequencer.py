"""Writes decided one after the other, each on what those before it did."""

from collections.abc import Callable, Sequence

import msgspec
import pytest

from swarmd.errors import NameInUseError, SequenceError, SwarmError
from swarmd.model.ids import PROPOSED, RequestID, Version
from swarmd.model.meta import Meta
from swarmd.model.task import TaskState
from swarmd.ports import Timestamp
from swarmd.store.apply import apply, restore, snapshot
from swarmd.store.entry import (
    FEATURE_LEVEL,
    Change,
    Delete,
    Kind,
    PatchTask,
    PutCluster,
    PutNetwork,
    PutSpec,
    PutTask,
    decode_head,
)
from swarmd.store.sequencer import Decided, Write, check_version, sequence
from swarmd.store.view import RESULTS_KEPT, Tables, View
from tests.unit.store.records import cluster, entry, network, stored, task

Decide = Callable[[View, Timestamp], Sequence[Change]]


def write(decide: Decide, request_id: str = "") -> Write:
    return Write(request_id=RequestID(request_id), principal="uid=0", decide=decide)


def create(name: str) -> Decide:
    """A network of that name, which must be free."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        if view.id_by_name("network", f"net-{name}") is not None:
            raise NameInUseError("network", name)
        return [PutNetwork(record=network(name))]

    return decide


def decided(tables: Tables, *writes: Write, now: Timestamp = 5) -> list[Decided]:
    return sequence(tables, writes, proposer="n1", now=now)


def commit(tables: Tables, *writes: Write, now: Timestamp = 5) -> list[Decided]:
    """Decide, and apply what was decided as the next entries."""
    found = decided(tables, *writes, now=now)
    for one in found:
        if one.entry is not None:
            apply(tables, Version(tables.index + 1), one.entry)
    return found


def test_a_write_becomes_an_entry_that_says_who_when_and_what() -> None:
    (one,) = decided(Tables(), write(create("w1"), "r1"), now=7)
    assert one.entry is not None
    assert (one.entry.proposer, one.entry.principal, one.entry.time) == ("n1", "uid=0", 7)
    assert one.entry.request_id == "r1"
    assert one.entry.changes == (PutNetwork(record=network("w1")),)


def test_an_entry_is_written_at_the_clusters_level_and_not_at_the_proposers() -> None:
    """An upgraded leader among managers that are not: they have to read it (and its snapshots)."""
    older = msgspec.structs.replace(cluster(), feature_level=FEATURE_LEVEL - 1)
    tables = Tables()
    tables.cluster = older
    newer = [PutCluster(record=msgspec.structs.replace(older, feature_level=FEATURE_LEVEL))]
    before, raising, after = decided(
        tables, write(create("w1")), write(lambda _view, _now: newer), write(create("w2"))
    )
    levels = [one.entry.feature_level for one in (before, raising, after) if one.entry is not None]
    assert levels == [FEATURE_LEVEL - 1, FEATURE_LEVEL - 1, FEATURE_LEVEL]
    head = decode_head(next(snapshot(tables.view())))
    assert head.feature_level == FEATURE_LEVEL - 1


def test_a_founder_writes_at_the_level_that_it_knows() -> None:
    (one,) = decided(Tables(), write(lambda _view, _now: [PutCluster(record=cluster())]))
    assert one.entry is not None
    assert one.entry.feature_level == FEATURE_LEVEL


def test_each_write_sees_what_those_before_it_did() -> None:
    """Two clients create the same name at the same moment."""
    first, second = decided(Tables(), write(create("w1"), "a"), write(create("w1"), "b"))
    assert first.entry is not None
    assert isinstance(second.refused, NameInUseError)


def test_deciding_writes_nothing() -> None:
    tables = Tables()
    decided(tables, write(create("w1"), "a"))
    assert (tables.index, dict(tables.networks()), dict(tables.results())) == (0, {}, {})


def test_what_is_decided_but_not_committed_has_a_version_that_no_client_can_name() -> None:
    seen: list[Version] = []

    def look(view: View, _now: Timestamp) -> Sequence[Change]:
        seen.extend(net.meta.version for net in view.networks().values())
        return ()

    decided(Tables(), write(create("w1"), "a"), write(look, "b"))
    assert seen == [PROPOSED]


def test_a_refusal_is_the_answer_of_one_write_alone() -> None:
    def refuse(_view: View, _now: Timestamp) -> Sequence[Change]:
        raise SwarmError("no")

    bad, good = decided(Tables(), write(refuse, "a"), write(create("w1"), "b"))
    assert (str(bad.refused), bad.entry, bad.done) == ("no", None, None)
    assert good.entry is not None


def test_a_bug_in_a_decision_is_no_refusal() -> None:
    def broken(_view: View, _now: Timestamp) -> Sequence[Change]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decided(Tables(), write(broken, "a"))


def test_nothing_to_write_succeeds_at_the_state_as_it_is() -> None:
    tables = Tables()
    commit(tables, write(create("w1"), "a"))
    (one,) = decided(tables, write(lambda _view, _now: (), "b"))
    assert (one.done, one.entry) == (1, None)


def test_a_request_that_was_answered_gets_the_same_answer_again() -> None:
    """The client did not hear the first one; in between others wrote."""
    tables = Tables()
    commit(tables, write(create("w1"), "a"))
    commit(tables, write(create("w2"), "b"))
    again, other = decided(tables, write(create("w1"), "a"), write(create("w1"), "c"))
    assert (again.done, again.refused) == (1, None)
    assert isinstance(other.refused, NameInUseError)


def test_an_entry_that_was_proposed_twice_is_applied_once() -> None:
    """Its first proposer lost office and could not tell; the client asked the next leader."""
    tables = Tables()
    (one,) = decided(tables, write(create("w1"), "a"))
    assert one.entry is not None
    assert apply(tables, Version(1), one.entry)
    assert apply(tables, Version(2), one.entry) == []
    assert tables.index == 2
    assert tables.networks()[network("w1").id].meta.version == 1


def test_requests_without_an_id_are_never_twins() -> None:
    tables = Tables()
    commit(tables, write(create("w1")), write(create("w2")))
    assert len(tables.networks()) == 2
    assert not tables.results()


def test_answers_outlive_a_snapshot() -> None:
    tables = Tables()
    commit(tables, write(create("w1"), "a"))
    restored = restore(list(snapshot(tables.view())))
    (again,) = decided(restored, write(create("w1"), "a"))
    assert again.done == 1


def test_the_oldest_answers_are_forgotten() -> None:
    tables = Tables()
    for number in range(RESULTS_KEPT + 1):
        tables.remember(RequestID(f"r{number}"), Version(number))
    assert len(tables.results()) == RESULTS_KEPT
    assert tables.answered(RequestID("r0")) is None
    assert tables.answered(RequestID("r1")) == 1


@pytest.mark.parametrize(("version", "is_good"), [(4, False), (5, True), (9, True), (10, True)])
def test_a_version_is_good_while_the_spec_has_not_changed_since(
    version: int, is_good: bool
) -> None:
    """The object was written at 9, by a status; its spec at 5."""
    meta = Meta(version=Version(9), spec_version=Version(5))
    if is_good:
        check_version(meta, version)
    else:
        with pytest.raises(SequenceError):
            check_version(meta, version)


def test_a_spec_that_is_only_proposed_is_newer_than_anything_a_client_has_seen() -> None:
    """Two clients update at the same moment, from the same version: one of them loses."""
    with pytest.raises(SequenceError):
        check_version(Meta(), 2**62)


# ---- applying


def tables_with_a_task(state: TaskState = TaskState.NEW) -> Tables:
    tables = Tables()
    apply(tables, Version(1), entry(PutSpec(record=stored("s1", 1))))
    apply(tables, Version(2), entry(PutTask(record=task("t1", "s1", on="n1", state=state))))
    return tables


def test_what_an_entry_touched_is_told_in_order() -> None:
    tables = tables_with_a_task()
    status = task("t1", "s1", state=TaskState.RUNNING).status
    touched = apply(
        tables,
        Version(3),
        entry(
            PatchTask(id=task("t1", "s1").id, status=status),
            PatchTask(id=task("gone", "s1").id, status=status),
            PutNetwork(record=network("w1")),
            Delete(kind=Kind.TASK, id="t1"),
            Delete(kind=Kind.TASK, id="t1"),
        ),
    )
    assert [(t.kind, t.id, t.is_status, t.is_deleted) for t in touched] == [
        (Kind.TASK, "t1", True, False),
        (Kind.NETWORK, "w1", False, False),
        (Kind.TASK, "t1", False, True),
    ]
    assert (touched[0].service_id, touched[0].node_id) == ("s1", "n1")
    assert (touched[2].service_id, touched[2].node_id) == ("s1", "n1")


def test_a_state_never_goes_back_even_if_an_entry_says_so() -> None:
    """Statuses are checked before they are proposed: here only a bug can bring one."""
    tables = tables_with_a_task(TaskState.RUNNING)
    back = task("t1", "s1", state=TaskState.ASSIGNED).status
    with pytest.raises(AssertionError):
        apply(tables, Version(3), entry(PatchTask(id=task("t1", "s1").id, status=back)))


def test_time_in_the_records_is_that_of_the_entries() -> None:
    tables = Tables()
    apply(tables, Version(1), entry(PutNetwork(record=network("w1")), time=10))
    apply(tables, Version(2), entry(PutNetwork(record=network("w1", a="b")), time=20))
    meta = tables.networks()[network("w1").id].meta
    assert (meta.created_at, meta.updated_at, tables.time) == (10, 20, 20)
    apply(tables, Version(3), entry(time=15))
    assert tables.time == 20
