"""`/tasks`: list and inspect."""

from collections.abc import Iterable, Iterator, Mapping

from swarmd.api import respond
from swarmd.api.cluster import Call, CallHandler
from swarmd.api.listing import encoded_list
from swarmd.api.message import Response
from swarmd.api.read import Filters, read_filters
from swarmd.dispatcher.control.slots import Cleanliness
from swarmd.model.ids import ServiceID
from swarmd.model.task import Task
from swarmd.store.find import find_node, find_service, find_task
from swarmd.store.view import View
from swarmd.wire.filters import TASK_KEYS, check_task_filters, task_matches, wants_up_to_date
from swarmd.wire.task import TaskEncoder


async def inspect(call: Call) -> Response:
    """One task, by id or prefix of it."""
    view = call.view
    task = find_task(view, call.request.params["id"])
    return respond.encoded(TaskEncoder(view.networks()).encode(task, view.spec_of(task)))


async def list_(call: Call) -> Response:
    """All that match, those of services that are gone too."""
    filters = read_filters(call.request, TASK_KEYS)
    check_task_filters(filters)
    return await encoded_list(_matching(call.view, filters))


HANDLERS: Mapping[str, CallHandler] = {"task_list": list_, "task_inspect": inspect}


def _matching(view: View, filters: Filters) -> Iterator[bytes | None]:
    encoder = TaskEncoder(view.networks())
    clean = _Clean(view) if wants_up_to_date(filters) else None
    for task in _candidates(view, filters):
        spec = view.spec_of(task)
        if task_matches(task, spec, filters) and (clean is None or clean.shows(task)):
            yield encoder.encode(task, spec)
        else:
            yield None


def _candidates(view: View, filters: Filters) -> Iterator[Task]:
    """Tasks of the named services and nodes; raises NotFoundError if one of them is unknown."""
    services = [find_service(view, reference).id for reference in filters.get("service", ())]
    nodes = {find_node(view, reference).id for reference in filters.get("node", ())}
    pools: Iterable[Iterable[Task]]
    if services:
        pools = [view.tasks_of(service_id).values() for service_id in dict.fromkeys(services)]
    elif nodes:
        pools = [view.tasks_on(node_id).values() for node_id in sorted(nodes)]
    else:
        pools = [view.tasks()]
    for pool in pools:
        for task in pool:
            if not nodes or task.node_id in nodes:
                yield task


class _Clean:
    """Which tasks are as their services' specs say; each service's specs are compared once."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._by_service: dict[ServiceID, Cleanliness] = {}

    def shows(self, task: Task) -> bool:
        service = self._view.service(task.service_id)
        if service is None:
            return False
        if service.id not in self._by_service:
            self._by_service[service.id] = Cleanliness(self._view, service)
        return self._by_service[service.id].is_clean(task)
