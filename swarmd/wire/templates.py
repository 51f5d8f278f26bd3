"""Templates in specs: the part of Go's text/template that a spec can use.

A container's hostname, environment values, mounts, volume labels and volume driver options may name
facts of the task: `{{.Service.Name}}`, `{{index .Service.Labels "zone"}}`, `{{join "-" .Service.Name
.Task.Slot}}`.  Understood are fields, string and number literals, parentheses, pipelines, comments,
trim markers and the functions `index`, `join` and `print`.  Control structures and variables are
refused by name rather than passed on as text.

Source: swarmkit template/context.go and template/expand.go; option missingkey=error.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from swarmd.errors import InvalidArgumentError

#: What a field holds: a text, or more fields.
Value = Union[str, "Fields"]
Fields = Mapping[str, Value]

_ACTION = re.compile(r"\{\{(-(?=\s))?(.*?)((?<=\s)-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
      | (?P<field>(?:\.[A-Za-z_]\w*)+|\.)
      | (?P<number>[+-]?\d+)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>[()|])
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)
_KEYWORDS = ("if", "else", "end", "range", "with", "define", "template", "block", "break")


class TemplateError(InvalidArgumentError):
    """A template that cannot be read, or names what there is not."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def expand(text: str, fields: Fields) -> str:
    """`text` with every action replaced.  Raises TemplateError naming the action at fault."""
    if "{{" not in text:
        return text
    parts: list[str] = []
    at, is_trimming = 0, False
    for match in _ACTION.finditer(text):
        before = text[at : match.start()]
        before = before.lstrip() if is_trimming else before
        parts.append(before.rstrip() if match[1] else before)
        parts.append(_evaluate(match[2].strip(), fields))
        at, is_trimming = match.end(), match[3] is not None
    rest = text[at:]
    if "{{" in rest:
        raise TemplateError(f"unclosed action in {text!r}")
    return "".join(parts) + (rest.lstrip() if is_trimming else rest)


def _evaluate(action: str, fields: Fields) -> str:
    """The text that stands for one action."""
    if action.startswith("/*") and action.endswith("*/"):
        return ""
    try:
        parser = _Parser(_tokens(action), fields)
        value = parser.pipeline()
        parser.finish()
        return _text(value)
    except TemplateError as error:
        raise TemplateError(f"{{{{{action}}}}}: {error}") from None


def _tokens(action: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(action):
        kind = match.lastgroup
        assert kind is not None, action
        tokens.append(_Token(kind, match[kind]))
    return tokens


class _Parser:
    """Reads and evaluates in one go: actions are short, and evaluated once."""

    def __init__(self, tokens: Sequence[_Token], fields: Fields) -> None:
        self._tokens = tokens
        self._at = 0
        self._fields = fields

    def pipeline(self) -> Value:
        """`a | f x | g`: each value is the last argument of the next command."""
        value = self._command(())
        while self._take("|"):
            value = self._command((value,))
        return value

    def finish(self) -> None:
        """Raises TemplateError if anything is left."""
        if self._at < len(self._tokens):
            raise TemplateError(f"unexpected {self._tokens[self._at].text!r}")

    def _command(self, piped: tuple[Value, ...]) -> Value:
        """A function with its arguments, or a single operand."""
        first = self._peek()
        if first is not None and first.kind == "word":
            self._at += 1
            function = _function(first.text)
            arguments: list[Value] = []
            while (token := self._peek()) is not None and token.text not in ("|", ")"):
                arguments.append(self._operand())
            return function((*arguments, *piped))
        if piped:
            raise TemplateError("a value can only be piped into a function")
        return self._operand()

    def _operand(self) -> Value:
        token = self._peek()
        if token is None:
            raise TemplateError("missing value for command")
        self._at += 1
        match token.kind:
            case "string":
                return _unquoted(token.text)
            case "number":
                return str(int(token.text))
            case "field":
                return _look_up(self._fields, token.text)
            case "mark" if token.text == "(":
                value = self.pipeline()
                if not self._take(")"):
                    raise TemplateError("unclosed left paren")
                return value
            case _:
                raise TemplateError(f"unexpected {token.text!r}")

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "mark" or token.text != mark:
            return False
        self._at += 1
        return True


def _unquoted(literal: str) -> str:
    """A Go string literal's text; only the escapes that a name can need."""
    if literal.startswith("`"):
        return literal[1:-1]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), literal[1:-1])


def _look_up(fields: Fields, path: str) -> Value:
    """The value at `.Service.Labels.zone`."""
    value: Value = fields
    for name in path.strip(".").split(".") if path != "." else ():
        if isinstance(value, str) or name not in value:
            raise TemplateError(f"can't evaluate field {name} of {path}")
        value = value[name]
    return value


def _function(name: str) -> Callable[[Sequence[Value]], Value]:
    function = _FUNCTIONS.get(name)
    if function is None:
        kind = "control structure" if name in _KEYWORDS else "function"
        raise TemplateError(f"{kind} {name!r} is not supported")
    return function


def _index(arguments: Sequence[Value]) -> Value:
    """`index map "key" ...`; a missing key is empty, as in Go."""
    if not arguments:
        raise TemplateError("index needs a map")
    value, *keys = arguments
    for key in keys:
        if isinstance(value, str):
            raise TemplateError("can't index a string")
        value = value.get(_text(key), "")
    return value


def _join(arguments: Sequence[Value]) -> Value:
    """`join separator text ...`."""
    if not arguments:
        raise TemplateError("join needs a separator")
    separator, *texts = (_text(argument) for argument in arguments)
    return separator.join(texts)


def _print(arguments: Sequence[Value]) -> Value:
    return "".join(_text(argument) for argument in arguments)


_FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "index": _index,
    "join": _join,
    "print": _print,
}


def _text(value: Value) -> str:
    """A value as it is printed; a map as Go prints one."""
    if isinstance(value, str):
        return value
    pairs = (f"{name}:{_text(value[name])}" for name in sorted(value))
    return f"map[{' '.join(pairs)}]"
