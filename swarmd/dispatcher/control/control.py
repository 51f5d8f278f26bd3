"""The leader's mind: a row of passes over the services that something touched.

    of a service:  orphan → enforce → restart → replicated | global → update
                   → withdraw → release → reap
    across:        allocate (networks, then services and tasks) → place → allocate (nodes)

Each pass sees the cluster as those before it would leave it, so a new service goes from its spec to
placed tasks in one commit.  Looking at a service that nothing touched changes nothing:
`control(dirty) == control(all)` is a property test.
"""

from collections.abc import Callable

import msgspec

from swarmd.dispatcher.control.allocate import (
    allocate_networks,
    allocate_node,
    allocate_nodes,
    allocate_service,
)
from swarmd.dispatcher.control.enforce import enforce, orphan
from swarmd.dispatcher.control.global_services import global_service
from swarmd.dispatcher.control.plan import Draft
from swarmd.dispatcher.control.reap import reap, reap_gone
from swarmd.dispatcher.control.replicated import replicated
from swarmd.dispatcher.control.restart import release, restart, withdraw
from swarmd.dispatcher.control.step import ROUND_TASKS, Step, earliest
from swarmd.dispatcher.control.update import update
from swarmd.dispatcher.scheduler.place import place
from swarmd.model.ids import NetworkID, NodeID, ServiceID
from swarmd.model.service import Service
from swarmd.model.task import TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change
from swarmd.store.view import View

Pass = Callable[[View, Service, Timestamp], Step]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a round decided."""

    changes: tuple[Change, ...]
    #: service → when to look at it again though nothing touched it
    wakes: dict[ServiceID, Timestamp]
    #: services with tasks that found no place or no address
    waiting: frozenset[ServiceID]
    #: services that could not be finished in one round
    unfinished: frozenset[ServiceID]


class Docket(msgspec.Struct, frozen=True, kw_only=True):
    """What a round looks at."""

    services: tuple[ServiceID, ...]
    #: whether nodes, networks or the cluster changed
    has_nodes: bool


def control(view: View, docket: Docket, now: Timestamp) -> Plan:
    """One round over the services of the docket, in their order."""
    dirty = docket.services
    draft = Draft(view, now)
    if view.cluster is None:
        return Plan(changes=(), wakes={}, waiting=frozenset(), unfinished=frozenset())
    if docket.has_nodes:
        draft.add(allocate_networks(draft.after))
    steps = {service_id: _reconcile(draft, service_id, now) for service_id in dirty}
    placed = {service_id: _allocate_and_place(draft, service_id, now) for service_id in dirty}
    if docket.has_nodes:
        # Every node takes part in the ingress network: the mesh answers on all of them.
        draft.add(allocate_nodes(draft.after))
    return Plan(
        changes=tuple(draft.changes()),
        wakes={i: step.wake_at for i, step in steps.items() if step.wake_at is not None},
        waiting=frozenset(i for i in dirty if _has_waiting(draft.after, i)),
        unfinished=frozenset(i for i in dirty if steps[i].is_unfinished or not placed[i]),
    )


def _reconcile(draft: Draft, service_id: ServiceID, now: Timestamp) -> Step:
    """Run the row of one service; the combined verdict, its changes made."""
    step = orphan(draft.after, draft.after.tasks_of(service_id).values(), now)
    draft.add(step.changes)
    if draft.after.service(service_id) is None:
        gone = reap_gone(draft.after, service_id)
        draft.add(gone.changes)
        unfinished = step.is_unfinished or gone.is_unfinished
        return Step(wake_at=step.wake_at, is_unfinished=unfinished)
    wake = step.wake_at
    for one in _row(draft.after, service_id):
        if step.is_unfinished:
            break  # the next pass would see a service that is half done
        # The service record is read anew for each pass: `update` writes it.
        service = draft.after.service(service_id)
        assert service is not None
        step = one(draft.after, service, now)
        draft.add(step.changes)
        wake = earliest(wake, step.wake_at)
    return Step(wake_at=wake, is_unfinished=step.is_unfinished)


def _row(view: View, service_id: ServiceID) -> tuple[Pass, ...]:
    service = view.service(service_id)
    assert service is not None
    orchestrate = replicated if view.spec(service).is_replicated else global_service
    return (enforce, restart, orchestrate, update, withdraw, release, reap)


def _allocate_and_place(draft: Draft, service_id: ServiceID, now: Timestamp) -> bool:
    """Whether all that could be done was done."""
    service = draft.after.service(service_id)
    if service is None:
        return True
    allocated = allocate_service(draft.after, service, now)
    draft.add(allocated)
    service = draft.after.service(service_id)
    assert service is not None
    placed = draft.add(place(draft.after, service, now, most=ROUND_TASKS))
    for node_id in _newcomers(draft.after, service_id):
        draft.add(allocate_node(draft.after, node_id))
    return len(allocated) < ROUND_TASKS and placed < ROUND_TASKS


def _newcomers(view: View, service_id: ServiceID) -> list[NodeID]:
    """Nodes to which a task came, and that have no address of their own in one of its networks."""
    needed: dict[NodeID, dict[NetworkID, None]] = {}
    for task in view.tasks_of(service_id).values():
        if task.attachments and task.status.state is TaskState.ASSIGNED:
            networks = needed.setdefault(task.node_id, {})
            for attachment in task.attachments:
                networks[attachment.network_id] = None
    return [
        node_id
        for node_id, networks in needed.items()
        if (node := view.node(node_id)) is not None
        and any(node.address_in(network_id) is None for network_id in networks)
    ]


def _has_waiting(view: View, service_id: ServiceID) -> bool:
    new, pending = TaskState.NEW, TaskState.PENDING
    tasks = view.tasks_of(service_id).values()
    return any(task.is_wanted for task in tasks if task.status.state in (new, pending))
