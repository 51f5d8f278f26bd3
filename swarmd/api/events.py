"""What happened in the cluster, as this manager saw it: a short memory, and those who listen.

A core.  It follows the store's changes and keeps of every object what its events tell, so that an
update can say what was before.  Each manager sees all changes, in the order of the log; what it
applies again at its start, or catches up with, is older than its following and no news.

Source: moby daemon/events.go, daemon/events/events.go (the last 256 are remembered).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from swarmd.model.base import NO_LABELS, Labels
from swarmd.ports import Timestamp
from swarmd.store.apply import Touched
from swarmd.store.entry import Kind
from swarmd.store.view import View
from swarmd.wire.events import Event

#: Events that are remembered for `since`.
REMEMBERED = 256

Listener: TypeAlias = Callable[[Event], None]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What of an object its events tell."""

    name: str
    #: what an update may change, by the word for it
    changing: Labels = NO_LABELS
    #: what users may look up; if all of it is as before, what was written is nobody's business
    seen: object


class Followed(Protocol):
    """What is needed of the store."""

    def view(self) -> View:
        """The committed records."""
        ...

    def now(self) -> Timestamp:
        """Cluster time."""
        ...

    def watch(self, watcher: Callable[[Sequence[Touched] | None], None], /) -> Callable[[], None]:
        """Call `watcher` with what each batch touched; None = everything may have changed."""
        ...


class EventLog:
    """The events of this daemon's swarm, whatever it is in the meantime a member of."""

    def __init__(self) -> None:
        #: oldest first, at most REMEMBERED
        self._past: deque[Event] = deque(maxlen=REMEMBERED)
        #: called with each event; a dict, for its order
        self._listeners: dict[Listener, None] = {}
        #: (kind, id) → its facts as last seen, of the store that is followed
        self._facts: dict[tuple[Kind, str], Facts] = {}
        self._stop: Callable[[], None] = _nothing

    # ---- feeding it

    def follow(self, store: Followed) -> None:
        """From now on events are those of this store, and no other's."""
        self._stop()
        began = store.now()
        self._facts = dict(_all_facts(store.view()))

        def changed(touched: Sequence[Touched] | None) -> None:
            if touched is None:
                self._facts = dict(_all_facts(store.view()))
                return
            of_note = dict.fromkeys((t.kind, t.id) for t in touched if t.kind in _FACTS)
            if not of_note:
                return
            view = store.view()
            for kind, identity in of_note:
                self._note(view, kind, identity, is_news=view.time >= began)

        self._stop = store.watch(changed)

    def _note(self, view: View, kind: Kind, identity: str, *, is_news: bool) -> None:
        """Compare one object with what was known of it; tell the difference if it is news."""
        before, after = self._facts.get((kind, identity)), _FACTS[kind](view, identity)
        if after is None:
            self._facts.pop((kind, identity), None)
        else:
            self._facts[kind, identity] = after
        event = _event(kind, identity, before, after, view.time)
        if is_news and event is not None:
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Remember an event, and call those who listen."""
        self._past.append(event)
        for listener in tuple(self._listeners):
            listener(event)

    # ---- reading it

    def past(self, first: Timestamp, last: Timestamp) -> list[Event]:
        """The remembered events of a time, both ends included, oldest first."""
        return [event for event in self._past if first <= event.time <= last]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on, in the step of its change; the way out."""
        self._listeners[listener] = None
        return lambda: self._listeners.pop(listener, None)


def _nothing() -> None:
    """There is no store yet to stop following."""


def _event(
    kind: Kind, identity: str, before: Facts | None, after: Facts | None, now: Timestamp
) -> Event | None:
    """None for an object that came and went in one batch, and for a change that nobody sees."""
    facts = before if after is None else after
    if facts is None:
        return None
    attributes = {"name": facts.name}
    if before is None:
        action = "create"
    elif after is None:
        action = "remove"
    elif before.seen == after.seen:
        return None
    else:
        action = "update"
        attributes |= _differences(before.changing, after.changing)
    return Event(kind=kind.value, action=action, id=identity, attributes=attributes, time=now)


def _differences(before: Labels, after: Labels) -> Iterator[tuple[str, str]]:
    for what, new in after.items():
        old = before.get(what)
        if old != new:
            yield f"{what}.new", new
            if old is not None:
                yield f"{what}.old", old


# ---- what events tell of objects


def _of_node(view: View, identity: str) -> Facts | None:
    node = view.node(identity)
    if node is None:
        return None
    changing = {
        "availability": node.spec.availability.value,
        "role": node.role.value,
        "state": node.status.state.value,
    }
    return Facts(name=node.spec.name or node.hostname, changing=changing, seen=node.meta)


def _of_service(view: View, identity: str) -> Facts | None:
    service = view.service(identity)
    if service is None:
        return None
    spec = view.spec(service)
    container = spec.task_template.container_spec
    changing = {"image": container.image} if container else {}
    if spec.is_replicated:
        changing["replicas"] = str(spec.replicas)
    if service.update_status is not None:
        changing["updatestate"] = service.update_status.state.value
    return Facts(name=service.name, changing=changing, seen=service.meta)


def _of_network(view: View, identity: str) -> Facts | None:
    """The addresses that are given in it are not a network's news."""
    network = view.network(identity)
    if network is None:
        return None
    seen = (network.meta.spec_version, network.vni, network.subnets)
    return Facts(name=network.spec.name, seen=seen)


_FACTS: Mapping[Kind, Callable[[View, str], Facts | None]] = {
    Kind.NODE: _of_node,
    Kind.SERVICE: _of_service,
    Kind.NETWORK: _of_network,
}


def _all_facts(view: View) -> Iterator[tuple[tuple[Kind, str], Facts]]:
    ids: Mapping[Kind, Iterable[str]] = {
        Kind.NODE: view.nodes(),
        Kind.SERVICE: view.services(),
        Kind.NETWORK: view.networks(),
    }
    for kind, found in ids.items():
        for identity in found:
            facts = _FACTS[kind](view, identity)
            assert facts is not None
            yield (kind, identity), facts
