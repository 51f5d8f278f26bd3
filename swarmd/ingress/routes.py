"""Routes of the mesh, wanted minus observed.

Forward: a task elsewhere is reached through its node's bridge, so that its host sees the connection
and can mark it.  Back: marked answers take a table of their own, whatever the client's address.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from swarmd.ingress.balance import ipv4
from swarmd.ingress.marks import (
    BACK_ADDRESS,
    BACK_MAC,
    MARK,
    MARK_MASK,
    ROUTE_PROTOCOL,
    ROUTE_TABLE,
    RULE_PREFERENCE,
)
from swarmd.model.dataplane import NO_TASK, DataPlane
from swarmd.model.devices import BRIDGE_PREFIX, bridge_name, vxlan_name

#: The commands whose output is read here.
ROUTES = ("ip", "-j", "-4", "route", "show", "table", "all", "proto", str(ROUTE_PROTOCOL))
RULES = ("ip", "-j", "-4", "rule", "show")

_RULE = f"pref {RULE_PREFERENCE} fwmark {MARK:#x}/{MARK_MASK:#x} lookup {ROUTE_TABLE}"
_BACK = str(ROUTE_TABLE)


class Way(msgspec.Struct, frozen=True):
    """Where a route leads."""

    gateway: str
    device: str


class Routes(msgspec.Struct, frozen=True):
    """What there is of ours."""

    #: (table, destination) → way; the main table's name is empty
    ways: Mapping[tuple[str, str], Way]
    has_rule: bool


def read_routes(routes: str, rules: str) -> Routes:
    """Raises ValueError (msgspec) if the tool's output is no longer what it was."""
    decoded = msgspec.json.decode(routes.strip() or "[]", type=list[_Route])
    preferences = msgspec.json.decode(rules.strip() or "[]", type=list[_Rule])
    return Routes(
        # Whoever else uses our protocol's number has nothing to do with our bridges.
        ways={
            (route.table, route.dst): Way(route.gateway, route.dev)
            for route in decoded
            if route.dev.startswith(BRIDGE_PREFIX)
        },
        has_rule=any(rule == _WANTED_RULE for rule in preferences),
    )


class RouteWork(msgspec.Struct, frozen=True):
    """`ip` lines around the change of the rules: a way is there before it is used."""

    before: tuple[str, ...]
    after: tuple[str, ...]


class Nobody(msgspec.Struct, frozen=True):
    """`ip` and `bridge` lines for the neighbour that does not exist."""

    neighbours: tuple[str, ...] = ()
    forwarding: tuple[str, ...] = ()


def wanted_routes(plane: DataPlane) -> Routes:
    """What there is once everything is done."""
    ways = dict(_wanted(plane))
    return Routes(ways=ways, has_rule=bool(ways))


def route_work(plane: DataPlane, observed: Routes) -> RouteWork:
    """A way that is wanted otherwise is replaced, never deleted first."""
    wanted = dict(_wanted(plane))
    before = []
    for (table, destination), way in wanted.items():
        if observed.ways.get((table, destination)) != way:
            onlink = "onlink " if table == _BACK else ""
            before.append(
                f"route replace {destination} via {way.gateway} dev {way.device} "
                f"{onlink}{_table(table)}proto {ROUTE_PROTOCOL}"
            )
    if wanted and not observed.has_rule:
        before.append(f"rule add {_RULE}")
    after = [
        f"route del {destination} {_table(table)}proto {ROUTE_PROTOCOL}"
        for table, destination in observed.ways
        if (table, destination) not in wanted
    ]
    if not wanted and observed.has_rule:
        after.append(f"rule del {_RULE}")
    return RouteWork(tuple(before), tuple(after))


def nobody_lines(plane: DataPlane) -> Nobody:
    """Written whether or not they are there, as it costs less than reading."""
    if plane.ingress is None or not ipv4(plane.ingress.node_addresses(plane.node_id)):
        return Nobody()
    bridge, port = bridge_name(plane.ingress.vni), vxlan_name(plane.ingress.vni)
    neighbour = f"neigh replace {BACK_ADDRESS} lladdr {BACK_MAC} dev {bridge} nud permanent"
    return Nobody((neighbour,), (f"fdb replace {BACK_MAC} dev {port} master static",))


class _Route(msgspec.Struct, frozen=True):
    dst: str = ""
    gateway: str = ""
    dev: str = ""
    table: str = ""


class _Rule(msgspec.Struct, frozen=True):
    priority: int = 0
    fwmark: str = ""
    fwmask: str = ""
    table: str = ""


_WANTED_RULE = _Rule(RULE_PREFERENCE, f"{MARK:#x}", f"{MARK_MASK:#x}", _BACK)


def _wanted(plane: DataPlane) -> Iterator[tuple[tuple[str, str], Way]]:
    ingress = plane.ingress
    if ingress is None or not ipv4(ingress.node_addresses(plane.node_id)):
        return
    bridge = bridge_name(ingress.vni)
    gateways: dict[str, Sequence[str]] = {}
    for endpoint in ingress.endpoints:
        if endpoint.task_id == NO_TASK and endpoint.node_id != plane.node_id:
            gateways[endpoint.node_id] = ipv4(endpoint.addresses)
    for endpoint in ingress.endpoints:
        if endpoint.task_id != NO_TASK and gateways.get(endpoint.node_id):
            for address in ipv4(endpoint.addresses):
                yield ("", address), Way(gateways[endpoint.node_id][0], bridge)
    yield (_BACK, "default"), Way(BACK_ADDRESS, bridge)


def _table(table: str) -> str:
    return f"table {table} " if table else ""
