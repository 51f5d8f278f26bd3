"""Tables against a naive model, under random changes; views that nobody changes.

The model is a handful of flat dicts; every index of the tables is recounted from them.
"""

from collections.abc import Mapping

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmd.model.ids import NodeID, ServiceID, Version
from swarmd.model.meta import Meta
from swarmd.model.network import Network
from swarmd.model.node import Node
from swarmd.model.service import Service, StoredSpec
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.store.apply import apply, restore, snapshot
from swarmd.store.entry import (
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
)
from swarmd.store.usage import UNUSED, NodeUsage, reservations
from swarmd.store.view import Tables, View
from tests.unit.store.records import cluster, entry, network, node, service, stored, task

Records = Node | Service | Network | Task
_KINDS: Mapping[type[Records], Kind] = {
    Node: Kind.NODE,
    Service: Kind.SERVICE,
    Network: Kind.NETWORK,
    Task: Kind.TASK,
}

NODES, SERVICES, NETWORKS = ("n1", "n2"), ("s1", "s2", "s3"), ("w1", "w2")
TASKS = tuple(f"t{i}0" for i in range(6))
STATES = (TaskState.NEW, TaskState.ASSIGNED, TaskState.RUNNING, TaskState.FAILED)


class Model:
    """The cluster as flat dicts."""

    def __init__(self) -> None:
        self.records: dict[tuple[Kind, str], Records] = {}
        self.specs: dict[tuple[str, int], StoredSpec] = {}

    def copy(self) -> "Model":
        other = Model()
        other.records, other.specs = dict(self.records), dict(self.specs)
        return other

    def of(self, kind: Kind) -> dict[str, Records]:
        return {key: record for (k, key), record in self.records.items() if k is kind}

    def tasks(self) -> dict[str, Task]:
        return {k: r for k, r in self.of(Kind.TASK).items() if isinstance(r, Task)}

    # ---- what a change does

    def put(self, kind: Kind, record: Records, index: int, *, spec_changed: bool) -> None:
        old = self.records.get((kind, record.id))
        meta = Meta() if old is None else old.meta
        meta = Meta(
            version=Version(index),
            spec_version=Version(index) if spec_changed or old is None else meta.spec_version,
            created_at=meta.created_at or index,
            updated_at=index,
        )
        self.records[kind, record.id] = msgspec.structs.replace(record, meta=meta)

    def change(self, change: Change, index: int) -> None:
        match change:
            case PutSpec(record=spec):
                self.specs[spec.service_id, spec.version] = spec
            case Delete(kind=Kind.SPEC, id=key):
                service_id, _, version = key.partition("/")
                self.specs.pop((service_id, int(version)), None)
            case Delete(kind=kind, id=key):
                self.records.pop((kind, key), None)
            case PatchTask():
                self._patch(change, index)
            case PutCluster():
                raise AssertionError(change)
            case _:
                self._replace(change.record, index)

    def _replace(self, record: Records, index: int) -> None:
        kind = _KINDS[type(record)]
        old = self.records.get((kind, record.id))
        # Of a service its version tells; a task's spec is never another.
        field = {Kind.SERVICE: "spec_version", Kind.TASK: "service_id"}.get(kind, "spec")
        changed = old is None or getattr(old, field) != getattr(record, field)
        self.put(kind, record, index, spec_changed=changed)

    def _patch(self, change: PatchTask, index: int) -> None:
        task = self.records.get((Kind.TASK, change.id))
        if not isinstance(task, Task):
            return
        if change.desired_state is not None:
            task = task.asked_to(change.desired_state)
        if change.status is not None:
            task = task.observed(change.status, index)
        self.put(Kind.TASK, task, index, spec_changed=False)


def networks_held(record: Records) -> list[tuple[str, str]]:
    """(network, address) that a record holds."""
    match record:
        case Node():
            return [(a.network_id, a.address) for a in record.addresses]
        case Service():
            return [(v.network_id, v.address) for v in record.virtual_ips]
        case Task() if record.holds_resources:
            return [(a.network_id, x) for a in record.attachments for x in a.addresses]
        case _:
            return []


def check(view: View, model: Model) -> None:
    """Every way to look at the view against the flat dicts."""
    assert dict(view.nodes()) == model.of(Kind.NODE)
    assert dict(view.services()) == model.of(Kind.SERVICE)
    assert dict(view.networks()) == model.of(Kind.NETWORK)
    tasks = model.tasks()
    assert {t.id: t for t in view.tasks()} == tasks
    for key in TASKS:
        assert view.task(key) == tasks.get(key)
    assert sorted(view.task_ids("t")) == sorted(tasks)
    assert sorted(view.task_ids("t1")) == sorted(k for k in tasks if k.startswith("t1"))
    for service_id in SERVICES:
        assert dict(view.tasks_of(service_id)) == _where(tasks, "service_id", service_id)
        versions = {v: s for (of, v), s in model.specs.items() if of == service_id}
        assert dict(view.specs_of(ServiceID(service_id))) == versions
    assert set(view.services_with_tasks()) == {t.service_id for t in tasks.values()}
    for node_id in NODES:
        on = _where(tasks, "node_id", node_id)
        assert dict(view.tasks_on(node_id)) == on
        assert view.usage(NodeID(node_id)) == _usage(on, model)
    for net in model.of(Kind.NETWORK):
        expected = {
            address: record.id
            for record in model.records.values()
            for held, address in networks_held(record)
            if held == net
        }
        assert dict(view.holders(network(net).id)) == expected
    for service_id in SERVICES:
        known = service_id if (Kind.SERVICE, service_id) in model.records else None
        assert view.id_by_name("service", f"nAME-{service_id}") == known
    for net in NETWORKS:
        known = net if (Kind.NETWORK, net) in model.records else None
        assert view.id_by_name("network", f"NET-{net}") == known


def _where(tasks: Mapping[str, Task], field: str, value: str) -> dict[str, Task]:
    return {key: task for key, task in tasks.items() if getattr(task, field) == value}


def _usage(tasks: Mapping[str, Task], model: Model) -> NodeUsage:
    total = UNUSED
    for one in tasks.values():
        spec = model.specs[one.service_id, one.spec_version].spec
        total = total.plus(one, reservations(spec), 1)
    return total


# ---- random changes that a leader could have decided

choice = st.integers(min_value=0, max_value=1000)


def pick(options: tuple[str, ...], number: int) -> str:
    return options[number % len(options)]


def make_change(model: Model, number: int, kind: int) -> Change | None:
    """A change that keeps the rules of the store, out of two numbers; None if there is none."""
    makers = (
        _put_node,
        _put_network,
        _put_spec,
        _put_service,
        _put_task,
        _put_task,
        _patch_task,
        _patch_task,
        _delete,
        _delete,
    )
    return makers[kind % len(makers)](model, number)


def _held(model: Model, number: int) -> tuple[str, ...]:
    known = sorted(model.of(Kind.NETWORK))
    return tuple(net for i, net in enumerate(known) if number >> i & 1)


def _put_node(model: Model, number: int) -> Change:
    labels = {"zone": str(number % 2)}
    return PutNode(record=node(pick(NODES, number), *_held(model, number // 7), **labels))


def _put_network(model: Model, number: int) -> Change:
    del model
    return PutNetwork(record=network(pick(NETWORKS, number), x=str(number % 3)))


def _put_spec(model: Model, number: int) -> Change:
    owner = pick(SERVICES, number)
    newest = max((v for of, v in model.specs if of == owner), default=0)
    return PutSpec(record=stored(owner, newest + 1, number))


def _put_service(model: Model, number: int) -> Change | None:
    owner = pick(SERVICES, number)
    versions = sorted(v for of, v in model.specs if of == owner)
    if not versions:
        return None
    version = versions[number % len(versions)]
    return PutService(record=service(owner, version, *_held(model, number // 5)))


def _put_task(model: Model, number: int) -> Change | None:
    if not model.specs:
        return None
    owner, version = sorted(model.specs)[number % len(model.specs)]
    key = pick(TASKS, number // 3)
    old = model.tasks().get(key)
    if old is None:
        on = ("", *NODES)[number % 3]
        state = STATES[number // 11 % len(STATES)] if on else TaskState.NEW
        return PutTask(record=task(key, owner, version, on, state, held=_held(model, number // 13)))
    # A task keeps its service, its spec and, once it has one, its node.
    on = old.node_id or ("", *NODES)[number % 3]
    return PutTask(record=msgspec.structs.replace(old, node_id=NodeID(on)))


def _patch_task(model: Model, number: int) -> Change | None:
    key = pick(TASKS, number)
    old = model.tasks().get(key)
    if old is None:
        return PatchTask(id=task(key, "s1").id, desired_state=TaskState.SHUTDOWN)
    if number % 2:
        wanted = (TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.REMOVE)[number // 2 % 3]
        is_later = wanted.rank >= old.desired_state.rank
        return PatchTask(id=old.id, desired_state=wanted) if is_later else None
    later = [state for state in TaskState if state.rank >= old.state.rank]
    return PatchTask(id=old.id, status=TaskStatus(state=later[number // 2 % len(later)]))


def _delete(model: Model, number: int) -> Change | None:
    tasks = model.tasks().values()
    used = {(t.service_id, t.spec_version) for t in tasks}
    used |= {
        (s.id, s.spec_version) for s in model.of(Kind.SERVICE).values() if isinstance(s, Service)
    }
    attached = {net for record in model.records.values() for net, _ in networks_held(record)}
    doomed = [
        (kind, key)
        for kind, key in sorted(model.records)
        if not (kind is Kind.NETWORK and key in attached)
    ]
    doomed += [(Kind.SPEC, f"{of}/{v}") for of, v in sorted(model.specs) if (of, v) not in used]
    if not doomed:
        return None
    kind, key = doomed[number % len(doomed)]
    return Delete(kind=kind, id=key)


steps = st.lists(st.tuples(choice, st.integers(0, 9), st.booleans()), max_size=60)
#: Two networks and a spec for each service, so that there is something to hold and to run.
BASE = [(number, 1, False) for number in range(2)] + [(number, 2, False) for number in range(3)]


@settings(max_examples=120, deadline=None)
@given(steps)
def test_tables_and_their_views_are_as_a_naive_model_says(
    plan: list[tuple[int, int, bool]],
) -> None:
    """Also the old views, after everything that was written since."""
    tables, model = Tables(), Model()
    seen: list[tuple[View, Model]] = []
    for number, kind, looks in BASE + plan:
        change = make_change(model, number, kind)
        if change is None:
            continue
        index = Version(tables.index + 1)
        model.change(change, index)
        apply(tables, index, entry(change, time=index))
        if looks:
            seen.append((tables.view(), model.copy()))
    check(tables, model)
    for view, then in seen:
        check(view, then)
    restored = restore(list(snapshot(tables.view())))
    check(restored, model)
    assert (restored.index, restored.time) == (tables.index, tables.time)


@settings(max_examples=60, deadline=None)
@given(steps, steps)
def test_a_fork_is_a_world_of_its_own(
    before: list[tuple[int, int, bool]], after: list[tuple[int, int, bool]]
) -> None:
    """A plan that is tried on a fork leaves no trace, whatever happens to either."""
    tables, model = Tables(), Model()
    run(tables, model, BASE + before)
    fork, forked = tables.fork(), model.copy()
    run(fork, forked, after)
    run(tables, model, [(number + 1, kind, looks) for number, kind, looks in after])
    check(tables, model)
    check(fork, forked)


def run(tables: Tables, model: Model, plan: list[tuple[int, int, bool]]) -> None:
    for number, kind, looks in plan:
        change = make_change(model, number, kind)
        if change is not None:
            index = Version(tables.index + 1)
            model.change(change, index)
            apply(tables, index, entry(change, time=index))
        if looks:
            tables.view()


def test_the_order_of_records_is_that_of_their_creation() -> None:
    """Lists and passes go by it, on every manager alike."""
    tables = Tables()
    for name in ("n2", "n1", "n3"):
        apply(tables, Version(tables.index + 1), entry(PutNode(record=node(name))))
    apply(tables, Version(4), entry(PutNode(record=node("n2", zone="a"))))
    assert list(tables.nodes()) == ["n2", "n1", "n3"]
    assert list(restore(list(snapshot(tables.view()))).nodes()) == ["n2", "n1", "n3"]


def test_a_derived_value_is_made_anew_when_a_task_was_written_or_deleted() -> None:
    tables = Tables()
    apply(tables, Version(1), entry(PutSpec(record=stored("s1", 1))))
    made: list[int] = []

    def make() -> int:
        made.append(len(tables.tasks_of("s1")))
        return made[-1]

    one = service("s1", 1).id
    assert [tables.derived(one, make), tables.derived(one, make)] == [0, 0]
    apply(tables, Version(2), entry(PutTask(record=task("t1", "s1"))))
    assert tables.derived(one, make) == 1
    apply(tables, Version(3), entry(Delete(kind=Kind.TASK, id="t1")))
    assert tables.derived(one, make) == 0
    assert made == [0, 1, 0]


def test_the_cluster_is_one_record() -> None:
    tables = Tables()
    apply(tables, Version(1), entry(PutCluster(record=cluster())))
    apply(tables, Version(2), entry(PutCluster(record=cluster(a="b"))))
    apply(tables, Version(3), entry(PutCluster(record=cluster(a="b"))))
    assert tables.cluster is not None
    meta = tables.cluster.meta
    assert (meta.version, meta.spec_version) == (3, 2)
