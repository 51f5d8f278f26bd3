"""The one table of paths: ours, merged, hijacked; whatever is not in it is passed to the engine.

A route is found segment by segment in a tree, so a lookup costs the depth of the path and not the
number of routes.  Below the nouns of the cluster every unknown path and method is Docker's 404;
below all others it is the engine's business.
"""

import enum
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec


class Kind(enum.Enum):
    """Who answers."""

    #: swarmd alone, from the cluster's state
    OURS = "ours"
    #: swarmd, asking the engine for its part
    MERGED = "merged"
    #: the engine, over a connection that turns into a raw stream
    HIJACKED = "hijacked"
    #: the engine
    PASSED = "passed"
    #: nobody
    UNKNOWN = "unknown"


class Route(msgspec.Struct, frozen=True):
    """A row of the table.  `{x}` in a pattern stands for any one segment."""

    kind: Kind
    method: str
    pattern: str
    #: of its handler; empty for hijacked routes
    name: str = ""


class Match(msgspec.Struct, frozen=True):
    """What a path leads to."""

    kind: Kind
    name: str = ""
    #: decoded
    params: Mapping[str, str] = {}


_OURS = """
    POST   /swarm/init                swarm_init
    POST   /swarm/join                swarm_join
    POST   /swarm/leave               swarm_leave
    GET    /swarm                     swarm_inspect
    POST   /swarm/update              swarm_update
    GET    /swarm/unlockkey           swarm_unlock_key
    POST   /swarm/unlock              swarm_unlock
    GET    /nodes                     node_list
    GET    /nodes/{id}                node_inspect
    DELETE /nodes/{id}                node_remove
    POST   /nodes/{id}/update         node_update
    GET    /services                  service_list
    POST   /services/create           service_create
    GET    /services/{id}             service_inspect
    DELETE /services/{id}             service_remove
    POST   /services/{id}/update      service_update
    GET    /services/{id}/logs        service_logs
    GET    /tasks                     task_list
    GET    /tasks/{id}                task_inspect
    GET    /tasks/{id}/logs           task_logs
    GET    /secrets                   secret_list
    POST   /secrets/create            secret_create
    GET    /secrets/{id}              secret_inspect
    DELETE /secrets/{id}              secret_remove
    POST   /secrets/{id}/update       secret_update
    GET    /configs                   config_list
    POST   /configs/create            config_create
    GET    /configs/{id}              config_inspect
    DELETE /configs/{id}              config_remove
    POST   /configs/{id}/update       config_update
"""
_MERGED = """
    GET    /_ping                     ping
    HEAD   /_ping                     ping
    GET    /version                   version
    GET    /info                      info
    GET    /events                    events
    GET    /containers/json           container_list
    POST   /containers/create         container_create
    POST   /volumes/create            volume_create
    GET    /networks                  network_list
    POST   /networks/create           network_create
    POST   /networks/prune            network_prune
    GET    /networks/{id}             network_inspect
    DELETE /networks/{id}             network_remove
    POST   /networks/{id}/connect     network_connect
    POST   /networks/{id}/disconnect  network_disconnect
"""
# Old clients ask for a raw stream without an Upgrade header, so the paths must be known.  Any other
# passed request is hijacked too if it carries one.
_HIJACKED = """
    POST   /containers/{id}/attach
    GET    /containers/{id}/attach/ws
    POST   /exec/{id}/start
    POST   /session
    POST   /grpc
"""


def _rows(kind: Kind, text: str) -> tuple[Route, ...]:
    return tuple(Route(kind, *line.split()) for line in text.split("\n") if line.strip())


ROUTES = (
    *_rows(Kind.OURS, _OURS),
    *_rows(Kind.MERGED, _MERGED),
    *_rows(Kind.HIJACKED, _HIJACKED),
)

#: First segments below which an unknown path is nobody's.
_OWN_NOUNS = frozenset(route.pattern.split("/")[1] for route in ROUTES if route.kind is Kind.OURS)


class _Branch:
    """One segment's place in the tree of paths."""

    def __init__(self) -> None:
        #: literal segment → below it
        self.literals: dict[str, _Branch] = {}
        #: below any other segment; None if there is nothing
        self.variable: _Branch | None = None
        #: method → route that ends here
        self.routes: dict[str, Route] = {}

    def add(self, route: Route) -> None:
        """Grow the branches that lead to `route`."""
        branch = self
        for segment in route.pattern.split("/")[1:]:
            if segment.startswith("{"):
                branch.variable = branch.variable or _Branch()
                branch = branch.variable
            else:
                branch = branch.literals.setdefault(segment, _Branch())
        branch.routes[route.method] = route

    def find(self, method: str, segments: Sequence[str]) -> Route | None:
        """The route that the segments lead to, a literal one before one with a variable.

        Both are tried: `DELETE /services/create` is about a service of that name.
        """
        if not segments:
            return self.routes.get(method)
        first, rest = segments[0], segments[1:]
        for branch in (self.literals.get(first), self.variable if first else None):
            route = branch.find(method, rest) if branch else None
            if route is not None:
                return route
        return None


_TREE = _Branch()
for _route in ROUTES:
    _TREE.add(_route)


def find(method: str, path: str) -> Match:
    """What answers `method` on `path`: percent-encoded, without version and query."""
    segments = path.split("/")[1:]
    route = _TREE.find(method, segments)
    if route is None:
        is_own = bool(segments) and segments[0] in _OWN_NOUNS
        return Match(Kind.UNKNOWN if is_own else Kind.PASSED)
    params = {
        part.strip("{}"): unquote(segment)
        for part, segment in zip(route.pattern.split("/")[1:], segments, strict=True)
        if part.startswith("{")
    }
    return Match(route.kind, route.name, params)


def names(kind: Kind) -> frozenset[str]:
    """The names of the handlers that routes of this kind need."""
    return frozenset(route.name for route in ROUTES if route.kind is kind)
