"""What happened to a task, a service or a node in a run, told while it happens.

Faults are told as well, whomever they befell: they are what the rest answers to.  Nothing here moves
the run, so a seed that failed is told as it failed.
"""

from collections.abc import Callable, Iterator, Sequence

from swarmd.model.node import Node
from swarmd.model.service import Service
from swarmd.model.task import Task
from swarmd.ports import Seconds
from swarmd.sim.world import World
from swarmd.store.apply import Touched
from swarmd.store.entry import Kind
from swarmd.store.view import View

#: Of the trace: told always.
_FAULTS = ("fault", "kill", "start", "ended", "cut", "leaves", "joins")


class Story:
    """Follows one run; `about` is the name of a service or host, or the beginning of an id."""

    def __init__(self, world: World, about: str, tell: Callable[[str], None]) -> None:
        self._world, self._about, self._tell = world, about, tell
        #: service → its name, those that are gone too
        self._names: dict[str, str] = {}
        world.on_newer.append(self._newer)
        world.trace.listener = self._traced

    def _say(self, what: str) -> None:
        self._tell(f"{self._world.loop.now:9.3f} s  {what}")

    # ---- the state

    def _newer(self, before: View | None, view: View, touched: Sequence[Touched] | None) -> None:
        for service in view.services().values():
            self._names[service.id] = service.name
        records = _all(view) if touched is None else dict.fromkeys((t.kind, t.id) for t in touched)
        for kind, identity in records:
            old, new = _record(before, kind, identity), _record(view, kind, identity)
            if old != new and self._is_about(old or new):
                text = f"{kind} {identity} is gone" if new is None else _described(view, new)
                self._say(f"{view.index:5}: {text}{self._owner(new)}")

    def _is_about(self, record: Task | Service | Node | None) -> bool:
        match record:
            case Task():
                names: tuple[str, ...] = (
                    record.id,
                    record.service_id,
                    self._names.get(record.service_id, ""),
                )
            case Service():
                names = (record.id, record.name)
            case Node():
                names = (record.id, record.hostname)
            case None:
                return False
        return any(name.startswith(self._about) for name in names)

    def _owner(self, record: Task | Service | Node | None) -> str:
        return f" ({self._names.get(record.service_id)})" if isinstance(record, Task) else ""

    # ---- the world

    def _traced(self, _now: Seconds, parts: tuple[object, ...]) -> None:
        is_told = parts[0] in _FAULTS
        if parts[0] in ("engine", "acknowledged", "refused"):
            is_told = any(self._about in str(part) for part in parts[1:])
        if is_told:
            self._say("       " + " ".join(map(str, parts)))


def _all(view: View) -> Iterator[tuple[Kind, str]]:
    """A snapshot came: everything may be another."""
    yield from ((Kind.NODE, node_id) for node_id in view.nodes())
    yield from ((Kind.SERVICE, service_id) for service_id in view.services())
    yield from ((Kind.TASK, task.id) for task in view.tasks())


def _record(view: View | None, kind: Kind, identity: str) -> Task | Service | Node | None:
    if view is None:
        return None
    match kind:
        case Kind.TASK:
            return view.task(identity)
        case Kind.SERVICE:
            return view.service(identity)
        case Kind.NODE:
            return view.node(identity)
        case _:
            return None


def _described(view: View, record: Task | Service | Node) -> str:
    match record:
        case Task():
            node, status = view.node(record.node_id), record.status
            place = node.hostname if node else record.node_id or "no node"
            words = f"{status.message} {status.err}".strip()
            return (
                f"task {record.id} of spec {record.spec_version} on {place}: {record.state}, "
                f"to be {record.desired_state}; {words}"
            )
        case Service():
            update = record.update_status
            return f"service {record.id} {record.name}: spec {record.spec_version}, update {update}"
        case Node():
            parts = (record.status.state, record.spec.availability, record.spec.role, record.role)
            words = f"{record.status.message} labels {dict(record.spec.labels)} {record.member}"
            return f"node {record.id} {record.hostname}: {', '.join(parts)}; {words}"
