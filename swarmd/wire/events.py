"""Events of the cluster in Docker's JSON, and the filters of `/events` as they go for these.

Source: moby daemon/events.go (logClusterEvent), daemon/events/filter.go.
"""

from collections.abc import Mapping, Sequence

import msgspec

from swarmd.model.base import Labels
from swarmd.ports import Timestamp

_SECOND = 10**9
#: Filters that name an object: the value begins its id or its name.  Docker does not look at the
#: event's type here, so `container=web` shows the service web, too.
_NAMING = (
    "config",
    "container",
    "daemon",
    "network",
    "node",
    "plugin",
    "secret",
    "service",
    "volume",
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an object of the cluster."""

    #: node | service | network
    kind: str
    #: create | update | remove
    action: str
    id: str
    #: its `name`, and of an update `what.old` and `what.new`
    attributes: Labels
    #: cluster time
    time: Timestamp


class _Actor(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="ID")
    attributes: Labels = msgspec.field(name="Attributes")


class _Message(msgspec.Struct, frozen=True):
    type: str = msgspec.field(name="Type")
    action: str = msgspec.field(name="Action")
    actor: _Actor = msgspec.field(name="Actor")
    scope: str = "swarm"
    time: int = 0
    time_nano: int = msgspec.field(name="timeNano", default=0)


def encode(event: Event) -> bytes:
    """One line of the stream, with its end."""
    message = _Message(
        type=event.kind,
        action=event.action,
        actor=_Actor(event.id, dict(sorted(event.attributes.items()))),
        time=event.time // _SECOND,
        time_nano=event.time,
    )
    return msgspec.json.encode(message) + b"\n"


def matches(event: Event, filters: Mapping[str, Sequence[str]]) -> bool:
    """Whether a client with these filters sees it; Docker ignores keys that it does not know."""
    name = event.attributes.get("name", "")
    return (
        _equals(filters.get("type"), event.kind)
        and _equals(filters.get("event"), event.action)
        and _equals(filters.get("scope"), "swarm")
        and _equals(filters.get("image"), event.id)
        and all(_begins(filters.get(key), event.id, name) for key in _NAMING)
        and all(_has_label(event.attributes, label) for label in filters.get("label", ()))
    )


def _equals(values: Sequence[str] | None, text: str) -> bool:
    return not values or text in values


def _begins(values: Sequence[str] | None, *texts: str) -> bool:
    return not values or any(text.startswith(tuple(values)) for text in texts)


def _has_label(attributes: Labels, label: str) -> bool:
    """To Docker an event's attributes are its labels."""
    key, is_pair, value = label.partition("=")
    return key in attributes and (not is_pair or attributes[key] == value)
