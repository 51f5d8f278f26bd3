"""Files of variables: `.env`, which feeds interpolation, and `env_file`, which feeds a service.

The two have different rules, in Docker too.  A service's file is taken literally: what follows the
first `=` is the value, quotes and all.  A `.env` file has quotes, comments behind values, and
variables.
"""

import re
from collections.abc import Iterator, Mapping

from swarmd.compose.interpolate import TemplateError, substitute
from swarmd.errors import InvalidArgumentError

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#]+)[ \t]*(=[ \t]*)?")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")
_REST_OF_LINE = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_SKIPPED = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:#[^\n]*$)?")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def parse_env_file(
    text: str, environment: Mapping[str, str] | None = None, *, name: str = ".env"
) -> dict[str, str]:
    r"""The variables of a `.env` file, in its order.

    `KEY=value`, `export KEY=value`; `'literal'` and `"with \n escapes"`, over several lines too;
    ` # comment` behind a bare value.  Bare and double-quoted values may use `environment` and the
    variables above them.  A `KEY` alone is left out unless the environment has it.  Raises
    InvalidArgumentError with the line.
    """
    known = dict(environment or {})
    found: dict[str, str] = {}
    for line, key, value in _assignments(text.removeprefix("\ufeff").replace("\r\n", "\n"), name):
        if value is None:
            if key in known:
                found[key] = known[key]
            continue
        literal, content = value
        try:
            found[key] = content if literal else substitute(content, {**found, **known})
        except TemplateError as error:
            raise _error(name, line, f"invalid interpolation format: {error}") from error
    return found


def parse_service_env(text: str, name: str) -> list[tuple[str, str | None]]:
    """The variables of an `env_file`; None for a name without `=`.  Raises InvalidArgumentError."""
    found: list[tuple[str, str | None]] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not key:
            raise _error(name, number, f"no variable name on line '{line}'")
        if " " in key or "\t" in key:
            raise _error(name, number, f"variable '{key}' contains whitespaces")
        found.append((key, value if equals else None))
    return found


def _assignments(text: str, name: str) -> Iterator[tuple[int, str, tuple[bool, str] | None]]:
    """(line, name, (is literal, value) or None for a name alone)."""
    at = 0
    while True:
        skipped = _SKIPPED.match(text, at)
        at = skipped.end() if skipped else at
        if at >= len(text):
            return
        line = text.count("\n", 0, at) + 1
        start = _ASSIGNMENT.match(text, at)
        if start is None:
            raise _error(name, line, f"no variable name on line '{_BARE.findall(text, at)[0]}'")
        value = _value(text, start.end()) if start[2] else (None, start.end())
        end = _REST_OF_LINE.match(text, value[1])
        if end is None:
            raise _error(name, line, f"unexpected text behind variable '{start[1]}'")
        yield line, start[1], value[0]
        at = end.end()


def _value(text: str, at: int) -> tuple[tuple[bool, str], int]:
    """((is literal, value), where it ends)."""
    if single := _SINGLE.match(text, at):
        return (True, single[1]), single.end()
    if double := _DOUBLE.match(text, at):
        return (False, re.sub(r"\\(.)", _unescaped, double[1], flags=re.DOTALL)), double.end()
    bare = _BARE.match(text, at)
    assert bare is not None  # it matches the empty string
    return (False, _COMMENT.sub("", bare[0]).strip()), bare.end()


def _unescaped(match: re.Match[str]) -> str:
    # `\$` becomes `$$`, which substitution turns into the dollar that was meant.
    return "$$" if match[1] == "$" else _ESCAPES.get(match[1], match[1])


def _error(name: str, line: int, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{name}:{line}: {problem}")
