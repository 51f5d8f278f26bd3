"""Typed msgpack with one error."""

from typing import TypeVar

import msgspec

from swarmd.errors import WireError

T = TypeVar("T")


def pack(value: object) -> bytes:
    """The bytes of a struct."""
    return msgspec.msgpack.encode(value)


def unpack(data: bytes, type_: type[T]) -> T:
    """Raises WireError naming the type."""
    try:
        return msgspec.msgpack.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"{type_.__name__}: {error}") from error
