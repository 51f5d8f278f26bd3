"""Finding what a client means: full id, then exact name, then id prefix (Engine API)."""

from collections.abc import Iterable
from typing import TypeVar

from swarmd.errors import AmbiguousError, NotFoundError
from swarmd.model.network import Network
from swarmd.model.node import Node
from swarmd.model.service import Service
from swarmd.model.task import Task
from swarmd.store.view import View

T = TypeVar("T", Node, Service, Network, Task)


def find_service(view: View, reference: str) -> Service:
    """Raises NotFoundError or AmbiguousError, like the other finders here."""
    service = view.service(reference) or view.service(view.id_by_name("service", reference) or "")
    return service or _by_prefix("service", reference, view.services().values())


def find_network(view: View, reference: str) -> Network:
    """A cluster network; the engine's own are not known here."""
    network = view.network(reference) or view.network(view.id_by_name("network", reference) or "")
    return network or _by_prefix("network", reference, view.networks().values())


def find_node(view: View, reference: str) -> Node:
    """A node, also by its host name; several nodes may have the same one."""
    node = view.node(reference)
    if node is not None:
        return node
    named = [
        n for n in view.nodes().values() if reference and reference in (n.hostname, n.spec.name)
    ]
    if len(named) > 1:
        raise AmbiguousError("node", reference, len(named))
    return named[0] if named else _by_prefix("node", reference, view.nodes().values())


def find_task(view: View, reference: str) -> Task:
    """A task; tasks have no names of their own."""
    task = view.task(reference)
    if task is not None:
        return task
    ids = view.task_ids(reference) if reference else []
    if len(ids) > 1:
        raise AmbiguousError("task", reference, len(ids))
    found = view.task(ids[0]) if ids else None
    if found is None:
        raise NotFoundError("task", reference)
    return found


def _by_prefix(kind: str, reference: str, items: Iterable[T]) -> T:
    hits = [item for item in items if reference and item.id.startswith(reference)]
    if len(hits) > 1:
        raise AmbiguousError(kind, reference, len(hits))
    if not hits:
        raise NotFoundError(kind, reference)
    return hits[0]
