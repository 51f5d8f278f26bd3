"""Placement constraints: `key==value` and `key!=value` (swarmkit manager/constraint).

Parsed once per expression; keys are compared without case, values exactly but without case.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from swarmd.errors import InvalidArgumentError
from swarmd.model.node import Node

_KEY = re.compile(r"^[a-z_][a-z0-9\-_.]+$", re.IGNORECASE)
_VALUE = re.compile(r"^[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$", re.IGNORECASE)


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """One parsed expression."""

    key: str
    is_equal: bool
    value: str


@lru_cache(maxsize=4096)
def parse(expression: str) -> Constraint:
    """Raises InvalidArgumentError in swarmkit's words."""
    for operator in ("==", "!="):
        key, found, value = expression.partition(operator)
        if not found:
            continue
        key, value = key.strip(), value.strip()
        if not _KEY.match(key):
            raise InvalidArgumentError(f"key '{key}' is invalid")
        if not _VALUE.match(value):
            raise InvalidArgumentError(f"value '{value}' is invalid")
        return Constraint(key=key, is_equal=operator == "==", value=value)
    raise InvalidArgumentError("constraint expected one operator from ==, !=")


def matches(expressions: Sequence[str], node: Node) -> bool:
    """Whether the node satisfies all of them."""
    return all(_holds(parse(expression), node) for expression in expressions)


def _holds(constraint: Constraint, node: Node) -> bool:
    key = constraint.key.lower()
    if key == "node.ip":
        return _ip_holds(constraint, node.status.addr)
    values = _values(constraint.key, key, node)
    if values is None:
        return False
    return (constraint.value.lower() in [value.lower() for value in values]) is constraint.is_equal


def _values(key: str, lowered: str, node: Node) -> list[str] | None:
    """The node's value for a key: at most one; None = no such key exists, so nothing matches."""
    description = node.description
    simple = {
        "node.id": node.id,
        "node.hostname": node.hostname,
        "node.role": node.role.value,
        "node.platform.os": description.platform.os if description else "",
        "node.platform.arch": description.platform.architecture if description else "",
    }
    if lowered in simple:
        return [simple[lowered]]
    for prefix, labels in (
        ("node.labels.", node.spec.labels),
        ("engine.labels.", description.engine.labels if description else {}),
    ):
        if lowered.startswith(prefix):
            label = key[len(prefix) :]
            return [labels[label]] if label in labels else []
    return None


def _ip_holds(constraint: Constraint, address: str) -> bool:
    try:
        wanted = ipaddress.ip_network(constraint.value, strict=False)
        inside = ipaddress.ip_address(address) in wanted
    except ValueError:
        return False
    return inside is constraint.is_equal
