"""Networks as clients see them: the cluster's and the engine's in one list, without our bridges.

A cluster network stands in an engine as a bridge that carries a label.  Users deal with the
network; the bridge is hidden from lists, found by its exact id or name only (so that it never makes
another reference ambiguous), and not to be deleted through us.
"""

from collections.abc import Sequence

import msgspec

from swarmd.api.read import Filters
from swarmd.errors import AmbiguousError

#: On each bridge that stands for a cluster network; the value is the network's id.
NETWORK_LABEL = "swarmd.network"
#: Networks of every engine that a service may be attached to.
SERVICE_NETWORKS = ("host", "bridge")
PREDEFINED = frozenset({"bridge", "host", "none", "default"})


class Seen(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What is read of a network's JSON."""

    id: str = ""
    name: str = ""
    driver: str = ""
    scope: str = ""
    ingress: bool = False
    labels: dict[str, str] | None = None

    @property
    def stands_for(self) -> str:
        """The id of the cluster network whose bridge this is; empty for any other network."""
        return (self.labels or {}).get(NETWORK_LABEL, "")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A network and its JSON, all of it."""

    seen: Seen
    document: msgspec.Raw

    @property
    def is_hidden(self) -> bool:
        """Whether it is the bridge of a cluster network."""
        return bool(self.seen.stands_for)


def listed(documents: Sequence[bytes | msgspec.Raw]) -> list[Listed]:
    """Networks from their documents."""
    return [
        Listed(
            seen=msgspec.json.decode(document, type=Seen),
            document=document if isinstance(document, msgspec.Raw) else msgspec.Raw(document),
        )
        for document in documents
    ]


def resolve(reference: str, networks: Sequence[Listed]) -> Listed | None:
    """By full id, then name, then prefix of the id; None if there is none.

    Raises AmbiguousError if several answer to the name or the prefix.
    """
    for network in networks:
        if network.seen.id == reference:
            return network
    visible = [network for network in networks if not network.is_hidden]
    by_name = [network for network in visible if network.seen.name == reference]
    by_prefix = [network for network in visible if network.seen.id.startswith(reference)]
    hidden = [n for n in networks if n.is_hidden and n.seen.name == reference]
    for found in (by_name, by_prefix if reference else [], hidden):
        if len(found) > 1:
            raise AmbiguousError("network", reference, len(found))
        if found:
            return found[0]
    return None


def has_labels(seen: Seen, wanted: Sequence[str], unwanted: Sequence[str] = ()) -> bool:
    """Whether all `key` or `key=value` of `wanted` hold, and none of `unwanted`."""
    labels = seen.labels or {}

    def holds(label: str) -> bool:
        key, is_pair, value = label.partition("=")
        return key in labels and (not is_pair or labels[key] == value)

    return all(map(holds, wanted)) and not any(map(holds, unwanted))


def matches(seen: Seen, filters: Filters) -> bool:
    """Whether a list with these filters shows a cluster network.

    As in Docker it counts as dangling whether or not tasks use it.
    """
    kind = "builtin" if seen.name in PREDEFINED else "custom"
    return all(
        (
            _any_part(filters.get("name"), seen.name),
            _any_part(filters.get("id"), seen.id),
            _any_equal(filters.get("driver"), seen.driver),
            _any_equal(filters.get("scope"), seen.scope),
            _any_equal(filters.get("type"), kind),
            not {"false", "0"} & set(filters.get("dangling", ())),
            has_labels(seen, filters.get("label", ())),
        )
    )


def _any_equal(values: Sequence[str] | None, text: str) -> bool:
    return not values or text in values


def _any_part(patterns: Sequence[str] | None, text: str) -> bool:
    """Whether a pattern is part of the text; `^` and `$` bind it to an end.

    Docker takes regular expressions here.  Python's can be made to run for ever, Go's cannot, so
    of those only the anchors are known.
    """
    return not patterns or any(_is_part(pattern, text) for pattern in patterns)


def _is_part(pattern: str, text: str) -> bool:
    literal = pattern.removeprefix("^").removesuffix("$")
    if pattern.startswith("^") and pattern.endswith("$"):
        return text == literal
    if pattern.startswith("^"):
        return text.startswith(literal)
    if pattern.endswith("$"):
        return text.endswith(literal)
    return literal in text
