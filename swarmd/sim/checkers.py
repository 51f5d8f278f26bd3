"""What must never be, looked at after every batch that any manager applies and every engine's act."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from swarmd.daemon.manager import Manager
from swarmd.model.node import Node, NodeState
from swarmd.model.task import Task, TaskState
from swarmd.ports import Container
from swarmd.sim.client import Acknowledged, Client
from swarmd.sim.room import may_be_on, ports_taken, room
from swarmd.sim.world import Machine, World
from swarmd.store.apply import Touched
from swarmd.store.entry import Kind
from swarmd.store.view import View
from swarmd.wire.container import TASK_ID_LABEL

#: A node that nobody disturbed for so long must not be held to be down.
QUIET_S = 25.0
#: Whole states are compared this often; in between, what each batch wrote.
WHOLE_EVERY = 50


class Checkers:
    """The invariants of one world."""

    def __init__(self, world: World, client: Client) -> None:
        self._world, self._client = world, client
        #: (what, index) → digest of it, of whoever came there first
        self._states: dict[tuple[str, int], bytes] = {}
        #: term → who led in it
        self._leaders: dict[int, str] = {}
        #: task → (state's rank, node)
        self._tasks: dict[str, tuple[int, str]] = {}
        #: managers that are watched; kept, so that none gets another's id
        self._watched: list[Manager] = []
        #: the newest state that anybody has
        self.newest: View | None = None
        world.on_act = self.acted

    def look(self) -> None:
        """Watch managers that are new, and see who leads."""
        managers = [(m, manager) for m in self._world.live() if (manager := _manager(m))]
        for machine, manager in managers:
            if not any(manager is one for one in self._watched):
                self._watched.append(manager)
                self._remembers(machine, manager.store.view())
                manager.store.watch(partial(self._applied, machine, manager))
        statuses = [(machine, manager, manager.raft.status()) for machine, manager in managers]
        # Of all that can be asked now: whoever led a moment ago may not know yet that it does not.
        newest = max((status.term for _, _, status in statuses), default=0)
        for machine, manager, status in statuses:
            if status.is_leader:
                self._leads(machine, status.term)
                if manager.is_leader() and status.term == newest:
                    self._knows_all(machine, manager.store.view())

    def _leads(self, machine: Machine, term: int) -> None:
        """One leader in a term."""
        other = self._leaders.setdefault(term, machine.name)
        if other != machine.name:
            self._world.violate(f"two leaders in term {term}: {other} and {machine.name}")

    def _knows_all(self, machine: Machine, view: View) -> None:
        """The newest leader has everything that was acknowledged."""
        for write in self._client.acknowledged.values():
            if view.answered(write.request_id) != write.index:
                self._misses(f"{machine.name}, the leader,", view, write)

    # ---- a manager applied a batch

    def _applied(
        self, machine: Machine, manager: Manager, touched: Sequence[Touched] | None
    ) -> None:
        view = manager.store.view()
        self._world.trace("applied", machine.name, view.index)
        self._remembers(machine, view)
        if touched is not None:
            self._agree(machine, view, "batch", _written(view, touched))
        if touched is None or view.index % WHOLE_EVERY == 0:
            self._agree(machine, view, "state", _whole(view))
        if self.newest is None or view.index > self.newest.index:
            before, self.newest = self.newest, view
            self._newer(before, view, touched)
        if any(one.kind is Kind.NODE for one in touched or ()):
            for node in _reach(view, touched)[1].values():
                self._down(node)

    def _newer(self, before: View | None, view: View, touched: Sequence[Touched] | None) -> None:
        """A state that nobody had yet."""
        tasks, nodes = _reach(view, touched)
        for task in tasks:
            self._moved(task)
            self._placed(before, view, task)
        for node in nodes.values():
            self._fits(view, node)
        if any(not one.is_status for one in touched or ()):
            self._addresses(view)
        for told in self._world.on_newer:
            told(before, view, touched)

    def _remembers(self, machine: Machine, view: View) -> None:
        """What clients were told of is in every state from then on."""
        for write in self._client.acknowledged.values():
            if write.is_missing(view):
                self._misses(machine.name, view, write)

    def _misses(self, who: str, view: View, write: Acknowledged) -> None:
        self._world.violate(
            f"{who} is at index {view.index} and misses {write.what}, which was acknowledged at "
            f"{write.index}"
        )

    def _agree(
        self, machine: Machine, view: View, what: str, records: Iterator[msgspec.Struct]
    ) -> None:
        """Two managers have the same at one index."""
        digest = hashlib.sha256(msgspec.msgpack.encode(list(records))).digest()
        if self._states.setdefault((what, view.index), digest) != digest:
            self._world.violate(f"{machine.name} has another {what} at index {view.index}")

    def _moved(self, task: Task) -> None:
        """A task's state never goes back, and its node never changes."""
        rank, node = self._tasks.get(task.id, (-1, ""))
        if task.state.rank < rank:
            self._world.violate(f"the state of task {task.id} went back to {task.state}")
        if node and task.node_id != node:
            self._world.violate(f"task {task.id} moved from {node} to {task.node_id or 'nowhere'}")
        self._tasks[task.id] = (task.state.rank, task.node_id)

    def _placed(self, before: View | None, view: View, task: Task) -> None:
        """A task that was just placed may be where it is, by the state before or the one after."""
        was = before.task(task.id) if before is not None else None
        assigned = TaskState.ASSIGNED.rank
        if task.state is not TaskState.ASSIGNED or (was is not None and was.state.rank >= assigned):
            return
        known = [one.node(task.node_id) for one in (before, view) if one is not None]
        spec = view.spec_of(task)
        if not any(node and node.is_ready and may_be_on(spec, node) for node in known):
            where = (
                f"{node.hostname}, {node.spec.availability}" if (node := known[-1]) else "nothing"
            )
            self._world.violate(f"task {task.id} was placed on {where}, where it may not be")

    def _down(self, node: Node) -> None:
        """Who was not disturbed is not held to be dead."""
        if node.status.state is not NodeState.DOWN:
            return
        machine = next((m for m in self._world.machines if m.node_id == node.id), None)
        if machine is None:
            return
        quiet = self._world.loop.now - machine.undisturbed_since
        if machine.engine.is_up and quiet > QUIET_S:
            self._world.violate(f"{machine.name} was held to be down, and was not disturbed")

    def _fits(self, view: View, node: Node) -> None:
        """Reservations stay within what the node has."""
        if node.description is None or not node.description.resources.memory_bytes:
            return  # its engine never answered
        free = room(view, node)
        if min(free.memory_bytes, free.nano_cpus) < 0:
            self._world.violate(f"tasks of node {node.id} reserve more than it has: {free}")
        ports = ports_taken(view, node)
        if len(ports) > len(set(ports)):
            self._world.violate(f"tasks of node {node.id} bind one port twice: {ports}")

    def _addresses(self, view: View) -> None:
        """An address has one owner: a task, a service or a node."""
        held: dict[tuple[str, str], str] = {}
        for network_id, address, owner in _owners(view):
            other = held.setdefault((network_id, address), owner)
            if other != owner:
                self._world.violate(f"{address} is held by {other} and by {owner}")

    # ---- an engine did something

    def acted(self, machine: Machine, what: str, container: Container) -> None:
        """No container that is wanted goes, and none is started twice."""
        task_id = container.labels.get(TASK_ID_LABEL, "")
        if what == "start" and machine.engine.starts[task_id] > 1:
            self._world.violate(f"{machine.name} started the container of task {task_id} again")
        task = self.newest.task(task_id) if self.newest else None
        # A desired state only rises: whoever is wanted now was wanted in every set before.
        is_wanted = task is not None and task.is_wanted and task.holds_resources
        is_running = container.status == "running"
        if what == "remove" and is_wanted and is_running and not machine.is_leaving:
            self._world.violate(f"{machine.name} removed the running container of task {task_id}")


def _manager(machine: Machine) -> Manager | None:
    node = machine.daemon.node if machine.daemon else None
    return node.managing.manager if node else None


def _written(view: View, touched: Sequence[Touched]) -> Iterator[msgspec.Struct]:
    """The records that a batch wrote, as they are after it."""
    for one in touched:
        record: msgspec.Struct | None = None
        match one.kind:
            case Kind.TASK:
                record = view.task(one.id)
            case Kind.SERVICE:
                record = view.service(one.id)
            case Kind.NODE:
                record = view.node(one.id)
            case Kind.NETWORK:
                record = view.network(one.id)
            case _:
                record = view.cluster
        yield one
        if record is not None:
            yield record


def _whole(view: View) -> Iterator[msgspec.Struct]:
    """Every record."""
    yield from sorted(view.tasks(), key=lambda task: task.id)
    yield from view.services().values()
    yield from view.nodes().values()
    yield from view.networks().values()
    yield from sorted(view.all_specs(), key=lambda spec: (spec.service_id, spec.version))
    if view.cluster is not None:
        yield view.cluster


def _reach(view: View, touched: Sequence[Touched] | None) -> tuple[list[Task], dict[str, Node]]:
    """The tasks that a batch wrote and the nodes that it concerns; None = all of them."""
    if touched is None:
        return list(view.tasks()), {node.id: node for node in view.nodes().values()}
    tasks = [task for one in touched if (task := view.task(one.id)) is not None]
    ids = [one.id for one in touched if one.kind is Kind.NODE] + [task.node_id for task in tasks]
    return tasks, {node.id: node for one in ids if (node := view.node(one)) is not None}


def _owners(view: View) -> Iterator[tuple[str, str, str]]:
    """(network, address, owner) of every address that is held."""
    for task in view.tasks():
        if task.holds_resources:
            for attachment in task.attachments:
                for address in attachment.addresses:
                    yield attachment.network_id, address, f"task {task.id}"
    for service in view.services().values():
        for vip in service.virtual_ips:
            yield vip.network_id, vip.address, f"service {service.id}"
    for node in view.nodes().values():
        for held in node.addresses:
            yield held.network_id, held.address, f"node {node.id}"
