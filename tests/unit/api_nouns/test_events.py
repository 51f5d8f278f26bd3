"""What the log of events makes of the store's changes."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest

from swarmd.api.events import REMEMBERED, EventLog
from swarmd.model.ids import NetworkID, NodeID, RequestID, ServiceID, TaskID, Version
from swarmd.model.network import Network, NetworkSpec
from swarmd.model.node import Availability
from swarmd.model.service import Service, StoredSpec, UpdateState, UpdateStatus
from swarmd.model.spec import ContainerSpec, Replicated, ServiceMode, ServiceSpec, TaskSpec
from swarmd.model.task import Task
from swarmd.ports import Timestamp
from swarmd.store.apply import Touched, apply
from swarmd.store.entry import (
    FEATURE_LEVEL,
    Change,
    Delete,
    Entry,
    Kind,
    PutNetwork,
    PutNode,
    PutService,
    PutSpec,
    PutTask,
)
from swarmd.store.view import Tables, View
from swarmd.wire.events import Event, encode, matches
from tests.unit.api_nouns.parts import worker

BEGAN = 1000
NET = NetworkID("net")
WEB = ServiceID("web-id")
Watcher = Callable[[Sequence[Touched] | None], None]


def entry(at: Timestamp, *changes: Change) -> Entry:
    return Entry(
        feature_level=FEATURE_LEVEL,
        proposer="n1",
        request_id=RequestID(""),
        time=at,
        changes=changes,
    )


class FakeStore:
    """Tables to which entries are applied in batches."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.watchers: list[Watcher] = []

    def view(self) -> View:
        return self.tables.view()

    def now(self) -> Timestamp:
        return BEGAN

    def watch(self, watcher: Watcher, /) -> Callable[[], None]:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def commit(self, *changes: Change, at: Timestamp = BEGAN + 1) -> None:
        touched = apply(self.tables, Version(self.tables.index + 1), entry(at, *changes))
        for watcher in self.watchers:
            watcher(touched)


def followed(store: FakeStore) -> tuple[EventLog, list[Event]]:
    log, heard = EventLog(), list[Event]()
    log.follow(store)
    log.listen(heard.append)
    return log, heard


def put_network(vni: int = 0, last: str = "") -> PutNetwork:
    spec = NetworkSpec(name="back", labels={})
    return PutNetwork(record=Network(id=NET, spec=spec, vni=vni, last_address=last))


def put_service(
    version: int, image: str, replicas: int, status: UpdateStatus | None = None
) -> tuple[Change, ...]:
    spec = ServiceSpec(
        name="web",
        labels={},
        task_template=TaskSpec(container_spec=ContainerSpec(image=image), force_update=0),
        mode=ServiceMode(replicated=Replicated(replicas=replicas)),
    )
    stored = StoredSpec(service_id=WEB, version=Version(version), spec=spec)
    service = Service(id=WEB, name="web", spec_version=Version(version), update_status=status)
    return PutSpec(record=stored), PutService(record=service)


def told(events: Sequence[Event]) -> list[tuple[str, str, Mapping[str, str]]]:
    return [(event.kind, event.action, event.attributes) for event in events]


def test_an_object_is_created_updated_and_removed() -> None:
    store = FakeStore()
    log, heard = followed(store)
    store.commit(put_network())
    store.commit(put_network(vni=4097), at=BEGAN + 2)
    store.commit(Delete(kind=Kind.NETWORK, id=NET), at=BEGAN + 3)
    named = {"name": "back"}
    assert told(heard) == [
        ("network", "create", named),
        ("network", "update", named),
        ("network", "remove", named),
    ]
    assert [event.time for event in heard] == [BEGAN + 1, BEGAN + 2, BEGAN + 3]
    assert log.past(BEGAN + 2, BEGAN + 2) == [heard[1]]


def test_an_update_of_a_service_says_what_was_before() -> None:
    store = FakeStore()
    store.commit(*put_service(1, "a", 1))
    _, heard = followed(store)
    store.commit(*put_service(2, "b", 3))
    store.commit(*put_service(2, "b", 3, UpdateStatus(state=UpdateState.UPDATING)))
    store.commit(*put_service(2, "b", 3, UpdateStatus(state=UpdateState.PAUSED)))
    assert [event.attributes for event in heard] == [
        {
            "name": "web",
            "image.old": "a",
            "image.new": "b",
            "replicas.old": "1",
            "replicas.new": "3",
        },
        {"name": "web", "updatestate.new": "updating"},
        {"name": "web", "updatestate.old": "updating", "updatestate.new": "paused"},
    ]


def test_an_update_of_a_node_says_what_was_before() -> None:
    store = FakeStore()
    node = worker("n2")
    store.commit(PutNode(record=node))
    _, heard = followed(store)
    drained = msgspec.structs.replace(node.spec, availability=Availability.DRAIN)
    store.commit(PutNode(record=msgspec.structs.replace(node, spec=drained)))
    store.commit(Delete(kind=Kind.NODE, id=NodeID("n2")))
    assert told(heard) == [
        (
            "node",
            "update",
            {"name": "host-n2", "availability.old": "active", "availability.new": "drain"},
        ),
        ("node", "remove", {"name": "host-n2"}),
    ]


def test_an_address_that_is_given_is_no_update_of_its_network() -> None:
    store = FakeStore()
    store.commit(put_network())
    _, heard = followed(store)
    store.commit(put_network(last="10.0.1.7"))
    assert heard == []


def test_tasks_are_no_event_and_what_comes_and_goes_in_one_batch_is_none() -> None:
    store = FakeStore()
    _, heard = followed(store)
    task = Task(id=TaskID("t"), service_id=WEB, spec_version=Version(1), slot=1)
    store.commit(*put_service(1, "a", 1), PutTask(record=task), Delete(kind=Kind.SERVICE, id=WEB))
    assert heard == []


def test_what_is_applied_again_at_a_start_is_no_news() -> None:
    """A manager replays its journal; whoever listens was told of that once."""
    store = FakeStore()
    log, heard = followed(store)
    store.commit(put_network(), at=BEGAN - 1)
    assert heard == []
    store.commit(put_network(vni=4097), at=BEGAN)
    assert told(heard) == [("network", "update", {"name": "back"})]
    assert log.past(0, BEGAN) == heard


def test_after_a_snapshot_updates_are_told_from_there() -> None:
    store = FakeStore()
    _, heard = followed(store)
    apply(store.tables, Version(1), entry(BEGAN + 1, *put_service(1, "a", 1)))
    for watcher in store.watchers:
        watcher(None)
    assert heard == []
    store.commit(*put_service(2, "a", 2))
    assert heard[0].attributes == {"name": "web", "replicas.old": "1", "replicas.new": "2"}


def test_a_node_that_joins_another_swarm_is_told_of_that_one_alone() -> None:
    old, new = FakeStore(), FakeStore()
    log, heard = followed(old)
    log.follow(new)
    assert old.watchers == []
    new.commit(put_network())
    assert len(heard) == 1


def test_the_last_events_are_remembered() -> None:
    store = FakeStore()
    log, heard = followed(store)
    for count in range(REMEMBERED + 5):
        store.commit(put_network(vni=count))
    assert log.past(0, 2 * BEGAN) == heard[5:]


EVENT = Event(
    kind="service",
    action="update",
    id="abcdef",
    attributes={"name": "web", "replicas.old": "1", "replicas.new": "2"},
    time=1_795_523_103_741_951_327,
)


def test_an_event_is_docker_s_json() -> None:
    assert encode(EVENT) == (
        b'{"Type":"service","Action":"update","Actor":{"ID":"abcdef","Attributes":{"name":"web",'
        b'"replicas.new":"2","replicas.old":"1"}},"scope":"swarm","time":1795523103,'
        b'"timeNano":1795523103741951327}\n'
    )


@pytest.mark.parametrize(
    ("filters", "is_shown"),
    [
        ({}, True),
        ({"type": ("service",)}, True),
        ({"type": ("container", "service")}, True),
        ({"type": ("container",)}, False),
        ({"event": ("update",)}, True),
        ({"event": ("upd",)}, False),
        ({"scope": ("swarm",)}, True),
        ({"scope": ("local",)}, False),
        ({"service": ("we",)}, True),
        ({"service": ("abc",)}, True),
        ({"service": ("eb",)}, False),
        ({"node": ("n1",)}, False),
        ({"container": ("web",)}, True),
        ({"image": ("busybox",)}, False),
        ({"label": ("name",)}, True),
        ({"label": ("name=web", "replicas.new=2")}, True),
        ({"label": ("name=web", "replicas.new=3")}, False),
        ({"foo": ("bar",)}, True),
        ({"type": ("service",), "event": ("create",)}, False),
    ],
)
def test_filters_choose_as_docker_s_do(
    filters: Mapping[str, Sequence[str]], is_shown: bool
) -> None:
    assert matches(EVENT, filters) is is_shown
