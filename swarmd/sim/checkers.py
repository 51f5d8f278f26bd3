"""What must never be, looked at after every batch that any manager applies and every engine's act."""

import hashlib
from collections.abc import Sequence
from functools import partial

from swarmd.daemon.manager import Manager
from swarmd.model.node import NodeState
from swarmd.model.task import Task, TaskState
from swarmd.ports import Container
from swarmd.sim.world import Machine, World
from swarmd.store.apply import Touched
from swarmd.store.entry import Kind
from swarmd.store.view import View
from swarmd.wire.container import TASK_ID_LABEL

#: A node that nobody disturbed for so long must not be held to be down.
QUIET_S = 25.0


class Checkers:
    """The invariants of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        #: index → digest of the state there, of whoever applied it first
        self._states: dict[int, str] = {}
        #: term → who led in it
        self._leaders: dict[int, str] = {}
        #: task → (index, state's rank, node)
        self._tasks: dict[str, tuple[int, int, str]] = {}
        self._watched: set[int] = set()
        #: the newest state that anybody has
        self.newest: View | None = None
        world.on_act = self.acted

    def look(self) -> None:
        """Watch managers that are new, and see who leads."""
        for machine in self._world.live():
            manager = self._manager(machine)
            if manager is None:
                continue
            if id(manager) not in self._watched:
                self._watched.add(id(manager))
                manager.store.watch(partial(self._applied, machine, manager))
            status = manager.raft.status()
            if status.is_leader:
                other = self._leaders.setdefault(status.term, machine.name)
                if other != machine.name:
                    self._world.violate(
                        f"two leaders in term {status.term}: {other} {machine.name}"
                    )

    @staticmethod
    def _manager(machine: Machine) -> Manager | None:
        node = machine.daemon.node if machine.daemon else None
        return node.managing.manager if node else None

    def _applied(
        self, machine: Machine, manager: Manager, touched: Sequence[Touched] | None
    ) -> None:
        view = manager.store.view()
        self._world.trace("applied", machine.name, view.index)
        self._agree(machine, view)
        if self.newest is None or view.index >= self.newest.index:
            self.newest = view
        for one in touched or ():
            task = view.task(one.id) if one.kind is Kind.TASK else None
            if task is not None:
                self._moved(view, task)
            if one.kind is Kind.NODE:
                self._down(view, one.id)
        self._addresses(view)

    def _agree(self, machine: Machine, view: View) -> None:
        state = hashlib.sha256()
        for task in sorted(view.tasks(), key=lambda task: task.id):
            state.update(repr((task.id, task.state, task.desired_state, task.node_id)).encode())
        for service in view.services().values():
            state.update(repr((service.id, service.spec_version, service.meta.version)).encode())
        digest = state.hexdigest()
        if self._states.setdefault(view.index, digest) != digest:
            self._world.violate(f"{machine.name} has another state at index {view.index}")

    def _moved(self, view: View, task: Task) -> None:
        index, rank, node = self._tasks.get(task.id, (0, -1, ""))
        if view.index < index:
            return
        if task.state.rank < rank:
            self._world.violate(f"the state of task {task.id} went back to {task.state}")
        if node and task.node_id != node:
            self._world.violate(f"task {task.id} moved from {node} to {task.node_id or 'nowhere'}")
        self._tasks[task.id] = (view.index, task.state.rank, task.node_id)

    def _down(self, view: View, node_id: str) -> None:
        node = view.node(node_id)
        if node is None or node.status.state is not NodeState.DOWN:
            return
        machine = next(m for m in self._world.machines if m.host.address == node.status.addr)
        quiet = self._world.loop.now - machine.undisturbed_since
        if machine.daemon is not None and machine.engine.is_up and quiet > QUIET_S:
            self._world.violate(f"{machine.name} was held to be down, and was not disturbed")

    def _addresses(self, view: View) -> None:
        held: dict[tuple[str, str], str] = {}
        for task in view.tasks():
            if not task.holds_resources:
                continue
            for attachment in task.attachments:
                for address in attachment.addresses:
                    key = (attachment.network_id, address)
                    if held.setdefault(key, task.id) != task.id:
                        self._world.violate(f"two tasks have {address}: {held[key]} {task.id}")

    def acted(self, machine: Machine, what: str, container: Container) -> None:
        """An engine did something: a running container that is wanted must not go."""
        task_id = container.labels.get(TASK_ID_LABEL, "")
        task = self.newest.task(task_id) if self.newest else None
        if what != "remove" or task is None or container.status != "running":
            return
        if task.is_wanted and task.state is TaskState.RUNNING:
            self._world.violate(f"{machine.name} removed the running container of task {task_id}")
