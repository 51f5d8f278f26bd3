"""Variables in values: `$VAR`, `${VAR}`, defaults, required ones, replacements.

    ${VAR:-default}   default if VAR is unset or empty      ${VAR-default}   if it is unset
    ${VAR:?problem}   refused if VAR is unset or empty      ${VAR?problem}   if it is unset
    ${VAR:+other}     other if VAR is set and not empty     ${VAR+other}     if it is set
    $$                a dollar sign

Only values are substituted, never keys.  What stands behind an operator may hold variables again,
and is looked at only if it is used.  An unset variable without an operator is an empty string.
Docker's own stack command reads `$VAR-x` as a default; here, as in every shell and in Compose
itself, an operator needs braces.
"""

import re
from collections.abc import Mapping

from swarmd.compose.document import Json, Place
from swarmd.compose.errors import ComposeError
from swarmd.compose.values import quoted

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR = re.compile(r":?[-?+]")
_BRACE_OR_ESCAPE = re.compile(r"\$\$|\$\{|\}")
_MAX_NESTING = 20


class Substituted(str):
    """A text in which a variable was replaced: Compose reads `"${REPLICAS}"` as a number."""

    __slots__ = ()


class TemplateError(ValueError):
    """A `$` that begins nothing, or a required variable that is missing; the text says which."""


def interpolate(value: Json, at: Place, environment: Mapping[str, str]) -> Json:
    """The value with every string in it substituted.  Raises ComposeError."""
    if isinstance(value, str):
        return _interpolated(value, at, environment)
    if isinstance(value, dict):
        return {key: interpolate(item, at / key, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, at / index, environment) for index, item in enumerate(value)]
    return value


def substitute(template: str, environment: Mapping[str, str]) -> str:
    """One string.  Raises TemplateError."""
    return _substitute(template, environment, template, _MAX_NESTING)


def plain(value: Json) -> Json:
    """The value as it is printed, with substituted texts as ordinary ones."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _interpolated(value: str, at: Place, environment: Mapping[str, str]) -> str:
    if "$" not in value:
        return value
    try:
        return Substituted(substitute(value, environment))
    except TemplateError as error:
        raise _error(at, str(error)) from error


def _error(at: Place, template: str) -> ComposeError:
    path = ".".join("[]" if isinstance(part, int) else part for part in at.path)
    return at.error(
        f"invalid interpolation format for {path}: {quoted(template)}; "
        "you may need to escape any $ with another $"
    )


def _substitute(text: str, environment: Mapping[str, str], template: str, nesting: int) -> str:
    pieces: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        pieces.append(text[at:dollar])
        at = dollar + 1
        if text.startswith("$", at):
            pieces.append("$")
            at += 1
        elif text.startswith("{", at):
            end = _closing_brace(text, at + 1, template)
            pieces.append(_braced(text[at + 1 : end], environment, template, nesting))
            at = end + 1
        elif name := _NAME.match(text, at):
            pieces.append(environment.get(name[0], ""))
            at = name.end()
        else:
            raise TemplateError(template)
    return "".join([*pieces, text[at:]])


def _closing_brace(text: str, at: int, template: str) -> int:
    """Index of the `}` that belongs to a `${` whose inside begins at `at`."""
    depth = 1
    for token in _BRACE_OR_ESCAPE.finditer(text, at):
        if token[0] == "${":
            depth += 1
        elif token[0] == "}":
            depth -= 1
        if depth == 0:
            return token.start()
    raise TemplateError(template)


def _braced(inside: str, environment: Mapping[str, str], template: str, nesting: int) -> str:
    """What `${inside}` stands for."""
    name = _NAME.match(inside)
    if name is None or nesting == 0:
        raise TemplateError(template)
    value = environment.get(name[0])
    rest = inside[name.end() :]
    if not rest:
        return value or ""
    operator = _OPERATOR.match(rest)
    if operator is None:
        raise TemplateError(template)
    is_there = bool(value) if operator[0].startswith(":") else value is not None
    word = rest[operator.end() :]
    kind = operator[0][-1]
    if kind == "+":
        return _substitute(word, environment, template, nesting - 1) if is_there else ""
    if is_there:
        return value or ""
    text = _substitute(word, environment, template, nesting - 1)
    if kind == "?":
        raise TemplateError(f"required variable {name[0]} is missing a value: {text}")
    return text
