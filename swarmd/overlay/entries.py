"""Who is reached through a network's VXLAN port: forwarding and neighbour entries, as differences.

An entry that is wanted with another value is replaced, never deleted first: a MAC address that moves
to another node has no moment without a way.
"""

from collections.abc import Iterator, Mapping

from swarmd.model.dataplane import DataPlane, Endpoint, PlaneNetwork
from swarmd.model.devices import mac_of, vxlan_name


def forwarding_lines(
    wanted: DataPlane, network: PlaneNetwork, observed: Mapping[str, str]
) -> Iterator[str]:
    """`bridge` lines; `observed` is MAC address → node address."""
    port = vxlan_name(network.vni)
    paths = wanted.data_paths()
    entries = {mac_of(e.addresses): paths[e.node_id] for e in _elsewhere(wanted, network)}
    for mac, node in observed.items():
        if mac not in entries:
            yield f"fdb del {mac} dev {port} dst {node} self"
    for mac, node in entries.items():
        if observed.get(mac) != node:
            yield f"fdb replace {mac} dev {port} dst {node} self permanent"


def neighbour_lines(
    wanted: DataPlane, network: PlaneNetwork, observed: Mapping[str, str]
) -> Iterator[str]:
    """`ip` lines; `observed` is address → MAC address."""
    port = vxlan_name(network.vni)
    entries = {
        address: mac_of(endpoint.addresses)
        for endpoint in _elsewhere(wanted, network)
        for address in endpoint.addresses
    }
    for address in observed:
        if address not in entries:
            yield f"neigh del {address} dev {port}"
    for address, mac in entries.items():
        if observed.get(address) != mac:
            yield f"neigh replace {address} lladdr {mac} dev {port} nud permanent"


def _elsewhere(wanted: DataPlane, network: PlaneNetwork) -> Iterator[Endpoint]:
    """Endpoints on other nodes whose address is known."""
    paths = wanted.data_paths()
    for endpoint in network.endpoints:
        if endpoint.node_id != wanted.node_id and endpoint.node_id in paths:
            yield endpoint
