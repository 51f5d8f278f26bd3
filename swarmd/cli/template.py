"""Go's text/template, as far as `--format` and the pretty views need it.  Pure.

    {{.Spec.Name}}  {{json .}}  {{upper .Name | printf}}  {{if .Self}}*{{else}}-{{end}}
    {{range $k, $v := .Labels}}{{$k}}={{$v}}{{end}}  {{with .UpdateStatus}}…{{end}}  {{- trimmed -}}

A template is parsed once into nodes and rendered for each object.  Objects are the API's JSON, or
anything that is a mapping: a field that is not there is an error, as it is in Go for a struct,
unless the caller says that the fields are `optional` (`--pretty`: the API leaves empty ones out).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from swarmd.cli.go_values import GoMap, GoStruct, Nil
from swarmd.cli.template_values import FUNCTIONS, TemplateError, is_true, printed

__all__ = ["Template", "TemplateError", "parse"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<path>\$?\w*(?:\.\w*)+|\$\w*)|(?P<word>\w+)|(?P<mark>:=|[|(),]))"""
)


@dataclass(frozen=True)
class Token:
    """A piece of an action.

    Attributes:
        kind: string, number, path (.A.B, $x.A), word (a function or keyword) or mark.
        offset: where it stands in the template, for complaints.
    """

    kind: str
    text: str
    offset: int


@dataclass(frozen=True)
class Block:
    """`if`, `range` or `with`: a pipeline and what depends on it."""

    keyword: str
    variables: tuple[str, ...]
    pipeline: "Pipeline"
    body: "list[Node]" = field(default_factory=list)
    otherwise: "list[Node]" = field(default_factory=list)


@dataclass(frozen=True)
class Pipeline:
    """Commands; each gets the value of the one before it as its last argument.

    Attributes:
        fields: the path behind one in parentheses, `(index .Ports 0).Protocol`.
    """

    commands: tuple[tuple["Token | Pipeline", ...], ...]
    fields: Token | None = None


Node = str | Pipeline | Block


class Template:
    """A parsed template; `render` may be called any number of times."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    def render(self, dot: object, *, optional: bool = False) -> str:
        """The text for one object.

        Raises:
            TemplateError: a field or function is unknown, in Go's words.
        """
        return _Renderer(dot, FUNCTIONS, optional=optional).text(self._nodes, dot)

    def header(self, names: Mapping[str, str]) -> str:
        """The text for a table's header: functions give their argument back unchanged."""
        unchanged: dict[str, Callable[..., object]] = {
            name: _first for name in FUNCTIONS if name not in ("pad", "print", "println", "printf")
        }
        return _Renderer(names, {**FUNCTIONS, **unchanged}, optional=True).text(self._nodes, names)


def _first(*arguments: object) -> object:
    return arguments[0] if arguments else ""


def parse(source: str) -> Template:
    """Parse a template.

    Raises:
        TemplateError: not a template, in Go's words.
    """
    root: list[Node] = []
    stack: list[tuple[Block | None, list[Node]]] = [(None, root)]
    for piece in _pieces(source):
        if isinstance(piece, str):
            stack[-1][1].append(piece)
        else:
            _add_action(stack, piece)
    if len(stack) > 1:
        raise TemplateError("unexpected EOF")
    return Template(root)


def _pieces(source: str) -> Iterator[str | list[Token]]:
    """Text and actions in turn, white space trimmed where an action asks for it."""
    rest, trims_left = source, False
    while rest:
        text, opened, rest = rest.partition("{{")
        if trims_left:
            text = text.lstrip()
        if opened and re.match(r"-\s", rest):
            text, rest = text.rstrip(), rest[1:]
        if text:
            yield text
        if not opened:
            return
        action, closed, rest = rest.partition("}}")
        if not closed:
            raise TemplateError("unclosed action")
        trims_left = re.search(r"\s-$", action) is not None
        base = len(source) - len(rest) - len(action) - len(closed)
        yield _tokens(action[:-1] if trims_left else action, base)


def _tokens(action: str, base: int) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    action = action.rstrip()
    while position < len(action):
        match = _TOKEN.match(action, position)
        if match is None or match.lastgroup is None:
            raise TemplateError(f"unexpected {action[position:].strip()[:1]!r} in command")
        kind = match.lastgroup
        tokens.append(Token(kind, match[kind], base + match.start(kind)))
        position = match.end()
    return tokens


def _add_action(stack: list[tuple[Block | None, list[Node]]], tokens: list[Token]) -> None:
    keyword = tokens[0].text if tokens and tokens[0].kind == "word" else ""
    match keyword:
        case "if" | "range" | "with":
            block = _block(keyword, tokens[1:])
            stack[-1][1].append(block)
            stack.append((block, block.body))
        case "else":
            _add_else(stack, tokens[1:])
        case "end":
            if len(stack) == 1:
                raise TemplateError("unexpected {{end}}")
            stack.pop()
        case _:
            if not tokens:
                raise TemplateError("missing value for command")
            stack[-1][1].append(_pipeline(tokens))


def _add_else(stack: list[tuple[Block | None, list[Node]]], rest: list[Token]) -> None:
    block, _ = stack.pop()
    if block is None:
        raise TemplateError("unexpected {{else}}")
    if not rest:
        stack.append((block, block.otherwise))
        return
    nested = _block(rest[0].text, rest[1:])  # {{else if x}}: one end closes both
    block.otherwise.append(nested)
    stack.append((nested, nested.body))


def _block(keyword: str, tokens: list[Token]) -> Block:
    variables: tuple[str, ...] = ()
    marks = [index for index, token in enumerate(tokens) if token.text == ":="]
    if marks:
        variables = tuple(token.text for token in tokens[: marks[0]] if token.kind == "path")
        tokens = tokens[marks[0] + 1 :]
    if not tokens:
        raise TemplateError(f"missing value for {keyword}")
    return Block(keyword, variables, _pipeline(tokens))


def _pipeline(tokens: Sequence[Token]) -> Pipeline:
    commands: list[tuple[Token | Pipeline, ...]] = []
    current: list[Token | Pipeline] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token.text == "(" and token.kind == "mark":
            end = _closing(tokens, position)
            fields = _fields_behind(tokens, end)
            current.append(replace(_pipeline(tokens[position:end]), fields=fields))
            position = end + (2 if fields else 1)
        elif token.text == "|" and token.kind == "mark":
            commands.append(tuple(current))
            current = []
        else:
            _check_function(token)
            current.append(token)
    return Pipeline((*commands, tuple(current)))


def _closing(tokens: Sequence[Token], position: int) -> int:
    depth = 1
    for index in range(position, len(tokens)):
        if tokens[index].kind == "mark":
            depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    raise TemplateError("unclosed left paren")


def _fields_behind(tokens: Sequence[Token], closing: int) -> Token | None:
    """The path that stands right behind a closing parenthesis."""
    behind = tokens[closing + 1] if closing + 1 < len(tokens) else None
    if behind is None or not behind.text.startswith("."):
        return None
    return behind if behind.offset == tokens[closing].offset + 1 else None


def _check_function(token: Token) -> None:
    if token.kind == "word" and token.text not in {*FUNCTIONS, "true", "false", "nil"}:
        raise TemplateError(f'function "{token.text}" not defined')


class _Renderer:
    """One rendering: the variables and functions in force."""

    def __init__(
        self, root: object, functions: Mapping[str, Callable[..., object]], *, optional: bool
    ) -> None:
        self._functions = functions
        self._optional = optional
        self._variables: dict[str, object] = {"$": root}

    def text(self, nodes: Sequence[Node], dot: object) -> str:
        return "".join(self._node(node, dot) for node in nodes)

    def _node(self, node: Node, dot: object) -> str:
        match node:
            case str():
                return node
            case Pipeline():
                return printed(self._value(node, dot))
            case Block(keyword="range"):
                return self._range(node, dot)
            case Block():
                value = self._value(node.pipeline, dot)
                if not is_true(value):
                    return self.text(node.otherwise, dot)
                for name in node.variables:
                    self._variables[name] = value
                return self.text(node.body, value if node.keyword == "with" else dot)

    def _range(self, block: Block, dot: object) -> str:
        value = self._value(block.pipeline, dot)
        if not is_true(value):
            return self.text(block.otherwise, dot)
        texts: list[str] = []
        for key, item in _items(value):
            named = (key, item) if len(block.variables) == 2 else (item,)
            self._variables.update(zip(block.variables, named, strict=False))
            texts.append(self.text(block.body, item))
        return "".join(texts)

    def _value(self, pipeline: Pipeline, dot: object) -> object:
        piped: tuple[object, ...] = ()
        for command in pipeline.commands:
            piped = (self._command(command, piped, dot),)
        return piped[0]

    def _command(
        self, command: tuple[Token | Pipeline, ...], piped: tuple[object, ...], dot: object
    ) -> object:
        head = command[0]
        if isinstance(head, Token) and head.kind == "word" and head.text in self._functions:
            arguments = [self._operand(item, dot) for item in command[1:]]
            try:
                return self._functions[head.text](*arguments, *piped)
            except TypeError as error:
                raise TemplateError(f"error calling {head.text}: {error}") from error
        if len(command) > 1 or piped:
            raise TemplateError(f"can't give argument to non-function {_source(head)}")
        return self._operand(head, dot)

    def _operand(self, item: Token | Pipeline, dot: object) -> object:
        if isinstance(item, Pipeline):
            value, behind = self._value(item, dot), item.fields
            return self._fields(value, behind.text.split("."), behind) if behind else value
        match item.kind:
            case "string":
                return _unquoted(item.text)
            case "number":
                return float(item.text) if "." in item.text else int(item.text)
            case "path":
                return self._path(item, dot)
            case _:
                if item.text in self._functions:
                    return self._functions[item.text]()
                return {"true": True, "false": False, "nil": None}[item.text]

    def _path(self, path: Token, dot: object) -> object:
        head, *names = path.text.split(".")
        value = dot
        if head:
            if head not in self._variables:
                raise TemplateError(f"undefined variable {head!r}")
            value = self._variables[head]
        return self._fields(value, names, path)

    def _fields(self, value: object, names: Sequence[str], path: Token) -> object:
        for name in filter(None, names):
            value = self._field(value, name, path)
        return value

    def _field(self, value: object, name: str, path: Token) -> object:
        if isinstance(value, Mapping) and (name in value or self._optional):
            return value.get(name)
        if isinstance(value, GoMap):
            return None
        where = f'{path.offset}: executing "" at <{path.text}>: '
        if value is None or isinstance(value, Nil):
            raise TemplateError(f"{where}nil pointer evaluating {name}")
        kind = f" in type {value.name}" if isinstance(value, GoStruct) else ""
        raise TemplateError(f"{where}can't evaluate field {name}{kind}")


def _items(value: object) -> list[tuple[object, object]]:
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    raise TemplateError(f"range can't iterate over {printed(value)}")


def _source(item: Token | Pipeline) -> str:
    return item.text if isinstance(item, Token) else "(…)"


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), text[1:-1])
