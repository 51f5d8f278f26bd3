"""Wanted minus observed: what is to be done so that this node's part of every overlay stands.

Each overlay is, on each node that needs it, an ordinary engine network of driver `bridge` whose
bridge has one VXLAN port.  The port neither floods nor learns: for every endpoint elsewhere there is
one forwarding entry (MAC address → node) and one neighbour entry (address → MAC address), which the
device answers ARP from.  Unknown and broadcast frames end at the port.

A pass.  Run over its own result it finds nothing to do; cut after any step and run again it goes on
from there.  Everything carries a name or label of ours, and only such things are touched.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from swarmd.model.base import Labels
from swarmd.model.dataplane import DataPlane, LocalTask, PlaneNetwork
from swarmd.model.devices import (
    NETWORK_LABEL,
    VXLAN_PREFIX,
    bridge_name,
    engine_name,
    mac_of,
    vxlan_name,
)
from swarmd.model.ids import NetworkID
from swarmd.overlay.clash import clash
from swarmd.overlay.ends import cut_off, rebuilt
from swarmd.overlay.entries import forwarding_lines, neighbour_lines
from swarmd.overlay.observe import Link, Observed, Vxlan
from swarmd.ports import EngineNetwork
from swarmd.wire.bridge import BRIDGE_OPTION, BridgeNetwork, bridge_request

_DEFAULT_MTU = 1500
#: VXLAN in IPv4: 14 Ethernet, 20 IP, 8 UDP, 8 VXLAN; in IPv6 20 more (RFC 7348).
_OVERHEAD_BYTES = {4: 50, 6: 70}


class NetworkWork(msgspec.Struct, frozen=True, kw_only=True):
    """What one network needs, in the order of the fields."""

    id: NetworkID
    bridge: str = ""
    #: not empty: why it must not be made here; nothing else is to be done then
    refusal: str = ""
    #: engine networks that stand for it and are not as they must be
    removed: tuple[str, ...] = ()
    #: body of the create; empty = it is there
    body: bytes = b""
    #: `ip` lines for the bridge and its VXLAN port
    links: tuple[str, ...] = ()
    #: (name, value), written each time: it costs less than reading
    sysctls: tuple[tuple[str, str], ...] = ()
    #: `ip` and `bridge` lines for what is reached through the port
    neighbours: tuple[str, ...] = ()
    forwarding: tuple[str, ...] = ()
    #: containers that may have no end in the bridge
    cut_off: tuple[LocalTask, ...] = ()


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """An engine network that is no longer wanted, and the link that it leaves behind."""

    engine_id: str
    links: tuple[str, ...] = ()
    #: its bridge stays, and is an orphan then
    leaves_bridge: bool = False


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What the node needs.  Networks that are to be removed first."""

    removals: tuple[Removal, ...] = ()
    #: `ip` lines that delete ports whose network is gone already
    orphans: tuple[str, ...] = ()
    networks: tuple[NetworkWork, ...] = ()


def plan(wanted: DataPlane, observed: Observed, tasks: Sequence[LocalTask] = ()) -> Work:
    """The difference, for every network in which this node has an address of its own.

    `tasks` are those whose containers run here.
    """
    networks = [n for n in wanted.networks if n.node_addresses(wanted.node_id)]
    vnis = {network.id: network.vni for network in networks}
    removals = tuple(_removals(vnis, observed))
    leaving = {line for removal in removals for line in removal.links}
    return Work(
        removals=removals,
        orphans=tuple(line for line in _orphans(vnis, observed) if line not in leaving),
        networks=tuple(_network(wanted, network, observed, tasks) for network in networks),
    )


def _orphans(vnis: Mapping[NetworkID, int], observed: Observed) -> Iterator[str]:
    """Lines for links of ours that no network has."""
    ports = {vxlan_name(vni) for vni in vnis.values()}
    bridges = {bridge_name(vni) for vni in vnis.values()}
    bridges |= {network.options.get(BRIDGE_OPTION, "") for network in observed.networks}
    for name, link in observed.links.items():
        is_port = name.startswith(VXLAN_PREFIX) and link.vxlan and name not in ports
        if is_port or (link.is_rebuilt and name not in bridges):
            yield f"link del {name}"


def _removals(vnis: Mapping[NetworkID, int], observed: Observed) -> Iterator[Removal]:
    for network in observed.networks:
        if network.labels.get(NETWORK_LABEL) in vnis:
            continue
        bridge = network.options.get(BRIDGE_OPTION, "")
        # While containers are attached the engine refuses, and the port stays as well.  So does one
        # that a wanted network has again.
        again = {vxlan_name(vni) for vni in vnis.values()}
        ports = sorted(
            name
            for name, link in observed.links.items()
            if link.vxlan and link.master == bridge and name not in again
        )
        there = observed.links.get(bridge)
        yield Removal(
            engine_id=network.id,
            links=tuple(f"link del {port}" for port in ports),
            leaves_bridge=there is not None and there.is_rebuilt,
        )


def _network(
    wanted: DataPlane, network: PlaneNetwork, observed: Observed, tasks: Sequence[LocalTask]
) -> NetworkWork:
    own = network.node_addresses(wanted.node_id)
    bridge, port = bridge_name(network.vni), vxlan_name(network.vni)
    mtu = _mtu(wanted, network, observed)
    request = BridgeNetwork(
        name=engine_name(network.id),
        bridge=bridge,
        mtu=mtu,
        subnets=network.subnets,
        gateways=own,
        is_internal=network.is_internal,
        labels=_labels(network, own),
    )
    there = [n for n in observed.networks if n.labels.get(NETWORK_LABEL) == network.id]
    away = cut_off(network, tasks, observed.links)
    is_lost = bridge not in observed.links
    # The engine makes a bridge anew only for a network without containers.
    right = [n for n in there if _is_right(n, request) and (away or not is_lost)][:1]
    if (is_lost or not right) and (refusal := clash(wanted, network, observed)):
        return NetworkWork(id=network.id, bridge=bridge, refusal=refusal)
    device = _Device(wanted, network, mtu)
    found = device.found(observed)
    return NetworkWork(
        id=network.id,
        bridge=bridge,
        removed=tuple(n.id for n in there if n not in right),
        body=b"" if right else bridge_request(request),
        links=(
            *(rebuilt(network, own, mtu) if right and is_lost else ()),
            *_bridge_lines(bridge, mac_of(own), observed.links.get(bridge) if right else None),
            *device.lines(observed, bridge if right and not is_lost else ""),
        ),
        cut_off=away if right else (),
        sysctls=tuple(_sysctls(network, bridge)),
        neighbours=tuple(
            neighbour_lines(wanted, network, observed.neighbours.get(port, {}) if found else {})
        ),
        forwarding=tuple(
            forwarding_lines(wanted, network, observed.forwarding.get(port, {}) if found else {})
        ),
    )


def _labels(network: PlaneNetwork, own: Iterable[str]) -> Labels:
    """All that makes an engine network the right one: with other labels it is made anew."""
    return {
        NETWORK_LABEL: network.id,
        "swarmd.vni": str(network.vni),
        "swarmd.subnets": ",".join(network.subnets),
        "swarmd.gateways": ",".join(own),
        "swarmd.internal": str(network.is_internal).lower(),
    }


def _is_right(there: EngineNetwork, request: BridgeNetwork) -> bool:
    """Whether an engine network is as it would be made."""
    is_same = there.labels == request.labels
    return is_same and there.options.get(BRIDGE_OPTION) == request.bridge


def _mtu(wanted: DataPlane, network: PlaneNetwork, observed: Observed) -> int:
    """What fits into a packet of the device that carries the data path; less if a user says so."""
    data_path = wanted.data_paths()[wanted.node_id]
    carriers = [link.mtu for link in observed.links.values() if data_path in link.addresses]
    overhead = _OVERHEAD_BYTES[ipaddress.ip_address(data_path).version]
    fits = min(carriers, default=_DEFAULT_MTU) - overhead
    return min(network.mtu, fits) if network.mtu else fits


def _bridge_lines(bridge: str, mac: str, found: Link | None) -> Iterator[str]:
    """The engine draws a MAC address; other nodes expect the one that follows from the address."""
    if found is None or found.mac != mac:
        yield f"link set {bridge} address {mac}"


class _Device:
    """The VXLAN port of one network, as it is to be."""

    def __init__(self, wanted: DataPlane, network: PlaneNetwork, mtu: int) -> None:
        self._name = vxlan_name(network.vni)
        self._bridge = bridge_name(network.vni)
        self._mtu = mtu
        self._vxlan = Vxlan(
            vni=network.vni,
            local=wanted.data_paths()[wanted.node_id],
            port=wanted.vxlan_port,
            learning=False,
            proxy=True,
        )

    def found(self, observed: Observed) -> Link | None:
        """The device that is there, unless it must be made anew."""
        link = observed.links.get(self._name)
        return link if link is not None and link.vxlan == self._vxlan else None

    def lines(self, observed: Observed, bridge: str) -> Iterator[str]:
        """`bridge` is the one that is there and stays; empty if it is made in this round."""
        found, vxlan = self.found(observed), self._vxlan
        if found is None:
            if self._name in observed.links:
                yield f"link del {self._name}"
            yield (
                f"link add {self._name} mtu {self._mtu} type vxlan id {vxlan.vni} "
                f"local {vxlan.local} dstport {vxlan.port} nolearning proxy"
            )
        elif found.mtu != self._mtu:
            yield f"link set {self._name} mtu {self._mtu}"
        if found is None or not bridge or found.master != bridge or not found.is_up:
            yield f"link set {self._name} master {self._bridge} up"


def _sysctls(network: PlaneNetwork, bridge: str) -> Iterator[tuple[str, str]]:
    # A task of two networks answers by its default route, whatever way the question came.
    yield f"net/ipv4/conf/{bridge}/rp_filter", "2"
    if network.is_ingress:
        # The node's own 127.0.0.1 is translated too.
        yield f"net/ipv4/conf/{bridge}/route_localnet", "1"
