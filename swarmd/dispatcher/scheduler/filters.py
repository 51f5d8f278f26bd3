"""Filters: which nodes a task may go to.  Each explains its no, in Swarm's words.

A filter is made for one spec; it is None where the spec gives it nothing to check.  The order is
swarmkit's (manager/scheduler/filter.go): the first that fails is the reason counted for a node.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from swarmd.dispatcher.scheduler.constraints import matches
from swarmd.dispatcher.scheduler.resources import Free, can_claim, unclaimed
from swarmd.model.ids import NodeID, ServiceID, TaskID
from swarmd.model.node import Node
from swarmd.model.spec import Placement, Platform, Reservations, ServiceSpec
from swarmd.model.task import Task
from swarmd.store.usage import NodeUsage, reservations
from swarmd.store.view import View

#: Architectures that have two names.
NO_PORTS: frozenset[tuple[str, int]] = frozenset()
_ALIASES = {"x86_64": "amd64", "aarch64": "arm64"}


class Candidate(msgspec.Struct, kw_only=True):
    """A node while a group of tasks is placed: its load changes with each decision."""

    node: Node
    usage: NodeUsage
    #: active tasks of the service on it
    own: int
    #: host-mode ports taken: (protocol, port)
    host_ports: frozenset[tuple[str, int]]
    #: generic resources that nobody claimed
    free_generic: Free


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """One condition."""

    passes: Callable[[Candidate], bool]
    #: the reason for `n` nodes
    explain: Callable[[int], str]


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def pipeline(spec: ServiceSpec) -> list[Filter]:
    """The filters that apply to a task of this spec, in order."""
    made = (
        _ready(),
        _resource(spec),
        _plugin(spec),
        _constraint(spec),
        _platform(spec),
        _host_port(spec),
        _max_replicas(spec),
    )
    return [one for one in made if one is not None]


def first_no(filters: list[Filter], candidate: Candidate) -> int | None:
    """Position of the first filter that refuses, or None."""
    for position, one in enumerate(filters):
        if not one.passes(candidate):
            return position
    return None


def explanation(filters: list[Filter], refusals: Counter[int]) -> str:
    """`insufficient resources on 2 nodes; 1 node not available …`, most frequent first."""
    ranked = sorted(refusals.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(filters[position].explain(count) for position, count in ranked)


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a spec makes the scheduler look up on each node."""

    reserved: Reservations
    host_ports: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, spec: ServiceSpec) -> "Needs":
        """Once for a group of tasks."""
        return cls(reserved=reservations(spec), host_ports=host_ports(spec))


def candidate(
    view: View, node: Node, needs: Needs, *, own: int, but: Task | None = None
) -> Candidate:
    """The node's load as the view shows it, without the task `but` if that is on it already.

    Host ports and generic resources are looked up only if the spec asks for some.
    """
    usage = view.usage(node.id)
    others = view.tasks_on(node.id)
    if but is not None:
        usage = usage.plus(but, needs.reserved, -1)
        others = {task_id: task for task_id, task in others.items() if task_id != but.id}
    generic = needs.reserved.generic_resources
    return Candidate(
        node=node,
        usage=usage,
        own=own,
        host_ports=_host_ports_on(view, others) if needs.host_ports else NO_PORTS,
        free_generic=unclaimed(node, others.values()) if generic else {},
    )


def host_ports(spec: ServiceSpec) -> frozenset[tuple[str, int]]:
    """(protocol, port) of fixed host-mode ports."""
    return frozenset(
        (port.protocol, port.published_port)
        for port in spec.ports
        if not port.is_ingress and port.published_port
    )


def _host_ports_on(view: View, tasks: Mapping[TaskID, Task]) -> frozenset[tuple[str, int]]:
    return frozenset(
        port
        for task in tasks.values()
        if task.takes_room
        for port in host_ports(view.spec_of(task))
    )


def own_counts(view: View, service_id: ServiceID) -> Counter[NodeID]:
    """Active tasks of a service by node."""
    tasks = view.tasks_of(service_id).values()
    return Counter(task.node_id for task in tasks if task.node_id and task.is_active)


def _ready() -> Filter:
    return Filter(
        passes=lambda c: c.node.is_ready,
        explain=lambda n: f"{_nodes(n)} not available for new tasks",
    )


def _resource(spec: ServiceSpec) -> Filter | None:
    wanted = reservations(spec)
    if not (wanted.nano_cpus or wanted.memory_bytes or wanted.generic_resources):
        return None

    def passes(c: Candidate) -> bool:
        if c.node.description is None:
            return False
        has = c.node.description.resources
        return (
            can_claim(wanted.generic_resources, c.free_generic)
            and c.usage.nano_cpus + wanted.nano_cpus <= has.nano_cpus
            and c.usage.memory_bytes + wanted.memory_bytes <= has.memory_bytes
        )

    return Filter(passes=passes, explain=lambda n: f"insufficient resources on {_nodes(n)}")


def _plugin(spec: ServiceSpec) -> Filter | None:
    needed = _needed_plugins(spec)
    if not needed:
        return None

    def passes(c: Candidate) -> bool:
        if c.node.description is None:
            return True
        have = {(p.type, p.name) for p in c.node.description.engine.plugins}
        has_log_plugins = any(kind == "Log" for kind, _ in have)
        return all(
            (kind, name) in have
            or (kind, f"{name}:latest") in have
            or (kind == "Log" and not has_log_plugins)
            for kind, name in needed
        )

    return Filter(passes=passes, explain=lambda n: f"missing plugin on {_nodes(n)}")


def _needed_plugins(spec: ServiceSpec) -> set[tuple[str, str]]:
    template = spec.task_template
    needed = set()
    for mount in template.container_spec.mounts if template.container_spec else ():
        driver = mount.volume_options.driver_config if mount.volume_options else None
        if mount.type == "volume" and driver and driver.name not in ("", "local"):
            needed.add(("Volume", driver.name))
    if template.log_driver and template.log_driver.name not in ("", "none"):
        needed.add(("Log", template.log_driver.name))
    return needed


def _constraint(spec: ServiceSpec) -> Filter | None:
    expressions = (spec.task_template.placement or Placement()).constraints
    if not expressions:
        return None
    return Filter(
        passes=lambda c: matches(expressions, c.node),
        explain=lambda n: f"scheduling constraints not satisfied on {_nodes(n)}",
    )


def _platform(spec: ServiceSpec) -> Filter | None:
    platforms = (spec.task_template.placement or Placement()).platforms
    if not platforms:
        return None

    def passes(c: Candidate) -> bool:
        if c.node.description is None:
            return False
        return any(_same(wanted, c.node.description.platform) for wanted in platforms)

    return Filter(passes=passes, explain=lambda n: f"unsupported platform on {_nodes(n)}")


def _same(wanted: Platform, has: Platform) -> bool:
    architecture = _ALIASES.get(wanted.architecture, wanted.architecture)
    return architecture in ("", _ALIASES.get(has.architecture, has.architecture)) and (
        wanted.os in ("", has.os)
    )


def _host_port(spec: ServiceSpec) -> Filter | None:
    wanted = host_ports(spec)
    if not wanted:
        return None
    return Filter(
        passes=lambda c: not wanted & c.host_ports,
        explain=lambda n: f"host-mode port already in use on {_nodes(n)}",
    )


def _max_replicas(spec: ServiceSpec) -> Filter | None:
    most = (spec.task_template.placement or Placement()).max_replicas
    if not most:
        return None
    return Filter(
        passes=lambda c: c.own < most,
        explain=lambda _: "max replicas per node limit exceed",
    )
