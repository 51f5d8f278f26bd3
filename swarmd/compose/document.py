"""One YAML file: its values as Compose reads them, and the line of each.

Compose means go-yaml's YAML, which is neither 1.1 nor quite 1.2: `yes`, `on` and `22:22` are
strings, `0644` and `0o644` are octal, `1e3` is a number, `<<` merges, a key given twice is an
error.  PyYAML's C parser with its own resolvers replaced reads it so.  The values are plain; the
line of a path is looked up in the parser's nodes only when somebody has something to say about it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from swarmd.compose.errors import ComposeError
from swarmd.compose.notes import Note, Severity

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
#: Keys and list indices from the top of a file.
Path: TypeAlias = "tuple[str | int, ...]"

_TAG = "tag:yaml.org,2002:"
#: A file that needs more is not a compose file, but an alias bomb.
_MAX_VALUES = 200_000
_MAX_DEPTH = 100
#: Characters; a text is never nested deeper than it is long.
_SAFE_LENGTH = 10_000
_EXCESSIVE = "yaml: document contains excessive aliasing or nesting"


class Loader(yaml.CSafeLoader):
    """The C parser with go-yaml's idea of plain scalars."""


#: go-yaml's plain scalars: (tag, what they look like, with what they begin).
PLAIN_SCALARS: tuple[tuple[str, str, Sequence[str]], ...] = (
    (f"{_TAG}bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    (f"{_TAG}null", r"(?:~|null|Null|NULL|)", ("~", "n", "N", "")),
    (f"{_TAG}int", r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)", "-+0123456789"),
    (f"{_TAG}float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    (f"{_TAG}float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    (f"{_TAG}merge", r"<<", "<"),
)
Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in PLAIN_SCALARS:
    Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file."""

    #: as the user gave it
    name: str
    root: yaml.Node
    values: Mapping[str, Json]
    #: filled while the file is read
    notes: list[Note] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line, from 1, of the innermost part of `path` that the file has."""
        return self._walk(path)[1]

    def depth(self, path: Path) -> int:
        """How many parts of `path` the file has."""
        return self._walk(path)[0]

    def _walk(self, path: Path) -> tuple[int, int]:
        node, line = self.root, self.root.start_mark.line + 1
        for depth, part in enumerate(path):
            child = _child(node, part)
            if child is None:
                return depth, line
            marked, node = child
            line = marked.start_mark.line + 1
        return len(path), line


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a document: where the value that is being read stands."""

    document: Document
    path: Path = ()

    def __truediv__(self, part: str | int) -> "Place":
        return Place(self.document, (*self.path, part))

    @property
    def dotted(self) -> str:
        """`services.web.ports.0`, as Docker's schema errors name it."""
        return ".".join(map(str, self.path)) or "(root)"

    @property
    def service(self) -> str:
        """The service in which the place is, or an empty string."""
        return named(self.path)[0]

    @property
    def key(self) -> str:
        """The dotted key below the service, or below the top."""
        return named(self.path)[1]

    def mismatch(self, text: str) -> ComposeError:
        """For what the format does not allow: `services.web.image must be a string`."""
        return self.error(f"{self.dotted} {text}")

    def stray(self, key: str) -> ComposeError:
        """For a key that the format does not know here."""
        return (self / key).error(f"{self.dotted} Additional property {key} is not allowed")

    def refusal(self, text: str) -> ComposeError:
        """For a value that has the right type: `service web: ports: invalid containerPort: x`."""
        parts = [f"service {self.service}"] if self.service else []
        parts += [self.key] if self.key else []
        return self.error(": ".join([*parts, text]))

    def error(self, problem: str) -> ComposeError:
        """For a sentence that names its service and key itself."""
        return ComposeError(
            problem,
            file=self.document.name,
            line=self.document.line(self.path),
            service=self.service,
            key=self.key,
        )

    def note(self, severity: Severity, text: str) -> None:
        """Say that what stands here has no effect, or another one."""
        document = self.document
        line = document.line(self.path)
        document.notes.append(Note(severity, document.name, line, self.service, self.key, text))


def named(path: Path) -> tuple[str, str]:
    """(service or an empty string, the dotted key below it or below the top)."""
    is_inside = len(path) > 1 and path[0] == "services"
    service = str(path[1]) if is_inside else ""
    return service, ".".join(map(str, path[2:] if is_inside else path))


def parse(name: str, text: str) -> Document:
    """Read one file.  Raises ComposeError with the line of what is not YAML, or not a mapping."""
    try:
        root = _compose(name, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = [error.problem]
        if isinstance(error, yaml.composer.ComposerError):
            words.insert(0, error.context)
        problem = ", ".join(word for word in words if word)
        raise ComposeError(
            f"yaml: {problem}", file=name, line=mark.line + 1 if mark else 1
        ) from error
    except (yaml.YAMLError, UnicodeError) as error:
        problem = " ".join(str(error).split())
        raise ComposeError(f"yaml: {problem}", file=name, line=1) from error
    if not isinstance(root, yaml.MappingNode):
        raise ComposeError("top-level object must be a mapping", file=name, line=1)
    return Document(name, root, _Constructor(name).mapping(root, ()))


def _compose(name: str, text: str) -> yaml.Node | None:
    if len(text) > _SAFE_LENGTH:
        _refuse_deep(name, text)
    loader = Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _refuse_deep(name: str, text: str) -> None:
    # The parser is a state machine, but what makes nodes of its events calls itself, in C, without
    # a limit: a hundred thousand brackets would end the process.
    depth = 0
    for event in yaml.parse(text, Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            mark = event.start_mark
            raise ComposeError(_EXCESSIVE, file=name, line=mark.line + 1 if mark else 1)


class _Constructor:
    """Nodes to values."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = _MAX_VALUES
        self._depth = 0

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Json]:
        """Own keys win over merged ones, wherever `<<` stands."""
        self._enter(node, path)
        own: dict[str, Json] = {}
        merged: dict[str, Json] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                for source in self._sources(value, path):
                    for name, inherited in self.mapping(source, path).items():
                        merged.setdefault(name, inherited)
                continue
            name = self._key(key, path)
            if name in own:
                raise self._error(key, f'yaml: mapping key "{name}" already defined', (*path, name))
            own[name] = self._value(value, (*path, name))
        self._depth -= 1
        return {**merged, **own}

    def _enter(self, node: yaml.Node, path: Path) -> None:
        # Aliases are expanded, and may lead back into themselves.
        self._depth += 1
        if self._left < 0 or self._depth > _MAX_DEPTH:
            raise self._error(node, _EXCESSIVE, path[:3])

    def _sources(self, node: yaml.Node, path: Path) -> list[yaml.MappingNode]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not all(isinstance(source, yaml.MappingNode) for source in nodes):
            problem = "yaml: map merge requires map or sequence of maps as the value"
            raise self._error(node, problem, path)
        return list(nodes)

    def _key(self, node: yaml.Node, path: Path) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "str":
            return str(node.value)
        where = f"in {'.'.join(map(str, path))}" if path else "at top level"
        shown = node.value if isinstance(node, yaml.ScalarNode) else "(not a scalar)"
        raise self._error(node, f"Non-string key {where}: {shown}", path)

    def _value(self, node: yaml.Node, path: Path) -> Json:
        self._left -= 1
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._enter(node, path)
            items = [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            self._depth -= 1
            return items
        try:
            return _scalar(node.tag, node.value)
        except ValueError as error:
            raise self._error(node, f"yaml: {error}", path) from error

    def _error(self, node: yaml.Node, problem: str, path: Path) -> ComposeError:
        line = node.start_mark.line + 1
        service, key = named(path)
        return ComposeError(problem, file=self._name, line=line, service=service, key=key)


def _scalar(tag: str, text: str) -> Json:
    """Raises ValueError if the text is not what its tag says."""
    match tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _integer(text)
        case "float":
            return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
        case "str" | "merge":
            return text
        case _:
            raise ValueError(f"cannot use the tag {tag.replace(_TAG, '!!')} in a compose file")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    if re.fullmatch(r"[-+]?0[0-7]+", digits):
        return int(digits, 8)  # 0644, as YAML 1.1 and go-yaml have it
    if re.fullmatch(r"[-+]?[0-9]+", digits):
        return int(digits)  # 08 is no octal number; go-yaml reads it as the float 8
    return int(digits, 0)


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """(the node that marks the line, the node of the value) of a key or index."""
    if isinstance(node, yaml.SequenceNode):
        inside = isinstance(part, int) and part < len(node.value)
        return (node.value[part], node.value[part]) if inside else None
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == part and key.tag != _TAG + "merge":
            return key, value
    for key, value in node.value:
        if key.tag == _TAG + "merge":
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = _child(source, part)
                if found is not None:
                    return found
    return None
