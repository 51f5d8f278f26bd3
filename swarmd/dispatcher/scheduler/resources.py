"""Generic resources: units that an operator declares on a node and tasks claim by kind.

A kind is discrete (a count) or named (a set of values).  A request is a count; a claim says which.
"""

from collections.abc import Iterable, Sequence

from swarmd.model.ids import TaskID
from swarmd.model.node import Node
from swarmd.model.spec import DiscreteResource, GenericResource, NamedResource
from swarmd.model.task import Task

#: kind → free count, or free values in order
Free = dict[str, int | list[str]]


def unclaimed(node: Node, tasks: Iterable[Task]) -> Free:
    """What the node declared, without what tasks that may still run have claimed."""
    free: Free = {}
    for declared in node.description.resources.generic_resources if node.description else ():
        _add(free, declared)
    for task in tasks:
        if task.holds_resources:
            for claimed in task.generic_resources:
                _take(free, claimed)
    return free


def unfounded(node: Node, tasks: Iterable[Task]) -> set[TaskID]:
    """Tasks that claim what the node does not have, or not any more; older ones keep theirs."""
    free = unclaimed(node, ())
    lost: set[TaskID] = set()
    claiming = [task for task in tasks if task.holds_resources and task.generic_resources]
    for task in sorted(claiming, key=lambda task: (task.created_at, task.id)):
        if all(_is_free(free, claimed) for claimed in task.generic_resources):
            for claimed in task.generic_resources:
                _take(free, claimed)
        else:
            lost.add(task.id)
    return lost


def can_claim(wanted: Sequence[GenericResource], free: Free) -> bool:
    """Whether every requested count is there."""
    return all(_available(free.get(kind, 0)) >= count for kind, count in _counts(wanted))


def claim(wanted: Sequence[GenericResource], free: Free) -> tuple[GenericResource, ...]:
    """Take the units out of `free`; named ones in their declared order."""
    claims: list[GenericResource] = []
    for kind, count in _counts(wanted):
        have = free[kind]
        if isinstance(have, int):
            free[kind] = have - count
            discrete = DiscreteResource(kind=kind, value=count)
            claims.append(GenericResource(discrete_resource_spec=discrete))
        else:
            taken, free[kind] = have[:count], have[count:]
            claims.extend(
                GenericResource(named_resource_spec=NamedResource(kind=kind, value=value))
                for value in taken
            )
    return tuple(claims)


def _counts(wanted: Sequence[GenericResource]) -> list[tuple[str, int]]:
    """Requests are discrete; others are refused when the service is made.

    None of a kind is no request: the node may not know the kind.
    """
    specs = (resource.discrete_resource_spec for resource in wanted)
    return [(spec.kind, spec.value) for spec in specs if spec is not None and spec.value > 0]


def _available(have: int | list[str]) -> int:
    return have if isinstance(have, int) else len(have)


def _add(free: Free, resource: GenericResource) -> None:
    if resource.discrete_resource_spec is not None:
        spec = resource.discrete_resource_spec
        free[spec.kind] = spec.value
    elif resource.named_resource_spec is not None:
        named = resource.named_resource_spec
        values = free.setdefault(named.kind, [])
        if isinstance(values, list):
            values.append(named.value)


def _is_free(free: Free, claimed: GenericResource) -> bool:
    if claimed.named_resource_spec is not None:
        named = claimed.named_resource_spec
        values = free.get(named.kind)
        return isinstance(values, list) and named.value in values
    spec = claimed.discrete_resource_spec
    have = free.get(spec.kind, 0) if spec is not None else 0
    return spec is None or (isinstance(have, int) and have >= spec.value)


def _take(free: Free, resource: GenericResource) -> None:
    if resource.discrete_resource_spec is not None:
        spec = resource.discrete_resource_spec
        have = free.get(spec.kind, 0)
        if isinstance(have, int):
            free[spec.kind] = have - spec.value
    elif resource.named_resource_spec is not None:
        named = resource.named_resource_spec
        values = free.get(named.kind)
        if isinstance(values, list) and named.value in values:
            values.remove(named.value)
