"""Shapes: readers of one kind of value, from which the schema is put together.

A shape takes a value as YAML (after interpolation) gave it and the place where it stands, and
returns it in the normal form that `stack config` prints: long syntax, durations and sizes as
canonical text, lists of pairs as mappings.  It raises ComposeError for what the format does not
allow, in the words of Docker's JSON schema.  A text that came out of an interpolation may stand
for a number or a truth value; any other text may not.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from swarmd.compose import values
from swarmd.compose.document import Json, Place
from swarmd.compose.interpolate import Substituted, plain
from swarmd.compose.notes import Severity

Shape: TypeAlias = Callable[[Json, Place], Json]
T = TypeVar("T")

_TRUE = ("y", "yes", "true", "on")
_FALSE = ("n", "no", "false", "off")


def text(value: Json, at: Place) -> str:
    """A string, and nothing that only looks like one."""
    if not isinstance(value, str):
        raise at.mismatch("must be a string")
    return str(value)


def integer(value: Json, at: Place) -> int:
    """A whole number."""
    if isinstance(value, Substituted):
        try:
            return int(value)
        except ValueError as error:
            raise _miscast(
                at, f"strconv.Atoi: parsing {values.quoted(value)}: invalid syntax"
            ) from error
    if isinstance(value, bool) or not isinstance(value, int):
        raise at.mismatch("must be a integer")
    return value


def count(value: Json, at: Place) -> int:
    """A whole number that is not negative."""
    number = integer(value, at)
    if number < 0:
        raise at.mismatch("must not be negative")
    return number


def number(value: Json, at: Place) -> float:
    """A number of any kind."""
    if isinstance(value, Substituted):
        try:
            return float(value)
        except ValueError as error:
            raise _miscast(
                at, f"strconv.ParseFloat: parsing {values.quoted(value)}: invalid syntax"
            ) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise at.mismatch("must be a number")
    return value


def boolean(value: Json, at: Place) -> bool:
    """True or false; an interpolated text may say yes, on, no, off too."""
    if isinstance(value, Substituted):
        if value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        raise _miscast(at, f"invalid boolean: {value}")
    if not isinstance(value, bool):
        raise at.mismatch("must be a boolean")
    return value


def text_or_number(value: Json, at: Place) -> str:
    """As text, the way Go prints a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return values.number_text(value)
    if not isinstance(value, str):
        raise at.mismatch("must be a string or number")
    return str(value)


def parsed(read: Callable[[str], T], value: Json, at: Place) -> T:
    """What `read` makes of the text; its ValueError is said with the place."""
    content = text_or_number(value, at)
    try:
        return read(content)
    except ValueError as error:
        raise at.refusal(str(error)) from error


def duration(value: Json, at: Place) -> str:
    """`90s` → `1m30s`."""
    return values.duration_text(parsed(values.nanoseconds, text(value, at), at))


def size(value: Json, at: Place) -> str:
    """`64m` → `"67108864"`."""
    return str(bytes_count(value, at))


def bytes_count(value: Json, at: Place) -> int:
    """`64m` → 67108864."""
    return parsed(values.size_bytes, value, at)


def cpus(value: Json, at: Place) -> str:
    """`0.5`, as written."""
    parsed(values.nano_cpus, value, at)
    return text_or_number(value, at)


def command(value: Json, at: Place) -> list[str]:
    """A list of words, or a line that is cut into words."""
    if isinstance(value, str):
        return parsed(values.split_command, value, at)
    return texts(value, at, expected="must be a string or list")


def strings(value: Json, at: Place) -> list[str]:
    """One string, or a list of them."""
    return [str(value)] if isinstance(value, str) else unique(value, at, "must be a string or list")


def unique(value: Json, at: Place, expected: str = "must be a list") -> list[str]:
    """A list of strings, none of them twice."""
    found = texts(value, at, expected=expected)
    for index, item in enumerate(found):
        if item in found[:index]:
            raise at.mismatch(f"array items[{found.index(item)},{index}] must be unique")
    return found


def texts(value: Json, at: Place, *, expected: str = "must be a list") -> list[str]:
    """A list of strings."""
    return [text(item, at / index) for index, item in enumerate(listed(value, at, expected))]


def pairs(value: Json, at: Place) -> dict[str, Json]:
    """`KEY=value` in a list, or a mapping; no value is an empty one.  Sorted."""
    found = _pairs(value, at)
    return {key: "" if item is None else item for key, item in found.items()}


def environment(value: Json, at: Place) -> dict[str, Json]:
    """The same, but no value is None: the client's own variable of that name."""
    return dict(_pairs(value, at))


def options(value: Json, at: Place) -> dict[str, Json]:
    """A mapping of strings or numbers, sorted."""
    entries = mapped(value, at)
    return {key: text_or_number(entries[key], at / key) for key in sorted(entries)}


def hosts(value: Json, at: Place) -> list[str]:
    """`name:address`, also from `name=address` and from a mapping; brackets of IPv6 removed."""
    if isinstance(value, dict):
        lines = [f"{name}:{text(value[name], at / name)}" for name in sorted(value)]
    else:
        lines = unique(value, at, "must be a mapping or list")
    found: list[str] = []
    for index, line in enumerate(lines):
        name, separator, address = line.partition("=" if "=" in line else ":")
        if not separator:
            raise (at if isinstance(value, dict) else at / index).refusal(f"bad format: {line!r}")
        bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
        found.append(f"{name}:{bare}")
    return found


def fields(table: Mapping[str, Shape], *, keeps: tuple[str, ...] = ()) -> Shape:
    """A mapping with the keys of `table`, in its order, and any `x-...`.

    Zero values (`""`, 0, false, empty) are left out, as they mean nothing and must not replace
    anything when files are merged; except those of `keeps`, whose zero differs from their absence.
    """

    def read(value: Json, at: Place) -> dict[str, Json]:
        entries = mapped(value, at)
        for key in entries:
            if key not in table and not key.startswith("x-"):
                raise at.stray(key)
        found: dict[str, Json] = {}
        for key, shape in table.items():
            if key in entries:
                item = shape(entries[key], at / key)
                if item or key in keeps:
                    found[key] = item
        for key in sorted(entries):
            if key not in table:
                found[key] = plain(entries[key])
        return found

    return read


def named(shape: Shape) -> Shape:
    """A mapping from names of the user's choice, sorted, to `shape`."""

    def read(value: Json, at: Place) -> dict[str, Json]:
        entries = mapped(value, at)
        for name in entries:
            if not name or not set(name) <= _NAME_CHARACTERS:
                raise at.stray(name)
        return {name: shape(entries[name], at / name) for name in sorted(entries)}

    return read


def each(shape: Shape) -> Shape:
    """A list of `shape`."""

    def read(value: Json, at: Place) -> list[Json]:
        return [shape(item, at / index) for index, item in enumerate(listed(value, at))]

    return read


def or_null(shape: Shape) -> Shape:
    """`shape`, or nothing behind the colon, which is the same as an empty mapping."""

    def read(value: Json, at: Place) -> Json:
        return shape({} if value is None else value, at)

    return read


def one_of(*words: str) -> Shape:
    """One of a few words."""
    expected = ", ".join(f'"{word}"' for word in words)

    def read(value: Json, at: Place) -> str:
        found = text(value, at)
        if found not in words:
            raise at.mismatch(f"must be one of the following: {expected}")
        return found

    return read


def without_effect(severity: Severity, why: str) -> Shape:
    """Whatever it is: noted, and kept as it was written."""

    def read(value: Json, at: Place) -> Json:
        at.note(severity, why)
        return plain(value)

    return read


def mapped(value: Json, at: Place, expected: str = "must be a mapping") -> dict[str, Json]:
    """The value, if it is a mapping."""
    if not isinstance(value, dict):
        raise at.mismatch(expected)
    return value


def listed(value: Json, at: Place, expected: str = "must be a list") -> list[Json]:
    """The value, if it is a list."""
    if not isinstance(value, list):
        raise at.mismatch(expected)
    return value


def _pairs(value: Json, at: Place) -> dict[str, str | None]:
    if isinstance(value, list):
        cut = [line.partition("=") for line in unique(value, at)]
        found = {key: content if equals else None for key, equals, content in cut}
    else:
        entries = mapped(value, at, "must be a mapping or list")
        found = {key: _text_or_nothing(item, at / key) for key, item in entries.items()}
    return {key: found[key] for key in sorted(found)}


def _text_or_nothing(value: Json, at: Place) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise at.mismatch("must be a string, number or null")
    return text_or_number(value, at)


def _miscast(at: Place, problem: str) -> Exception:
    return at.error(
        f"error while interpolating {at.dotted}: failed to cast to expected type: {problem}"
    )


_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
