"""Several files, one after the other: what the later ones add to and replace in the earlier.

Docker's rules.  A scalar replaces, unless it is a zero that cannot be told from absence (such were
left out when the file was read).  Mappings are merged, lists are appended; except, in a service:
ports replace those with the same published port, mounts those with the same target, secrets and
configs those with the same source, and all of these are then sorted by that; commands, the
health check's test, ulimits and a network's aliases replace; logging options are merged only for
the same driver.  Outside services, a later entry replaces the earlier one of its name.
(Docker appends the health check's test, which cannot have been meant, and takes `53/tcp` and
`53/udp` for the same port.)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from swarmd.compose.document import Json

Section: TypeAlias = Mapping[str, Json]
_Key: TypeAlias = Callable[[Section], tuple[str | int, ...]]


def merge(files: Sequence[Section]) -> dict[str, Json]:
    """One file out of at least one, in normal form."""
    merged = dict(files[0])
    for override in files[1:]:
        for key, value in override.items():
            merge_entry = _service if key == "services" else _replace
            earlier = merged.get(key)
            if isinstance(earlier, dict) and isinstance(value, dict):
                merged[key] = _entries(earlier, value, merge_entry)
            else:
                merged[key] = value
    return merged


def _entries(
    base: Section, override: Section, merge_entry: Callable[[Section, Section], Section]
) -> dict[str, Json]:
    """Two sections, entry by entry, sorted by name."""
    found = {**base, **override}
    for name in base:
        earlier, later = base[name], override.get(name)
        if isinstance(earlier, dict) and isinstance(later, dict):
            found[name] = merge_entry(earlier, later)
    return {name: found[name] for name in sorted(found)}


def _replace(base: Section, override: Section) -> Section:
    del base
    return override


def _service(base: Section, override: Section) -> Section:
    return _mapping(base, override, ())


def _mapping(base: Section, override: Section, path: tuple[str, ...]) -> dict[str, Json]:
    merged = dict(base)
    for key, value in override.items():
        is_empty = value is None or value in ("", [], {})
        if key not in merged:
            merged[key] = value
        elif not is_empty:
            merged[key] = _value(merged[key], value, (*path, key))
    return merged


def _value(base: Json, override: Json, path: tuple[str, ...]) -> Json:
    if path in _REPLACED or path[:-1] == ("ulimits",) or path[2:] == ("aliases",):
        return override
    if isinstance(base, dict) and isinstance(override, dict):
        if path == ("logging",) and _has_other_driver(base, override):
            return override
        return _mapping(base, override, path)
    if isinstance(base, list) and isinstance(override, list):
        identity = _KEYED.get(path)
        return [*base, *override] if identity is None else _keyed(base, override, identity)
    return override


def _has_other_driver(base: Section, override: Section) -> bool:
    drivers = (base.get("driver"), override.get("driver"))
    return all(drivers) and drivers[0] != drivers[1]


def _keyed(base: Sequence[Json], override: Sequence[Json], identity: _Key) -> list[Json]:
    entries = [item for item in (*base, *override) if isinstance(item, dict)]
    by_identity = {identity(entry): entry for entry in entries}
    return [by_identity[key] for key in sorted(by_identity)]


def _port(entry: Section) -> tuple[str | int, ...]:
    # Ports that the swarm chooses (published 0) do not replace each other.
    published = int(str(entry.get("published", 0)))
    target = 0 if published else int(str(entry["target"]))
    return (published, target, str(entry.get("protocol", "tcp")))


def _target(entry: Section) -> tuple[str | int, ...]:
    return (str(entry.get("target", "")),)


def _source(entry: Section) -> tuple[str | int, ...]:
    return (str(entry.get("source", "")),)


_REPLACED = (("command",), ("entrypoint",), ("healthcheck", "test"))
_KEYED: Mapping[tuple[str, ...], _Key] = {
    ("ports",): _port,
    ("volumes",): _target,
    ("secrets",): _source,
    ("configs",): _source,
}
