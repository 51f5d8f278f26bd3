"""The worker's core: any order of assignments, any crash, one start."""

from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Created,
    Done,
    FindImage,
    ImageFound,
    Inspect,
    Inspected,
    Kill,
    Lost,
    NetworksReady,
    Outcome,
    Pull,
    Pulled,
    Refused,
    Remove,
    Signal,
    Start,
)
from swarmd.agent.assigned import Taken
from swarmd.agent.records import Saved, SavedAssignments, SavedMemories
from swarmd.agent.worker import Order, Worker
from swarmd.errors import EngineError
from swarmd.model.ids import TaskID
from swarmd.model.node import NodeDescription
from swarmd.model.spec import SECOND
from swarmd.model.task import Task, TaskState, TaskStatus
from swarmd.ports import Container
from swarmd.wire.container import CLUSTER_LABEL, Place, TaskNetworks, container_request
from tests.unit.agent.fake_engine import Machine
from tests.unit.agent.scene import (
    CLUSTER,
    IMAGE,
    NODE,
    RULES,
    T0,
    change,
    complete,
    container,
    task,
)

PLACE = Place(cluster_id=CLUSTER, node_id=NODE, description=NodeDescription(), api_version=(1, 51))


def on(machine: Machine, action: Action) -> Outcome:
    """What the machine makes of an action."""
    try:
        return _answer(machine, action) or _obey(machine, action)
    except EngineError as error:
        return Refused(status=error.status, message=error.message)


def _answer(machine: Machine, action: Action) -> Outcome | None:
    match action:
        case FindImage(image=image):
            return ImageFound(is_local=image in machine.images)
        case Pull(image=image):
            machine.images.add(image)
            return Pulled()
        case AwaitNetworks():
            return NetworksReady(networks=TaskNetworks())
        case Create():
            request = container_request(action.task, action.spec, PLACE, action.networks)
            return Created(container_id=machine.create(request.name, request.body))
        case Inspect(reference=reference):
            return Inspected(container=machine.find(reference))
    return None


def _obey(machine: Machine, action: Action) -> Outcome:
    match action:
        case Start(container_id=container_id):
            machine.start(container_id)
        case Signal(container_id=container_id, signal=signal):
            machine.kill(container_id, signal)
        case Kill(container_id=container_id):
            machine.kill(container_id, "SIGKILL")
        case Remove(container_id=container_id):
            machine.remove(container_id)
    return Done()


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


def live(machine: Machine, disk: list[Saved], steps: int) -> int:
    """A process's life of so many steps; the disk is written only when an action waits for it."""
    worker = Worker(RULES, patience=SECOND, saved=disk[-1] if disk else None)
    worker.engine_found()
    worker.assign(complete(*(task(n) for n in range(1, 4))), T0)
    for _ in range(40):
        for order in worker.tick(T0).orders:
            if steps == 0:
                return 0
            steps -= 1
            worker.finished(order.key, on(machine, order.action), T0)
        if worker.is_save_urgent:
            if steps == 0:
                return 0
            steps -= 1
            revision, saved = worker.snapshot()
            disk.append(saved)
            worker.saved(revision)
    return steps


@pytest.mark.parametrize("is_tidied", [False, True])
def test_cut_after_any_action_and_restarted_from_disk_no_task_starts_twice(
    is_tidied: bool,
) -> None:
    """And while swarmd is down its containers end, and perhaps somebody removes them."""
    steps = 0
    while True:
        machine, disk = Machine(), list[Saved]()
        left = live(machine, disk, steps)
        for one in tuple(machine.containers.values()):
            if one.status == "running":
                machine.die(one.id)
                if is_tidied:
                    machine.remove(one.id)
        live(machine, disk, 1000)
        assert machine.starts == {"t1": 1, "t2": 1, "t3": 1}, steps
        if left:
            break
        steps += 1
    assert steps > 15


def worker_with(*tasks: Task, auth: str = "") -> Worker:
    worker = Worker(RULES, patience=SECOND)
    worker.engine_found()
    assert worker.assign(complete(*tasks, auth=auth), T0) is Taken.APPLIED
    return worker


def settle(worker: Worker, machine: Machine) -> Counter[str]:
    """Carry out everything that follows now; counts the actions."""
    counts: Counter[str] = Counter()
    for _ in range(30):
        worker.saved(worker.snapshot()[0])
        for order in worker.tick(T0).orders:
            counts[type(order.action).__name__] += 1
            worker.finished(order.key, on(machine, order.action), T0)
    return counts


def test_a_deployment_costs_the_engine_five_short_calls_per_task() -> None:
    """Speed: the raw engine needs two of them; the other three are looks."""
    machine = Machine(IMAGE)
    counts = settle(worker_with(*(task(n) for n in range(1, 51))), machine)
    assert counts == {
        "FindImage": 50,
        "AwaitNetworks": 50,
        "Create": 50,
        "Start": 50,
        "Inspect": 50,
    }


def test_nothing_is_made_before_the_disk_knows_of_it() -> None:
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    for _ in range(10):
        for order in worker.tick(T0).orders:
            worker.finished(order.key, on(machine, order.action), T0)
    assert not machine.containers
    urgent = [worker.is_save_urgent]
    worker.saved(worker.snapshot()[0])
    assert [*urgent, worker.is_save_urgent] == [True, False]
    assert isinstance(worker.tick(T0).orders[0].action, Create)


def test_a_container_is_not_started_before_the_disk_knows_of_the_decision() -> None:
    machine = Machine(IMAGE)
    worker = worker_with(task(1, TaskState.READY))
    settle(worker, machine)
    worker.assign(change(2, task(1)), T0)
    assert worker.tick(T0).orders == ()
    revision, saved = worker.snapshot()
    assert saved.memories is not None
    assert saved.memories.memories[0].status.state is TaskState.STARTING
    worker.saved(revision)
    assert worker.tick(T0).orders == (Order(key="t1", action=Start(container_id="c1")),)


def test_credentials_may_come_without_their_tasks() -> None:
    """The user logged in to the registry and updated the service with its credentials only."""
    worker = worker_with(task(1), auth="old")
    machine = Machine()
    [order] = worker.tick(T0).orders
    worker.finished(order.key, on(machine, order.action), T0)
    worker.assign(msgspec.structs.replace(change(2), registry_auth={task(1).service_id: "new"}), T0)
    [order] = worker.tick(T0).orders
    assert order.action == Pull(image=IMAGE, registry_auth="new")


def test_a_second_container_of_a_task_is_a_stray() -> None:
    """Somebody renamed the task's container; another was made under its name."""
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    settle(worker, machine)
    copy = container(1, id="copy", name="copy")
    machine.containers["copy"] = copy
    assert worker.unknown(["c1", "copy"]) == ("copy",)
    worker.sighted(copy)
    assert worker.tick(T0).orders == (Order(key="copy", action=Remove(container_id="copy")),)


def test_a_manager_that_gave_a_task_up_has_its_container_stopped() -> None:
    """The constraint enforcer rejects a running task."""
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    settle(worker, machine)
    worker.assign(change(2, task(1, TaskState.SHUTDOWN, state=TaskState.REJECTED)), T0)
    settle(worker, machine)
    assert machine.containers["c1"].status == "exited"


def test_statuses_are_reported_again_to_a_manager_that_may_have_missed_them() -> None:
    machine = Machine(IMAGE)
    worker = worker_with(task(1))
    settle(worker, machine)
    worker.outbox.acknowledge(worker.outbox.take(9))
    assert worker.outbox.due_at is None
    worker.assign(complete(task(1), term=2), T0)
    [update] = worker.outbox.take(9)
    assert update.status.state is TaskState.RUNNING


def test_a_status_that_changed_while_it_was_reported_stays_to_be_reported() -> None:
    worker = worker_with(task(1))
    outbox = worker.outbox
    accepted = TaskStatus(state=TaskState.ACCEPTED)
    outbox.put(TaskID("t1"), accepted, T0)
    assert outbox.due_at == T0 + SECOND
    sent = outbox.take(9)
    outbox.put(TaskID("t1"), TaskStatus(state=TaskState.RUNNING), T0)
    assert outbox.due_at == T0
    outbox.acknowledge(sent)
    assert [u.status.state for u in outbox.take(9)] == [TaskState.RUNNING]
