"""Docker's JSON to records and back, for every noun.

Reading follows Go's decoder: null and absent are the zero value, names match in any case, what is
not known is ignored.  What Docker then refuses (an unknown word for a role, say) is refused in its
words.  Writing follows Docker's conversion of stored objects, which fills in some words that a
record leaves out because they are its defaults.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from swarmd.errors import BadRequestError
from swarmd.model.cluster import (
    CAConfig,
    ClusterSpec,
    DispatcherSettings,
    EncryptionConfig,
    Orchestration,
    RaftSettings,
)
from swarmd.model.node import Availability, Role
from swarmd.model.spec import (
    FailureAction,
    FileTarget,
    Mount,
    Privileges,
    RestartCondition,
    RestartPolicy,
    UpdateConfig,
    UpdateOrder,
)

R = TypeVar("R", bound=msgspec.Struct)

#: What Docker says of a word that is none of an enumeration's.
_REFUSALS: Mapping[type[Enum], str] = {
    Role: 'invalid Role: "{}"',
    Availability: 'invalid Availability: "{}"',
    RestartCondition: 'invalid RestartCondition: "{}"',
    FailureAction: "unrecognized update failure action {}",
    UpdateOrder: "unrecognized update order {}",
}
#: Enumerations whose words Docker takes in any case.
_ANY_CASE = frozenset({Role, Availability})

#: Fields that are written although they have their default.
_ALWAYS: Mapping[type[msgspec.Struct], frozenset[str]] = {
    UpdateConfig: frozenset({"failure_action", "order"}),
    RestartPolicy: frozenset({"condition"}),
    Mount: frozenset({"type"}),
    Privileges: frozenset({"credential_spec", "selinux_context", "no_new_privileges"}),
    FileTarget: frozenset({"uid", "gid", "mode"}),
    ClusterSpec: frozenset(ClusterSpec.__struct_fields__),
    Orchestration: frozenset(Orchestration.__struct_fields__),
    RaftSettings: frozenset(RaftSettings.__struct_fields__),
    DispatcherSettings: frozenset(DispatcherSettings.__struct_fields__),
    CAConfig: frozenset({"node_cert_expiry"}),
    EncryptionConfig: frozenset(EncryptionConfig.__struct_fields__),
}
#: int64 and uint64
_NUMBERS = (-(2**63), 2**64 - 1)
#: Fields that are written as null although they have no value.
_NULLED: Mapping[type[msgspec.Struct], frozenset[str]] = {
    Privileges: frozenset({"credential_spec", "selinux_context"}),
}


def parse(body: bytes) -> Any:
    """JSON as Python's own types.

    Raises msgspec.DecodeError, also for numbers that Go's types and the log's entries do not hold.
    """
    try:
        value = msgspec.json.decode(body)
        _check_numbers(value)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None
    except UnicodeError as error:
        raise msgspec.DecodeError(f"JSON is not UTF-8: {error}") from error
    return value


def _check_numbers(value: Any) -> None:
    if isinstance(value, int):
        if not _NUMBERS[0] <= value <= _NUMBERS[1]:
            raise msgspec.DecodeError("a number does not fit into 64 bits")
    elif isinstance(value, dict):
        for part in value.values():
            _check_numbers(part)
    elif isinstance(value, list):
        for part in value:
            _check_numbers(part)


def decode(body: bytes, kind: type[R]) -> R:
    """A record out of a request's body.

    Raises msgspec.DecodeError for what is not such JSON, BadRequestError for an unknown word.
    """
    return convert(parse(body), kind)


def convert(value: Any, kind: type[R]) -> R:
    """A record out of Python's own types; raises as `decode` does."""
    return msgspec.convert(canonical(value, kind), kind)


def canonical(value: Any, kind: type[msgspec.Struct]) -> Any:
    """`value` with Docker's names for what `kind` has, Go's zero values for what it lacks."""
    return _shape(kind).read(value)


def to_docker(value: Any) -> Any:
    """A record, or anything that is made of them, as what msgspec writes as Docker's JSON."""
    if isinstance(value, msgspec.Struct):
        always = _ALWAYS.get(type(value), frozenset())
        nulled = _NULLED.get(type(value), frozenset())
        return {
            name: to_docker(part)
            for attribute, name, default in _written(type(value))
            if ((part := getattr(value, attribute)) is not None or attribute in nulled)
            and (part != default or attribute in always)
        }
    if isinstance(value, tuple):
        return [to_docker(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # as Go writes it
    return value


def encoded(value: Any) -> msgspec.Raw:
    """A record as a piece of JSON, to be put into others without being encoded again."""
    return msgspec.Raw(msgspec.json.encode(to_docker(value)))


# ---- paths: where Docker's versions, or this one's limits, know less than the JSON says


def at_path(value: Any, path: str) -> list[tuple[dict[str, Any], str]]:
    """Every (object, key) that `path` leads to: "TaskTemplate.ContainerSpec.Mounts[].Type"."""
    step, _, rest = path.partition(".")
    key = step.removesuffix("[]")
    if not isinstance(value, dict) or value.get(key) is None:
        return []
    if not rest:
        return [(value, key)]
    below = value[key] if step.endswith("[]") else [value[key]]
    if not isinstance(below, list):
        return []  # no such JSON, as the record's decoder will say
    return [found for part in below for found in at_path(part, rest)]


# ---- reading


class _Shape(NamedTuple):
    """How one type is read: `read` makes a value canonical, `zero` is Go's zero value."""

    read: Callable[[Any], Any]
    zero: Any


class _Field(NamedTuple):
    name: str
    shape: _Shape
    is_required: bool
    is_enum: bool


def _as_it_is(value: Any) -> Any:
    return value


_ZEROS: Mapping[type[inspect.Type], Any] = {
    inspect.StrType: "",
    inspect.FloatType: 0.0,
    inspect.BoolType: False,
    inspect.IntType: 0,
}


@lru_cache(maxsize=256)
def _shape(kind: type[msgspec.Struct]) -> _Shape:
    """The shape of a record; made once."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    fields = {}
    for field in described.fields:
        inner = _bare(field.type)
        one = _Field(
            field.encode_name, _shape_of(inner), field.required, isinstance(inner, inspect.EnumType)
        )
        fields[field.encode_name] = one
        fields.setdefault(field.encode_name.lower(), one)
    required = tuple({f.name: f for f in fields.values() if f.is_required}.values())

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        out: dict[str, Any] = {}
        for key, part in value.items():
            field = fields.get(key) or fields.get(key.lower())
            # Go leaves what is null at its zero value; for a word that is "", the default.
            if field is not None and part is not None and not (field.is_enum and part == ""):
                out[field.name] = field.shape.read(part)
        for field in required:
            if field.name not in out:
                out[field.name] = field.shape.read(field.shape.zero)
        return out

    return _Shape(read, {})


def _bare(described: inspect.Type) -> inspect.Type:
    """The type of a field that may be None."""
    if isinstance(described, inspect.UnionType):
        inner = [t for t in described.types if not isinstance(t, inspect.NoneType)]
        return inner[0] if len(inner) == 1 else described
    return described


def _shape_of(described: inspect.Type) -> _Shape:
    match described:
        case inspect.StructType(cls=kind):
            return _shape(kind)
        case inspect.VarTupleType(item_type=item):
            return _list_of(_shape_of(_bare(item)))
        case inspect.DictType():
            return _Shape(_read_labels, {})
        case inspect.EnumType(cls=words):
            return _words(words)
        case _:
            return _Shape(_as_it_is, _ZEROS[type(described)])


def _list_of(item: _Shape) -> _Shape:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [item.read(item.zero if part is None else part) for part in value]

    return _Shape(read, [])


def _read_labels(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: "" if part is None else part for key, part in value.items()}


def _words(kind: type[Enum]) -> _Shape:
    known = frozenset(member.value for member in kind)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            word = value.lower() if kind in _ANY_CASE else value
            if word not in known:
                raise BadRequestError(_REFUSALS[kind].format(value))
            return word
        return value

    return _Shape(read, "")


@lru_cache(maxsize=256)
def _written(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    """(attribute, Docker's name, default) of each field; no default = one that nothing equals."""
    return tuple(
        (field.name, field.encode_name, _default(field)) for field in msgspec.structs.fields(kind)
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
