"""Who may ask for what: names of services and tasks, by the networks of the container that asks.

The engine's own resolver in each container, 127.0.0.11, asks the node's resolver from inside the
container's network namespace; so the source address tells who asks.  A name is looked for in that
task's networks, in their order; the ingress network has no names, since it joins what users keep
apart.

A service's name stands for its VIP, or for its tasks if it has none (dnsrr); `tasks.` before it
always for the tasks.  Each name may be followed by the network's.

Source: moby libnetwork/network.go, agent.go (which names an endpoint has).
"""

from collections.abc import Iterator, Mapping

import msgspec

from swarmd.dns.packets import NOERROR, NOTHING, REFUSED, Answer
from swarmd.model.dataplane import DataPlane, PlaneNetwork, PlaneService, ServiceNetwork
from swarmd.model.ids import NetworkID, TaskID

#: Where names of IPv4 addresses are asked for (RFC 1035, §3.5).
_REVERSE = ".in-addr.arpa"


class Asker(msgspec.Struct, frozen=True):
    """A task of this node, and where it looks for names."""

    task_id: TaskID
    networks: tuple[NetworkID, ...]
    #: it has a network that leads out of the cluster
    is_outward: bool = True


class Zone(msgspec.Struct, frozen=True):
    """All names of one node's networks, and who asks for them."""

    #: by address
    askers: Mapping[str, Asker]
    #: network → name in lower case → addresses
    names: Mapping[NetworkID, Mapping[str, tuple[str, ...]]]
    #: network → its own name in lower case
    titles: Mapping[NetworkID, str]
    #: network → address → name
    pointers: Mapping[NetworkID, Mapping[str, str]]


NO_ZONE = Zone({}, {}, {}, {})


class Found(msgspec.Struct, frozen=True):
    """What to answer.  Unknown names are REFUSED: the container's next server is asked then."""

    rcode: int
    #: without addresses: a service without tasks
    answer: Answer = NOTHING


def zone_of(plane: DataPlane) -> Zone:
    """The zone of a node."""
    networks = [network for network in plane.networks if not network.is_ingress]
    scopes: dict[TaskID, list[NetworkID]] = {}
    outward: set[TaskID] = set()
    addresses: dict[str, TaskID] = {}
    for network in plane.networks:
        for endpoint in network.endpoints:
            if endpoint.task_id and endpoint.node_id == plane.node_id:
                scope = scopes.setdefault(endpoint.task_id, [])
                if not network.is_ingress:
                    scope.append(network.id)
                if not network.is_internal:
                    outward.add(endpoint.task_id)
                addresses.update(dict.fromkeys(endpoint.addresses, endpoint.task_id))
    return Zone(
        askers={
            address: Asker(task_id, tuple(scopes[task_id]), task_id in outward)
            for address, task_id in addresses.items()
        },
        names={network.id: _names(plane, network.id) for network in networks},
        titles={network.id: network.name.lower() for network in networks},
        pointers={network.id: dict(_pointers(plane, network)) for network in networks},
    )


def resolve(zone: Zone, source: str, name: str) -> Found:
    """The answer to a question that came from `source`."""
    asker = zone.askers.get(source)
    for network_id in asker.networks if asker else ():
        for candidate in _candidates(name, zone.titles[network_id]):
            addresses = zone.names[network_id].get(candidate)
            if addresses is not None:
                return Found(NOERROR, Answer(addresses))
    return Found(REFUSED)


def reverse(zone: Zone, source: str, name: str) -> Found:
    """The answer to a question for the name of an address, `5.0.1.10.in-addr.arpa`."""
    asker = zone.askers.get(source)
    address = ".".join(reversed(name.removesuffix(_REVERSE).split(".")))
    for network_id in asker.networks if asker and name.endswith(_REVERSE) else ():
        pointer = zone.pointers[network_id].get(address)
        if pointer is not None:
            return Found(NOERROR, Answer(pointer=pointer))
    return Found(REFUSED)


def turned(addresses: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """In another order each time: clients take the first."""
    start = turn % len(addresses) if addresses else 0
    return addresses[start:] + addresses[:start]


def _candidates(name: str, network: str) -> Iterator[str]:
    yield name
    if name.endswith("." + network):
        yield name.removesuffix("." + network)


def _names(plane: DataPlane, network_id: NetworkID) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for service in plane.services:
        part = service.in_network(network_id)
        for name, addresses in _service_names(service, part) if part else ():
            # Two services may share an alias: then it stands for both.
            names.setdefault(name.lower(), []).extend(addresses)
    return {name: tuple(dict.fromkeys(addresses)) for name, addresses in names.items()}


def _pointers(plane: DataPlane, network: PlaneNetwork) -> Iterator[tuple[str, str]]:
    """(address, name): a VIP's is its service, a task's the first that its backend has."""
    for service in plane.services:
        part = service.in_network(network.id)
        for address in part.virtual_ips if part else ():
            yield address, f"{service.name}.{network.name}"
        for backend in part.backends if part else ():
            for address in backend.addresses if backend.names else ():
                yield address, f"{backend.names[0]}.{network.name}"


def _service_names(
    service: PlaneService, part: ServiceNetwork
) -> Iterator[tuple[str, tuple[str, ...]]]:
    tasks = tuple(address for backend in part.backends for address in backend.addresses)
    for name in dict.fromkeys((service.name, *part.aliases)):
        yield name, part.virtual_ips or tasks
        yield f"tasks.{name}", tasks
    for backend in part.backends:
        for name in backend.names:
            yield name, backend.addresses
