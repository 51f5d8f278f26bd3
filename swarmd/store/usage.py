"""What the tasks of a node take, kept up to date with every write of a task.

Only `place` looks across services; with this index it need not look at their tasks.
"""

import msgspec

from swarmd.model.spec import Reservations, ServiceSpec
from swarmd.model.task import Task

NOTHING = Reservations()


class NodeUsage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over the tasks of one node."""

    #: wanted and not ended, of all services: the scheduler's second criterion
    active: int = 0
    nano_cpus: int = 0
    memory_bytes: int = 0

    def plus(self, task: Task, reserved: Reservations, sign: int) -> "NodeUsage":
        """With a task added (`sign` 1) or taken away (-1)."""
        held = sign if task.takes_room else 0
        return NodeUsage(
            active=self.active + (sign if task.is_active else 0),
            nano_cpus=self.nano_cpus + held * reserved.nano_cpus,
            memory_bytes=self.memory_bytes + held * reserved.memory_bytes,
        )


UNUSED = NodeUsage()


def reservations(spec: ServiceSpec | None) -> Reservations:
    """What one task of a service sets aside."""
    if spec is None or spec.task_template.resources is None:
        return NOTHING
    return spec.task_template.resources.reservations or NOTHING
