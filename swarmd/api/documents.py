"""The engine's JSON, kept raw per key: what swarmd does not know goes through untouched."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from swarmd.api.message import Response
from swarmd.api.read import UNREADABLE
from swarmd.errors import EngineError

T = TypeVar("T")

Document = dict[str, msgspec.Raw]


def read(data: bytes | msgspec.Raw | None, kind: type[T]) -> T | None:
    """`data` as a `kind`; None if there is none, or if it is something else."""
    if not data:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except UNREADABLE:
        return None


def answered(answer: Response, kind: type[T]) -> T:
    """The JSON of an engine's answer.  Raises EngineError (502) if it is something else."""
    assert isinstance(answer.body, bytes)
    document = read(answer.body, kind)
    if document is None:
        raise EngineError(502, "the engine's answer cannot be read")
    return document


def raw(value: object) -> msgspec.Raw:
    """Anything that msgspec encodes, as a part of a document."""
    return msgspec.Raw(msgspec.json.encode(value))


def merged(document: Mapping[str, msgspec.Raw], **parts: object) -> Document:
    """The document with parts of ours in the place of its own."""
    return {**document, **{name: raw(part) for name, part in parts.items()}}
