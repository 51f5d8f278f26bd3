"""What one round does of a service, however large that is, and that its parts make the whole."""

import pytest
from hypothesis import given, settings

from swarmd.dispatcher.control import control as control_module
from swarmd.dispatcher.control import step
from swarmd.dispatcher.control.agenda import Agenda
from swarmd.dispatcher.control.control import Plan, control
from swarmd.dispatcher.control.step import ROUND_TASKS
from swarmd.model.node import Availability, NodeState
from swarmd.model.spec import ServiceSpec, UpdateConfig, UpdateOrder
from swarmd.model.task import Task, TaskState
from tests.unit.dispatcher.cluster import GIB, Cluster, constraints, no_delay, spec
from tests.unit.dispatcher.test_place import reserved
from tests.unit.dispatcher.test_properties import EVENTS, happen

MANY = 3 * ROUND_TASKS
#: A pass touches slots: an old and a new task each, with what is placed and allocated for them.
MOST_TOUCHED = 4 * ROUND_TASKS


class Counting(Cluster):
    """A cluster whose rounds are looked at one by one."""

    def __init__(self, nodes: int = 3) -> None:
        self.sizes: list[int] = []
        super().__init__(nodes)

    def planned(self, plan: Plan) -> None:
        self.sizes.append(len(plan.changes))
        super().planned(plan)

    def new_sizes(self) -> list[int]:
        """Of the rounds since it was asked last."""
        sizes, self.sizes = self.sizes, []
        return sizes


def large(nodes: int = 3, update_config: UpdateConfig | None = None) -> Counting:
    """A service of many tasks that all run."""
    cluster = Counting(nodes)
    cluster.deploy(spec(MANY, restart_policy=no_delay(), update_config=update_config))
    cluster.settle()
    assert len(cluster.running()) == MANY
    cluster.new_sizes()
    return cluster


def check_rounds(cluster: Counting, at_least: int = 3) -> None:
    """The work was cut, and no round was too large."""
    sizes = cluster.new_sizes()
    assert max(sizes) <= MOST_TOUCHED
    assert sum(size > 0 for size in sizes) >= at_least


def slots(tasks: list[Task]) -> set[int]:
    return {task.slot for task in tasks}


def test_a_large_service_is_made_in_several_rounds() -> None:
    cluster = Counting()
    cluster.deploy(spec(MANY))
    check_rounds(cluster)
    assert slots(cluster.tasks()) == set(range(1, MANY + 1))


def test_a_large_service_is_scaled_down_in_several_rounds_as_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same slots stay: those of the lowest copies on each node."""
    cut, whole = large(), large()
    cut.deploy(spec(20, restart_policy=no_delay()))
    check_rounds(cut)
    monkeypatch.setattr("swarmd.dispatcher.control.step.ROUND_TASKS", 10 * MANY)
    monkeypatch.setattr("swarmd.dispatcher.control.replicated.ROUND_TASKS", 10 * MANY)
    whole.deploy(spec(20, restart_policy=no_delay()))
    assert sum(size > 0 for size in whole.new_sizes()) == 1
    kept = [[t.id for t in c.tasks() if t.is_wanted] for c in (cut, whole)]
    assert len(kept[0]) == 20
    assert kept[0] == kept[1]


def test_a_large_service_that_is_removed_goes_in_several_rounds() -> None:
    cluster = large()
    cluster.remove("web")
    cluster.settle()
    check_rounds(cluster, 6)
    assert cluster.tasks() == []


def test_a_node_that_drains_hands_over_its_tasks_in_several_rounds() -> None:
    cluster = large(nodes=2)
    cluster.change_node("n2", availability=Availability.DRAIN)
    cluster.pass_time(60)
    check_rounds(cluster, 2)
    assert cluster.nodes_of() == ["n1"] * MANY


def test_the_tasks_of_a_node_that_is_gone_for_a_day_are_given_up_in_several_rounds() -> None:
    cluster = large(nodes=1)
    cluster.down("n1")
    cluster.pass_time(25 * 3600)
    check_rounds(cluster)
    on_node = [task for task in cluster.tasks() if task.node_id]
    assert all(task.state is TaskState.ORPHANED for task in on_node)


def test_tasks_that_must_leave_a_node_leave_it_in_several_rounds() -> None:
    cluster = Counting(2)
    cluster.change_node("n2", labels={"zone": "a"})
    cluster.change_node("n1", labels={"zone": "a"})
    placement = constraints("node.labels.zone==a")
    cluster.deploy(spec(2 * MANY, restart_policy=no_delay(), placement=placement))
    cluster.settle()
    cluster.new_sizes()
    cluster.change_node("n1", labels={"zone": "b"})
    cluster.pass_time(60)
    check_rounds(cluster)
    assert cluster.nodes_of() == ["n2"] * 2 * MANY


@pytest.mark.parametrize("order", UpdateOrder)
def test_a_large_update_of_all_at_once_is_carried_out_in_several_rounds(
    order: UpdateOrder,
) -> None:
    config = UpdateConfig(parallelism=0, max_failure_ratio=0.0, order=order)
    cluster = large(update_config=config)
    cluster.deploy(spec(MANY, restart_policy=no_delay(), force_update=1, update_config=config))
    cluster.pass_time(30)
    check_rounds(cluster)
    assert {task.spec_version for task in cluster.running()} == {2}
    assert len(cluster.running()) == MANY


def test_tasks_that_wait_for_room_are_placed_in_several_rounds_when_it_comes() -> None:
    cluster = Counting(1)
    placement = constraints("node.labels.zone==a")
    cluster.deploy(spec(MANY, placement=placement))
    reasons = {task.status.err for task in cluster.tasks()}
    assert reasons == {"no suitable node (scheduling constraints not satisfied on 1 node)"}
    cluster.new_sizes()
    cluster.change_node("n1", labels={"zone": "a"})
    cluster.settle()
    check_rounds(cluster)
    assert len(cluster.running()) == MANY


def test_a_reason_that_changes_is_told_to_every_task_that_waits() -> None:
    cluster = Counting(1)
    cluster.deploy(spec(MANY, resources=reserved(memory=16 * GIB)))
    cluster.new_sizes()
    cluster.add_node("n2")
    cluster.think()
    check_rounds(cluster)
    reasons = {task.status.err for task in cluster.tasks()}
    assert reasons == {"no suitable node (insufficient resources on 2 nodes)"}


def test_as_many_as_fit_are_placed_and_the_others_are_told_why() -> None:
    cluster = Counting(1)
    room = ROUND_TASKS + 10
    cluster.add_node("n2", memory=room * GIB)
    cluster.change_node("n1", availability=Availability.PAUSE)
    cluster.deploy(spec(MANY, resources=reserved(memory=GIB)))
    cluster.settle()
    assert len(cluster.running()) == room
    waiting = [task for task in cluster.tasks() if not task.node_id]
    assert len(waiting) == MANY - room
    assert all(task.status.err for task in waiting)


@given(EVENTS)
@settings(max_examples=40, deadline=None)
def test_rounds_of_one_slot_each_come_to_the_same_end(
    events: list[tuple[str, int, int]],
) -> None:
    """Any plan, cut after any slot, goes on where it was cut."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (step, control_module):
            patch.setattr(module, "ROUND_TASKS", 1)
        cluster = Cluster()
        for event in events:
            happen(cluster, event)
            everything = Agenda()
            everything.everything(cluster.tables)
            docket = everything.take(cluster.tables, cluster.now)
            assert control(cluster.tables.view(), docket, cluster.now).changes == (), event
        for name in ("n1", "n2", "n3"):
            cluster.change_node(name, state=NodeState.READY, availability=Availability.ACTIVE)
        cluster.pass_time(200)
        for service in cluster.tables.services().values():
            wants: ServiceSpec = cluster.tables.spec(service)
            if service.update_status is None or not service.update_status.state.is_paused:
                running = cluster.running(wants.name)
                assert len(running) == (wants.replicas if wants.is_replicated else 3), service
