"""Where a task may be: the scheduler's conditions, said once more and summed anew from the records.

Neither the product's filters nor its index of what is used are asked: they are what is checked.
"""

from collections.abc import Iterator, Mapping

import msgspec

from swarmd.model.node import Node
from swarmd.model.spec import Reservations, ServiceSpec
from swarmd.model.task import Task
from swarmd.store.view import View


class Room(msgspec.Struct, frozen=True):
    """What nobody has reserved."""

    memory_bytes: int
    nano_cpus: int


def fits(view: View, node: Node, task: Task) -> bool:
    """Whether the task could go to the node now."""
    spec = view.spec_of(task)
    needs, free = reserved(spec), room(view, node)
    return (
        node.is_ready
        and may_be_on(spec, node)
        and (not needs.memory_bytes or needs.memory_bytes <= free.memory_bytes)
        and (not needs.nano_cpus or needs.nano_cpus <= free.nano_cpus)
        and not {*host_ports(spec)} & {*ports_taken(view, node)}
    )


def may_be_on(spec: ServiceSpec, node: Node) -> bool:
    """Whether the node satisfies the constraints; of those that the workload uses."""
    placement = spec.task_template.placement
    return all(_holds(one, node) for one in (placement.constraints if placement else ()))


def _holds(constraint: str, node: Node) -> bool:
    has: Mapping[str, str] = {
        "node.role": node.role.value,
        "node.hostname": node.hostname,
        "node.labels.zone": node.spec.labels.get("zone", ""),
    }
    is_equal = "==" in constraint
    key, _, value = constraint.partition("==" if is_equal else "!=")
    return (has[key] == value) is is_equal


def room(view: View, node: Node) -> Room:
    """What the node has left; less than nothing is a violation."""
    has = node.description.resources if node.description else None
    needs = [
        reserved(view.spec_of(task)) for task in view.tasks_on(node.id).values() if _is_in(task)
    ]
    return Room(
        (has.memory_bytes if has else 0) - sum(one.memory_bytes for one in needs),
        (has.nano_cpus if has else 0) - sum(one.nano_cpus for one in needs),
    )


def reserved(spec: ServiceSpec) -> Reservations:
    """What one task sets aside."""
    resources = spec.task_template.resources
    return (resources and resources.reservations) or Reservations()


def host_ports(spec: ServiceSpec) -> Iterator[int]:
    """Ports that a task binds on its node."""
    return (port.published_port for port in spec.ports if not port.is_ingress)


def ports_taken(view: View, node: Node) -> list[int]:
    """Ports that tasks bind on the node; twice the same is a violation."""
    tasks = view.tasks_on(node.id).values()
    return [port for task in tasks if _is_in(task) for port in host_ports(view.spec_of(task))]


def _is_in(task: Task) -> bool:
    """A container of it may be on its node, or will."""
    return task.takes_room
