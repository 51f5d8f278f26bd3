"""What must be in the end, when everything is healed: what clients were told, and nothing else."""

from collections.abc import Sequence

from swarmd.model.ids import ServiceID
from swarmd.model.node import Availability, Node, NodeState, Role
from swarmd.model.service import Service
from swarmd.model.task import Task, TaskState
from swarmd.sim.reaching import unreached
from swarmd.sim.room import fits, host_ports, may_be_on, reserved
from swarmd.sim.wishes import NodeWish, ServiceWish, Wishes
from swarmd.sim.world import Machine
from swarmd.store.view import View
from swarmd.wire.container import TASK_ID_LABEL


def unwell(view: View, wishes: Wishes, machines: Sequence[Machine]) -> str:
    """The first thing that is not as it must be; empty if all is."""
    for machine in machines:
        if problem := _node(view, machine, wishes.nodes.get(machine.node_id)):
            return problem
    nodes = [node for machine in machines if (node := view.node(machine.node_id))]
    for name, wish in wishes.services.items():
        if wish is not None and (problem := _service(view, name, wish, nodes)):
            return problem
    for name, is_there in wishes.networks.items():
        if is_there is not None and (view.id_by_name("network", name) is not None) != is_there:
            return f"network {name} was {'made' if is_there else 'removed'}, and is not so"
    for machine in machines:
        if problem := _containers(view, machine):
            return problem
    return unreached(view, machines)


# ---- nodes


def _node(view: View, machine: Machine, wish: NodeWish | None) -> str:
    """Ready, in the role that it was given, and knowing it."""
    node = view.node(machine.node_id)
    if node is None or machine.daemon is None:
        return f"{machine.name} is not in the swarm"
    if node.status.state is not NodeState.READY or not node.status.engine_reachable:
        return f"{machine.name} is not ready: {node.status}"
    is_manager = node.spec.role is Role.MANAGER
    is_member = node.member is not None and not node.member.is_learner
    standing = machine.daemon.standing()
    if node.role is not node.spec.role or {is_member, standing.is_manager} != {is_manager}:
        return f"{machine.name} is to be a {node.spec.role}: {node.role}, {node.member}, {standing}"
    if wish is None:
        return ""
    spec = node.spec
    if (spec.role, spec.availability) != (wish.role, wish.availability) or (
        spec.labels.get("zone", "") != wish.zone
    ):
        return f"{machine.name} is not as it was acknowledged: {spec}, not {wish}"
    return ""


# ---- services


def _service(view: View, name: str, wish: ServiceWish, nodes: Sequence[Node]) -> str:
    """As its last acknowledged request asked, and running as far as there is room."""
    service_id = view.id_by_name("service", name)
    if wish.is_removed or service_id is None:
        if wish.is_removed == (service_id is None):
            return ""
        return f"{name} was {'removed' if wish.is_removed else 'acknowledged'}, and is not so"
    service = view.services()[ServiceID(service_id)]
    problem = _differs(view, service, wish) or _runs_not(view, service, wish, nodes)
    return f"{name}: {problem}" if problem else ""


def _runs_not(view: View, service: Service, wish: ServiceWish, nodes: Sequence[Node]) -> str:
    tasks = [task for task in view.tasks_of(service.id).values() if task.is_wanted]
    misplaced = [problem for task in tasks if (problem := _misplaced(view, service, task))]
    if misplaced:
        return misplaced[0]
    if wish.replicas is None:
        return _global(view, service, tasks, nodes)
    running = sum(task.is_running for task in tasks)
    blocked = sum(_has_no_room(view, task) for task in tasks)
    if running + blocked != wish.replicas:
        return f"{running} of {wish.replicas} tasks run, {blocked} have no room"
    return ""


def _differs(view: View, service: Service, wish: ServiceWish) -> str:
    spec = view.spec(service)
    template = spec.task_template
    network = view.id_by_name("network", wish.network) if wish.network else None
    has = {
        "environment": template.container_spec.env if template.container_spec else (),
        "constraints": template.placement.constraints if template.placement else (),
        "reservations": (reserved(spec).memory_bytes, reserved(spec).nano_cpus),
        "networks": tuple(one.target for one in template.networks),
        "host ports": tuple(host_ports(spec)),
        "published ports": tuple(port.published_port for port in service.ports if port.is_ingress),
        "replicas": spec.replicas if spec.is_replicated else None,
    }
    owed = {
        "environment": (f"MARK={wish.mark}",),
        "constraints": (wish.constraint,) if wish.constraint else (),
        "reservations": (wish.memory_bytes, wish.nano_cpus),
        "networks": (network,) if network else (),
        "host ports": (wish.host_port,) if wish.host_port else (),
        "published ports": (wish.published_port,) if wish.published_port else (),
        "replicas": wish.replicas,
    }
    return "; ".join(
        f"{what} {has[what]}, not {owed[what]}" for what in owed if has[what] != owed[what]
    )


def _misplaced(view: View, service: Service, task: Task) -> str:
    """A task that is wanted where it may not be; paused nodes keep what they have."""
    node = view.node(task.node_id)
    if node is None or node.spec.availability is Availability.PAUSE:
        return ""
    if node.spec.availability is Availability.DRAIN:
        return f"task {task.id} is wanted on {node.hostname}, which drains"
    if not may_be_on(view.spec(service), node):
        return f"task {task.id} is wanted on {node.hostname}, against the constraints"
    return ""


def _global(view: View, service: Service, tasks: Sequence[Task], nodes: Sequence[Node]) -> str:
    """One on each node that is active and matches, one at most on a paused one."""
    for node in nodes:
        own = [task for task in tasks if task.node_id == node.id]
        well = sum(task.is_running or _has_no_room(view, task) for task in own)
        is_active = node.spec.availability is Availability.ACTIVE
        if is_active and may_be_on(view.spec(service), node) and (well, len(own)) != (1, 1):
            return f"{node.hostname} has {[task.status for task in own]}"
        if len(own) > 1:
            return f"{node.hostname} has {len(own)} tasks"
    return ""


def _has_no_room(view: View, task: Task) -> bool:
    """It waits, and may go nowhere at the moment."""
    if task.state is not TaskState.PENDING:
        return False
    node = view.node(task.node_id)
    nodes = [node] if node is not None else view.nodes().values()
    return not any(fits(view, node, task) for node in nodes)


# ---- containers


def _containers(view: View, machine: Machine) -> str:
    """Every container is that of a task that is known; one that runs is wanted."""
    for container in machine.engine.containers.values():
        task = view.task(container.labels.get(TASK_ID_LABEL, ""))
        is_running = container.status == "running"
        if task is None or task.node_id != machine.node_id or (is_running and not task.is_wanted):
            return f"{machine.name} has a stray container {container.name}"
    return ""
