"""What must be in the end, when everything is healed: what clients were told, and nothing else."""

from collections.abc import Mapping, Sequence

from swarmd.model.ids import ServiceID
from swarmd.model.node import Node
from swarmd.model.spec import Reservations
from swarmd.model.task import Task, TaskState
from swarmd.sim.workload import Wish
from swarmd.sim.world import Machine
from swarmd.store.usage import reservations
from swarmd.store.view import View
from swarmd.wire.container import TASK_ID_LABEL


def unwell(view: View, wishes: Mapping[str, Wish], machines: Sequence[Machine]) -> str:
    """The first thing that is not as it must be; empty if all is."""
    for name, wish in wishes.items():
        if problem := _service(view, name, wish):
            return problem
    for machine in machines:
        if problem := _containers(view, machine):
            return problem
    return ""


def _service(view: View, name: str, wish: Wish) -> str:
    """As its last acknowledged request asked, and running as far as there is room."""
    service_id = view.id_by_name("service", name)
    if wish.is_removed or service_id is None:
        if wish.is_removed == (service_id is None):
            return ""
        return f"{name} was {'removed' if wish.is_removed else 'acknowledged'}, and is not so"
    spec = view.spec(view.services()[ServiceID(service_id)])
    container = spec.task_template.container_spec
    if container is None or container.env != (f"MARK={wish.mark}",):
        return f"{name} is not as it was acknowledged: {container}"
    tasks = [task for task in view.tasks_of(service_id).values() if task.is_wanted]
    running = sum(task.is_running for task in tasks)
    wanted = len(view.nodes()) if wish.replicas is None else wish.replicas
    blocked = sum(_has_no_room(view, task, reservations(spec)) for task in tasks)
    if running + blocked != wanted:
        return f"{name}: {running} of {wanted} tasks run, {blocked} have no room"
    return ""


def _has_no_room(view: View, task: Task, reserved: Reservations) -> bool:
    """It waits, and no node where it might go has what it asks for."""
    if task.state is not TaskState.PENDING:
        return False
    node = view.node(task.node_id)
    nodes = [node] if node is not None else view.nodes().values()
    return all(free_bytes(view, node) < reserved.memory_bytes for node in nodes)


def free_bytes(view: View, node: Node) -> int:
    """Memory of a node that no task has reserved; summed anew, not taken from the index."""
    has = node.description.resources.memory_bytes if node.description else 0
    tasks = view.tasks_on(node.id).values()
    return has - sum(reservations(view.spec_of(t)).memory_bytes for t in tasks if t.takes_room)


def _containers(view: View, machine: Machine) -> str:
    """Every container is that of a task that is known; one that runs is wanted."""
    for container in machine.engine.containers.values():
        task = view.task(container.labels.get(TASK_ID_LABEL, ""))
        if task is None or (container.status == "running" and not task.is_wanted):
            return f"{machine.name} has a stray container {container.name}"
    return ""
