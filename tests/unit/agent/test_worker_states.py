"""The worker's core: any order of assignments, any crash, one start."""

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from swarmd.agent.actions import Lost
from swarmd.agent.assigned import Taken
from swarmd.agent.records import Saved, SavedAssignments, SavedMemories
from swarmd.agent.worker import Order, Worker
from swarmd.model.ids import TaskID
from swarmd.model.spec import SECOND
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.ports import Container
from swarmd.wire.container import CLUSTER_LABEL
from tests.unit.agent.fake_engine import Machine
from tests.unit.agent.obedient import on
from tests.unit.agent.scene import (
    CLUSTER,
    RULES,
    T0,
    change,
    complete,
    task,
)


class Node(RuleBasedStateMachine):
    """One node under every order of events; in the end it is as the manager wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.now = T0
        #: as the leader's store has them
        self.wanted: dict[TaskID, Task] = {}
        self.statuses: dict[TaskID, TaskStatus] = {}
        self.ended: set[TaskID] = set()
        self.count = 0
        self.sequence = 0
        self.term = 1
        self.disk: Saved | None = None
        self.foreign = Container(
            id="foreign", name="db", labels={CLUSTER_LABEL: "another"}, status="running"
        )

    @initialize()
    def boot(self) -> None:
        self.machine.containers["foreign"] = self.foreign
        self.start_worker()
        self.session()
        self.assign(TaskState.RUNNING)

    def start_worker(self) -> None:
        self.worker = Worker(RULES, patience=SECOND, saved=self.disk)
        self.orders: list[Order] = []
        self.sequence = 0
        self.worker.engine_found()

    # -- the manager

    @rule()
    def session(self) -> None:
        """A new stream, perhaps of a new leader."""
        self.term += self.count % 2
        self.sequence = 1
        message = complete(*self.wanted.values(), term=self.term)
        assert self.worker.assign(message, self.now) is Taken.APPLIED

    @precondition(lambda self: self.sequence and len(self.wanted) < 6)
    @rule(desired=st.sampled_from([TaskState.READY, TaskState.RUNNING]))
    def assign(self, desired: TaskState) -> None:
        self.count += 1
        self._change(task(self.count, desired))

    @precondition(lambda self: self.sequence and self.wanted)
    @rule(
        data=st.data(),
        desired=st.sampled_from([TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.REMOVE]),
    )
    def ask(self, data: st.DataObject, desired: TaskState) -> None:
        chosen = self.wanted[data.draw(st.sampled_from(sorted(self.wanted)))]
        if desired.rank >= chosen.desired_state.rank:
            self._change(chosen.asked_to(desired))

    @precondition(lambda self: self.sequence and self.wanted)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.wanted)))
        del self.wanted[chosen]
        self.sequence += 1
        message = change(self.sequence, removed=(chosen,), term=self.term)
        assert self.worker.assign(message, self.now) is Taken.APPLIED

    @precondition(lambda self: self.sequence)
    @rule()
    def hear_a_deposed_leader(self) -> None:
        assert self.worker.assign(complete(term=0), self.now) is Taken.STALE

    @rule()
    def hear_with_a_gap(self) -> None:
        message = change(self.sequence + 2, removed=tuple(self.wanted), term=self.term)
        assert self.worker.assign(message, self.now) in (Taken.GAP, Taken.STALE)

    def _change(self, changed: Task) -> None:
        self.wanted[changed.id] = changed
        self.sequence += 1
        # An incremental message brings the specs that are new; say it again, as a session would.
        specs = complete(changed).specs
        message = msgspec.structs.replace(
            change(self.sequence, changed, term=self.term), specs=specs
        )
        assert self.worker.assign(message, self.now) is Taken.APPLIED

    @rule()
    def report(self) -> None:
        updates = self.worker.outbox.take(3)
        for update in updates:
            before = self.statuses.get(update.task_id)
            assert before is None or before.state.rank <= update.status.state.rank
            self.statuses[update.task_id] = update.status
            if update.task_id in self.wanted:
                known = self.wanted[update.task_id]
                self.wanted[update.task_id] = msgspec.structs.replace(known, status=update.status)
        self.worker.outbox.acknowledge(updates)

    # -- the node

    @rule()
    def tick(self) -> None:
        work = self.worker.tick(self.now)
        self.orders += work.orders
        for key in work.cancelled:
            cut = next(order for order in self.orders if order.key == key)
            self.orders.remove(cut)
            self.worker.finished(cut.key, Lost(message="no longer wanted"), self.now)

    @rule(rounds=st.integers(1, 6), saves=st.integers(0, 3))
    def go_on(self, rounds: int, saves: int) -> None:
        """Nothing goes wrong for a while, but that the disk may be slow."""
        for _ in range(saves + 1):
            for _ in range(rounds):
                self.tick()
                while self.orders:
                    order = self.orders.pop(0)
                    self.worker.finished(order.key, on(self.machine, order.action), self.now)
            if saves:
                self.save()

    @rule(seconds=st.sampled_from([1, 40]))
    def prosper(self, seconds: int) -> None:
        """A manager, an engine, a disk and time: what most of a node's life is like."""
        self.worker.engine_found()
        self.session()
        self.now += seconds * SECOND
        self.go_on(4, 3)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def carry_out(self, data: st.DataObject) -> None:
        order = self.orders.pop(data.draw(st.integers(0, len(self.orders) - 1)))
        self.worker.finished(order.key, on(self.machine, order.action), self.now)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), is_done=st.booleans())
    def lose_an_answer(self, data: st.DataObject, is_done: bool) -> None:
        order = self.orders.pop(data.draw(st.integers(0, len(self.orders) - 1)))
        if is_done:
            on(self.machine, order.action)
        self.worker.finished(order.key, Lost(message="timeout"), self.now)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """Between any two steps; of what was ordered, some was done and nobody knows."""
        for order in self.orders:
            if data.draw(st.booleans()):
                on(self.machine, order.action)
        self.start_worker()

    @rule()
    def save(self) -> None:
        revision, saved = self.worker.snapshot()
        self.disk = Saved(
            assignments=None
            if saved.assignments is None
            else msgspec.msgpack.decode(
                msgspec.msgpack.encode(saved.assignments), type=SavedAssignments
            ),
            memories=msgspec.msgpack.decode(
                msgspec.msgpack.encode(saved.memories), type=SavedMemories
            ),
        )
        self.worker.saved(revision)

    @rule()
    def sweep(self) -> None:
        ours = [
            c.id for c in self.machine.containers.values() if c.labels.get(CLUSTER_LABEL) == CLUSTER
        ]
        for container_id in self.worker.unknown(ours):
            self.worker.sighted(self.machine.containers[container_id])
        self.worker.look_again()

    @rule(seconds=st.sampled_from([0, 1, 5, 40]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def lose_the_engine(self) -> None:
        self.worker.engine_lost()

    @rule()
    def find_the_engine(self) -> None:
        self.worker.engine_found()

    @precondition(lambda self: self.machine.starts)
    @rule(data=st.data(), exit_code=st.sampled_from([0, 1]))
    def end_by_itself(self, data: st.DataObject, exit_code: int) -> None:
        running = sorted(
            c.id
            for c in self.machine.containers.values()
            if c.status == "running" and c.id != "foreign"
        )
        if running:
            self.machine.die(data.draw(st.sampled_from(running)), exit_code)

    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        """`docker container prune`, or somebody tidies up by hand."""
        idle = sorted(c.id for c in self.machine.containers.values() if c.status != "running")
        if idle:
            self.machine.remove(data.draw(st.sampled_from(idle)))

    # -- what must hold

    @invariant()
    def no_task_is_started_twice(self) -> None:
        assert all(count == 1 for count in self.machine.starts.values()), self.machine.starts

    @invariant()
    def others_containers_are_never_touched(self) -> None:
        assert self.machine.containers.get("foreign", self.foreign) == self.foreign
        assert "foreign" not in self.machine.removed

    def teardown(self) -> None:
        """Heal everything, give it time: the node is as the manager wants it."""
        if not hasattr(self, "worker"):
            return
        self.worker.engine_found()
        self.session()
        for _ in range(60):
            self.save()
            self.sweep()
            for _ in range(4):
                self.go_on(3, 1)
            self.report()
            self.now += SECOND
        self.no_task_is_started_twice()
        for one in self.wanted.values():
            self._check_task(one)
        left = {
            c.labels.get("com.docker.swarm.task.id", "") for c in self.machine.containers.values()
        }
        assert left <= {*self.wanted, ""}, "a stray was left"

    def _check_task(self, one: Task) -> None:
        found = self.machine.of_task(one.id)
        status = found.status if found else "none"
        state = self.statuses[one.id].state
        if one.desired_state is TaskState.READY and not state.is_terminal:
            assert (state, status) == (TaskState.READY, "created")
        elif one.desired_state is TaskState.RUNNING and not state.is_terminal:
            assert (state, status) == (TaskState.RUNNING, "running")
        else:
            assert state.is_terminal
            assert status in ("none", "created", "exited")


Node.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


TestNode = Node.TestCase
