"""The filters of lists: which objects a client wants to see.

Several values of a key are alternatives, different keys must all match; but of labels every given
pair must be there.  A name or an id matches if it begins with the value.
Source: moby daemon/cluster/filters.go, swarmkit manager/controlapi.
"""

from collections.abc import Collection, Iterable, Mapping

from swarmd.errors import UnclassifiedError
from swarmd.model.base import Labels
from swarmd.model.node import Node, Role
from swarmd.model.service import Service
from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task, TaskState

#: key → values
Filters = Mapping[str, tuple[str, ...]]

SERVICE_KEYS = frozenset({"id", "label", "mode", "name", "runtime"})
NODE_KEYS = frozenset({"id", "label", "membership", "name", "node.label", "role"})
TASK_KEYS = frozenset(
    {"_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service"}
)
SECRET_KEYS = frozenset({"id", "label", "name", "names"})
CONFIG_KEYS = frozenset({"id", "label", "name", "names"})

_TRUE = frozenset({"1", "true", "t"})
_MEMBERSHIPS = frozenset({"accepted", "pending"})


# ---- services


def service_matches(service: Service, spec: ServiceSpec, filters: Filters) -> bool:
    """Whether a list of services shows this one."""
    return (
        _begins(filters.get("id"), service.id)
        and _begins(filters.get("name"), spec.name)
        and has_labels(spec.labels, filters.get("label", ()))
        and _equals(filters.get("mode"), mode_of(spec))
        and _equals(filters.get("runtime", ("container",)), "container")
    )


def mode_of(spec: ServiceSpec) -> str:
    """Docker's word for the mode."""
    if spec.mode.replicated_job is not None:
        return "replicated-job"
    if spec.mode.global_job is not None:
        return "global-job"
    return "replicated" if spec.mode.global_ is None else "global"


# ---- nodes


def check_node_filters(filters: Filters) -> None:
    """Raises UnclassifiedError for an unknown role or membership."""
    for value in filters.get("role", ()):
        if value.lower() not in (Role.MANAGER, Role.WORKER):
            raise UnclassifiedError(f"Invalid role filter: '{value}'")
    for value in filters.get("membership", ()):
        if value.lower() not in _MEMBERSHIPS:
            raise UnclassifiedError(f"Invalid membership filter: '{value}'")


def node_matches(node: Node, filters: Filters) -> bool:
    """Whether a list of nodes shows this one; `label` is about its engine's labels."""
    engine: Labels = node.description.engine.labels if node.description else {}
    roles = {value.lower() for value in filters.get("role", ())}
    memberships = {value.lower() for value in filters.get("membership", ())}
    names = filters.get("name")
    return (
        _begins(filters.get("id"), node.id)
        and (_begins(names, node.hostname) or (bool(names) and _begins(names, node.spec.name)))
        and has_labels(engine, filters.get("label", ()))
        and has_labels(node.spec.labels, filters.get("node.label", ()))
        and (not roles or node.spec.role in roles)
        and (not memberships or "accepted" in memberships)
    )


# ---- tasks


def check_task_filters(filters: Filters) -> None:
    """Raises UnclassifiedError for an unknown state."""
    for value in filters.get("desired-state", ()):
        if value.lower() not in set(TaskState):
            raise UnclassifiedError(f"Invalid desired-state filter: '{value}'")


def wants_up_to_date(filters: Filters) -> bool:
    """Whether tasks that an update would replace are left out (`_up-to-date`)."""
    return any(value.lower() in _TRUE for value in filters.get("_up-to-date", ()))


def task_matches(task: Task, spec: ServiceSpec, filters: Filters) -> bool:
    """Whether a list of tasks shows this one, as far as task and spec tell.

    `service` and `node` are references, and `_up-to-date` needs the service: the caller's.
    """
    states = {value.lower() for value in filters.get("desired-state", ())}
    return (
        _begins(filters.get("id"), task.id)
        and _begins(filters.get("name"), task_name(task, spec.name))
        and has_labels(spec.labels, filters.get("label", ()))
        and (not states or task.desired_state in states)
        and _equals(filters.get("runtime") or None, "container", "")
    )


def task_name(task: Task, service_name: str) -> str:
    """`web.1.<task id>`; of a global service `web.<node id>.<task id>`."""
    return f"{service_name}.{task.slot_key}.{task.id}"


# ---- what they share


def has_labels(labels: Labels, wanted: Iterable[str]) -> bool:
    """Whether all of `key` and `key=value` hold."""
    for label in wanted:
        key, is_pair, value = label.partition("=")
        if key not in labels or (is_pair and labels[key] != value):
            return False
    return True


def _begins(prefixes: Collection[str] | None, text: str) -> bool:
    return not prefixes or any(map(text.startswith, prefixes))


def _equals(values: Collection[str] | None, *texts: str) -> bool:
    return not values or any(text in values for text in texts)
