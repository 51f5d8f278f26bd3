"""What holds of the leader's mind whatever happens."""

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmd.dispatcher.control.agenda import Agenda
from swarmd.dispatcher.control.control import control
from swarmd.model.node import Availability, NodeState
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import TaskState
from tests.unit.dispatcher.cluster import Cluster, constraints, no_delay, spec

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("deploy", "fail", "finish", "down", "ready", "drain", "active", "remove", "time", "go")
        ),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=25,
)


def wanted(number: int, variant: int) -> ServiceSpec:
    name = f"s{number % 3}"
    policy = no_delay() if variant < 2 else None
    if number % 3 == 2:  # the mode of a service never changes
        return spec(None, name=name, force_update=variant)
    placement = constraints("node.id!=n1") if variant == 3 else None
    return spec(
        number, name=name, force_update=variant // 2, restart_policy=policy, placement=placement
    )


def happen(cluster: Cluster, event: tuple[str, int, int]) -> None:
    what, number, variant = event
    tasks = [t for t in cluster.tables.tasks() if t.is_running]
    match what:
        case "deploy":
            cluster.deploy(wanted(number, variant))
        case "remove" if cluster.tables.id_by_name("service", f"s{number % 3}"):
            cluster.remove(f"s{number % 3}")
        case "fail" if tasks:
            cluster.set_status(tasks[number % len(tasks)], TaskState.FAILED)
        case "finish" if tasks:
            cluster.set_status(tasks[number % len(tasks)], TaskState.COMPLETE)
        case "time":
            cluster.now += (number + 1) * 1_500_000_000
        case "go":
            cluster.agents()
        case _:
            happen_to_node(cluster, what, f"n{number % 3 + 1}")
    cluster.think()


def happen_to_node(cluster: Cluster, what: str, node: str) -> None:
    match what:
        case "down":
            cluster.change_node(node, state=NodeState.DOWN, since=cluster.now)
        case "ready":
            cluster.change_node(node, state=NodeState.READY)
        case "drain":
            cluster.change_node(node, availability=Availability.DRAIN)
        case "active":
            cluster.change_node(node, availability=Availability.ACTIVE)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_looking_at_what_is_dirty_is_enough(events: list[tuple[str, int, int]]) -> None:
    """After every event a look at everything finds nothing that a look at the dirty left undone."""
    cluster = Cluster()
    for event in events:
        happen(cluster, event)
        everything = Agenda()
        everything.everything(cluster.tables)
        docket = everything.take(cluster.tables, cluster.now)
        assert control(cluster.tables.view(), docket, cluster.now).changes == (), event


@given(EVENTS)
@settings(max_examples=40, deadline=None)
def test_in_the_end_every_service_that_fits_runs(events: list[tuple[str, int, int]]) -> None:
    """Whatever happened: heal all nodes, let time pass, and the specs are fulfilled."""
    cluster = Cluster()
    for event in events:
        happen(cluster, event)
    for name in ("n1", "n2", "n3"):
        cluster.change_node(name, state=NodeState.READY, availability=Availability.ACTIVE)
    cluster.pass_time(200)
    for service in cluster.tables.services().values():
        wants = cluster.tables.spec(service)
        if service.update_status is not None and service.update_status.state.is_paused:
            continue
        slots = wants.replicas if wants.is_replicated else 3
        running = cluster.running(wants.name)
        assert len(running) == slots, service
        assert len({task.slot_key for task in running}) == slots


@given(EVENTS)
@settings(max_examples=20, deadline=None)
def test_the_same_state_and_time_give_the_same_plan(events: list[tuple[str, int, int]]) -> None:
    """Byte for byte, so that a plan can be explained, replayed and tried dry."""
    cluster = Cluster()
    for event in events:
        happen(cluster, event)
    everything = Agenda()
    everything.everything(cluster.tables)
    docket = everything.take(cluster.tables, cluster.now)
    later = cluster.now + 10**10
    first = control(cluster.tables.view(), docket, later)
    assert control(cluster.tables.view(), docket, later) == first
