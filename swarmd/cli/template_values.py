"""Values in a template: how Go prints them, when they count as true, the functions over them."""

import json
from collections.abc import Callable, Mapping, Sequence

from swarmd.cli.go_values import GoList, GoMap, GoStruct, Nil
from swarmd.cli.output import json_text
from swarmd.errors import InvalidArgumentError


class TemplateError(InvalidArgumentError):
    """A format that cannot be parsed or rendered, in Go's words."""

    def __init__(self, problem: str) -> None:
        # Formats come from a command line: their one line is the first.
        between = "" if problem[:1].isdecimal() else " "
        super().__init__(f"template parsing error: template: :1:{between}{problem}")


def printed(value: object) -> str:
    """A value as Go prints it: [a b], map[k:v], {a b}, true, <nil>, <no value>."""
    match value:
        case None:
            return "<no value>"
        case bool():
            return "true" if value else "false"
        case Mapping() | list() | tuple():
            return _printed_items(value)
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _printed_items(value: Mapping[str, object] | Sequence[object]) -> str:
    match value:
        case GoStruct():
            return "{" + " ".join(map(printed, value.values())) + "}"
        case Mapping():
            return "map[" + " ".join(f"{k}:{printed(v)}" for k, v in sorted(value.items())) + "]"
        case _:
            return "[" + " ".join(map(printed, value)) + "]"


def is_true(value: object) -> bool:
    """Go's truth: not zero, not empty, not nil."""
    return bool(value)


def _slice(text: str, start: int = 0, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise TemplateError(f"error calling slice: index out of range: {stop}")
    return text[start:stop]


def _json(value: object) -> str:
    if isinstance(value, GoList | GoMap | GoStruct | Nil):
        value = value.raw
    elif isinstance(value, Mapping):
        return json_text(value)  # a list's row, which docker's own types escape
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _join(items: object, separator: str = "") -> str:
    return separator.join(map(printed, items if isinstance(items, list | tuple) else [items]))


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | Mapping) else 0


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "" if isinstance(value, GoMap) else None)
        elif isinstance(value, list | tuple | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError("error calling index: can't index item")
    return value


def _printf(pattern: str, *arguments: object) -> str:
    return pattern.replace("%v", "%s") % tuple(
        argument if isinstance(argument, int | float) else printed(argument)
        for argument in arguments
    )


def _greater(left: float, right: float) -> bool:
    return left > right


#: By name; the pipeline's value comes as the last argument.
FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "json": _json,
    "slice": _slice,
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "split": str.split,
    "join": _join,
    "pad": _pad,
    "truncate": lambda text, length: text[:length],
    "len": _length,
    "index": _index,
    "print": lambda *values: "".join(map(printed, values)),
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": _printf,
    "not": lambda value: not is_true(value),
    "and": lambda *values: next((value for value in values if not is_true(value)), values[-1]),
    "or": lambda *values: next((value for value in values if is_true(value)), values[-1]),
    "eq": lambda left, *others: left in others,
    "ne": lambda left, right: left != right,
    "gt": _greater,
    "ge": lambda left, right: not _greater(right, left),
    "lt": lambda left, right: _greater(right, left),
    "le": lambda left, right: not _greater(left, right),
}
