"""The routing mesh of one host as nftables text: one table per family, replaced as a whole.

A published port answers on every address of the node and on 127.0.0.1, whether its tasks are here
or elsewhere, and tasks see the client's address:

*Forward.*  A connection to a local address and a published port is translated to a backend in the
ingress network.  A backend elsewhere is routed *via its node's bridge* (`routes`), so that its host
sees the connection and remembers, in the connection's mark, through which node it came.

*Back.*  Answers of marked connections take a route of their own towards a neighbour that does not
exist; at the last step the bridge table puts the MAC address of the right node there and clears the
mark, which would otherwise route VXLAN's outer packet too.  The first node undoes its translation.

Sources that belong to the cluster (nodes, loopback, cluster networks) are hidden behind the entry
node's ingress address: answers to them would not come back here otherwise.

A port without backends is not in the map: the host itself refuses the connection.
"""

import ipaddress
from collections.abc import Collection, Iterator

from swarmd.ingress.balance import add, elements, ipv4, to_ports
from swarmd.ingress.marks import MARK, MARK_MASK, TABLE, node_mark
from swarmd.model.dataplane import NO_TASK, DataPlane, PlaneNetwork, published
from swarmd.model.devices import BRIDGE_PREFIX, bridge_name, mac_of, vxlan_name


def host_rules(plane: DataPlane, taken: Collection[tuple[str, int]] = ()) -> str:
    """The transaction that makes this host's tables what they are to be; both empty families go.

    Ports that are `taken`, by (protocol, number), are left to the programs that have them.
    """
    lines = [*no_table("ip"), *no_table("bridge")]
    if plane.networks:
        lines.append(f"add table ip {TABLE}")
        lines.extend(_guards(plane))
    ingress = plane.ingress
    if ingress is not None and ipv4(ingress.node_addresses(plane.node_id)):
        lines.extend(_sets(plane, ingress))
        lines.extend(_ports(plane, taken))
        lines.extend(_translation(plane, ingress))
        lines.extend(_way_back(ingress))
        lines.extend(_last_step(plane, ingress))
    return "\n".join(lines) + "\n"


def no_table(family: str) -> Iterator[str]:
    """Without our table, whether there was one or not."""
    yield f"add table {family} {TABLE}"
    yield f"delete table {family} {TABLE}"


def _guards(plane: DataPlane) -> Iterator[str]:
    """What a network between nodes must not open."""
    overlay = f'"{BRIDGE_PREFIX}*"'
    # route_localnet would let containers reach services that listen on the host's loopback.
    yield _hook("guard_loopback", "filter", "prerouting", -300)
    yield add("guard_loopback", f"iifname {overlay} ip daddr 127.0.0.0/8 drop")
    # Answers leave by the interface that they came in on, so the host would send redirects, and
    # containers believe them.
    yield _hook("guard_redirect", "filter", "output", 0)
    yield add("guard_redirect", f"oifname {overlay} icmp type redirect drop")
    # From elsewhere only what somebody published.
    yield _hook("guard_forward", "filter", "forward", -10)
    inward = f"iifname != {overlay} oifname {overlay}"
    yield add("guard_forward", f"{inward} ct status dnat accept")
    yield add("guard_forward", f"{inward} ct state new drop")
    # Frames of our networks come from nodes only; the VNI is 24 bits after 8 bytes of UDP and 4.
    yield _hook("guard_tunnel", "filter", "input", 0)
    vnis = ", ".join(str(network.vni) for network in plane.networks)
    nodes = ", ".join(ipv4(node.data_path for node in plane.nodes))
    if nodes:
        tunnel = f"udp dport {plane.vxlan_port} @th,96,24 {{ {vnis} }}"
        yield add("guard_tunnel", f"{tunnel} ip saddr != {{ {nodes} }} drop")


def _sets(plane: DataPlane, ingress: PlaneNetwork) -> Iterator[str]:
    """Tasks on this node, and the mark of each other node by the MAC address of its bridge."""
    here = (
        address
        for endpoint in ingress.endpoints
        if endpoint.task_id != NO_TASK and endpoint.node_id == plane.node_id
        for address in ipv4(endpoint.addresses)
    )
    marks = (f"{mac} : {mark:#x}" for mac, mark in _peers(plane, ingress).items())
    yield f"add set ip {TABLE} local {{ type ipv4_addr; {elements(here)} }}"
    yield f"add map ip {TABLE} nodes {{ type ether_addr : mark; {elements(marks)} }}"


def _peers(plane: DataPlane, ingress: PlaneNetwork) -> dict[str, int]:
    """MAC address of each other node's ingress bridge → the mark of what comes through it."""
    return {
        mac_of(endpoint.addresses): node_mark(address)
        for endpoint in ingress.endpoints
        if endpoint.task_id == NO_TASK and endpoint.node_id != plane.node_id
        for address in ipv4(endpoint.addresses)
    }


def _ports(plane: DataPlane, taken: Collection[tuple[str, int]]) -> Iterator[str]:
    """A chain for each published port that has backends, and the map that leads there."""
    found: list[str] = []
    for port, backends in published(plane):
        addresses = [a for backend in backends for a in ipv4(backend.addresses)]
        if addresses and (port.protocol, port.published_port) not in taken:
            chain = f"{port.protocol}_{port.published_port}"
            found.append(f"{port.protocol} . {port.published_port} : goto {chain}")
            yield f"add chain ip {TABLE} {chain}"
            yield from to_ports(chain, port.protocol, addresses, port.target_port)
    kind = "type inet_proto . inet_service : verdict;"
    yield f"add map ip {TABLE} ports {{ {kind} {elements(found)} }}"


def _translation(plane: DataPlane, ingress: PlaneNetwork) -> Iterator[str]:
    # At -110 and 90: before the engine's own rules at -100 and 100.
    published_here = "fib daddr type local meta l4proto . th dport vmap @ports"
    # The node's resolver is asked there: a service that publishes port 53 is not meant.
    own = ipv4(a for network in plane.networks for a in network.node_addresses(plane.node_id))
    resolver = f"ip daddr {{ {', '.join(own)} }} meta l4proto {{ tcp, udp }} th dport 53 return"
    for chain, hook in (("arriving", "prerouting"), ("leaving", "output")):
        yield _hook(chain, "nat", hook, -110)
        yield add(chain, resolver)
        yield add(chain, published_here)
    yield _hook("hide", "nat", "postrouting", 90)
    (entry,) = ipv4(ingress.node_addresses(plane.node_id))
    out = f'oifname "{bridge_name(ingress.vni)}" ct status dnat'
    yield add("hide", f"{out} fib saddr type local snat to {entry}")
    yield add("hide", f"{out} ip saddr {{ {', '.join(_cluster_sources(plane))} }} snat to {entry}")


def _cluster_sources(plane: DataPlane) -> list[str]:
    """Cluster networks and nodes; each once and none within another, as a set of intervals wants.

    A network that overlaps the nodes' own stands nowhere (`overlay.clash`): its addresses are those
    of clients outside.
    """
    texts = (address for node in plane.nodes for address in (node.data_path, *node.addresses))
    nodes = [ipaddress.IPv4Network(text) for text in ipv4(texts)]
    subnets = (subnet for network in plane.networks for subnet in ipv4(network.subnets))
    networks = [
        network
        for network in map(ipaddress.IPv4Network, subnets)
        if not any(node.subnet_of(network) for node in nodes)
    ]
    return [str(source) for source in ipaddress.collapse_addresses([*networks, *nodes])]


def _way_back(ingress: PlaneNetwork) -> Iterator[str]:
    yield _hook("remember", "filter", "prerouting", -150)
    ours = f"ct mark and {MARK_MASK:#x} == {MARK:#x}"
    yield add("remember", f"{ours} ct direction reply meta mark set ct mark accept")
    # Answers to sources inside the network are bridged and need no mark.
    (subnet,) = ipv4(ingress.subnets)
    fresh = f'iifname "{bridge_name(ingress.vni)}" ip saddr != {subnet} ip daddr @local'
    yield add("remember", f"{fresh} ct state new ct mark set ether saddr map @nodes")


def _last_step(plane: DataPlane, ingress: PlaneNetwork) -> Iterator[str]:
    macs = (f"{mark:#x} : {mac}" for mac, mark in _peers(plane, ingress).items())
    yield f"add table bridge {TABLE}"
    yield f"add map bridge {TABLE} nodes {{ type mark : ether_addr; {elements(macs)} }}"
    yield _hook("back", "filter", "output", 0, family="bridge")
    ours = f'oifname "{vxlan_name(ingress.vni)}" meta mark and {MARK_MASK:#x} == {MARK:#x}'
    step = "ether daddr set meta mark map @nodes meta mark set 0"
    yield f"add rule bridge {TABLE} back {ours} {step}"


def _hook(chain: str, kind: str, hook: str, priority: int, *, family: str = "ip") -> str:
    return f"add chain {family} {TABLE} {chain} {{ type {kind} hook {hook} priority {priority}; }}"
