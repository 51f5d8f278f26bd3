"""Global services: one task on every node that fits.

A node fits if it satisfies the constraints and is neither down nor draining; one whose session is
UNKNOWN or DISCONNECTED still counts.  A paused node keeps its task and gets no new one.

Source: swarmkit orchestrator/global/global.go.
"""

from swarmd.dispatcher.control.restart import is_given_up
from swarmd.dispatcher.control.slots import Slot, new_task, removal, slots_of
from swarmd.dispatcher.control.step import Portion, Step
from swarmd.dispatcher.scheduler.constraints import matches
from swarmd.model.node import Availability, Node
from swarmd.model.service import Service
from swarmd.model.spec import Placement, ServiceSpec
from swarmd.model.task import TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask, PutTask
from swarmd.store.view import View


def global_service(view: View, service: Service, now: Timestamp) -> Step:
    """Add tasks to nodes that fit, shut down those on nodes that do not."""
    spec = view.spec(service)
    slots = slots_of(view, service)
    portion = Portion()
    for node in view.nodes().values():
        slot = slots.pop(node.id, None)
        changes: list[Change] = []
        if not fits(spec, node):
            changes = _shut_down(slot)
        elif node.spec.availability is Availability.ACTIVE and not _is_filled(
            view, service, slot, now
        ):
            changes = [PutTask(record=new_task(view, service, now, node_id=node.id))]
        if changes and not portion.takes(changes):
            return portion.step()
    for slot in slots.values():  # of nodes that were deleted
        if not portion.takes(removal(slot)):
            break
    return portion.step()


def fits(spec: ServiceSpec, node: Node) -> bool:
    """Whether a global service of this spec has a task on the node."""
    placement = spec.task_template.placement or Placement()
    return not node.is_invalid and matches(placement.constraints, node)


def _is_filled(view: View, service: Service, slot: Slot | None, now: Timestamp) -> bool:
    return slot is not None and (bool(slot.wanted) or is_given_up(view, service, slot, now))


def _shut_down(slot: Slot | None) -> list[Change]:
    wanted = slot.wanted if slot else ()
    return [PatchTask(id=task.id, desired_state=TaskState.SHUTDOWN) for task in wanted]
