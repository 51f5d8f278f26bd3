"""What a packet would meet: the tables that daemons wrote into their kernels, followed by hand.

What is read here is text as the kernel gets it, and entries as it has them; of the product's own
planning nothing is asked.
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address

import msgspec

from swarmd.model.devices import bridge_name, engine_name, vxlan_name
from swarmd.model.network import Network
from swarmd.ports import Container
from swarmd.sim.kernel import KernelState
from swarmd.sim.world import Machine

_PUBLISHED = re.compile(r"tcp \. (\d+) : goto (\w+)")
_VIRTUAL = re.compile(r"([\d.]+) : goto (\w+)")
_BACKEND = re.compile(r"\d+ : ([\d.]+)(?: \. (\d+))?[, ]")
#: id, flags (recursion desired), one question
_QUESTION = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0)
_A_IN = struct.pack("!2H", 1, 1)
_RCODE = 0x000F


class Backend(msgspec.Struct, frozen=True, order=True):
    """Where a rule sends a connection; port 0 = the port that was asked for."""

    address: str
    port: int


def published(kernel: KernelState) -> Mapping[int, list[Backend]]:
    """What the host's rules make of a TCP connection to one of its ports."""
    text = kernel.tables[0]
    return {int(port): _chain(text, chain) for port, chain in _PUBLISHED.findall(text)}


def virtual(kernel: KernelState, container: Container) -> Mapping[str, list[Backend]]:
    """What a container's rules make of a connection to an address."""
    text = kernel.tables.get(container.pid, "")
    return {address: _chain(text, chain) for address, chain in _VIRTUAL.findall(text)}


def _chain(text: str, name: str) -> list[Backend]:
    """The backends of the chain's first rule; none = refused."""
    for line in text.splitlines():
        if line.startswith("add rule") and f" {name} " in line:
            return sorted(
                Backend(address, int(port or 0)) for address, port in _BACKEND.findall(line)
            )
    return []


class Wire:
    """The hosts, and what is plugged into their bridges."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._by_address = {machine.host.address: machine for machine in machines}

    def bridged(self, source: Machine, network: Network, address: str) -> Container | None:
        """Who gets a frame that a container or the host sends into the network's bridge."""
        if not _has_bridge(source, network):
            return None
        if (here := _plugged(source, network, address)) is not None:
            return here
        target = self._tunnelled(source, network, address)
        return None if target is None else _plugged(target, network, address)

    def routed(self, source: Machine, network: Network, address: str) -> Container | None:
        """Who gets a packet from the host: one for another node's task goes by that node's bridge."""
        if (here := _plugged(source, network, address)) is not None:
            return here
        route = source.host.kernel.routes.get(("", address))
        if route is None or route["dev"] != bridge_name(network.vni):
            return None
        target = self._tunnelled(source, network, str(route["gateway"]))
        return None if target is None else _plugged(target, network, address)

    def _tunnelled(self, source: Machine, network: Network, address: str) -> Machine | None:
        """The host to which the VXLAN port sends what is for an address, if that has one too."""
        kernel, port = source.host.kernel, vxlan_name(network.vni)
        mac = kernel.neighbours.get((port, address), "")
        target = self._by_address.get(kernel.forwarding.get((port, mac), ""))
        return target if target is not None and _has_bridge(target, network) else None


def _has_bridge(machine: Machine, network: Network) -> bool:
    """The bridge stands, with a VXLAN port of the right number in it."""
    links, bridge = machine.host.kernel.links, bridge_name(network.vni)
    port = links.get(vxlan_name(network.vni), {})
    return bridge in links and port.get("master") == bridge


def _plugged(machine: Machine, network: Network, address: str) -> Container | None:
    name = engine_name(network.id)
    for container in machine.engine.containers.values():
        if container.status == "running" and container.addresses.get(name) == address:
            return container
    return None


def ask(kernel: KernelState, resolver: str, source: str, name: str) -> tuple[str, ...] | None:
    """The addresses that a resolver tells; None = it tells nothing, or not yet."""
    answer = kernel.resolvers.get(resolver)
    if answer is None:
        return None
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + _A_IN
    answers: list[bytes] = []
    answer(_QUESTION + question, source, answers.append, is_tcp=True)
    if not answers or struct.unpack_from("!H", answers[0], 2)[0] & _RCODE:
        return None
    return tuple(sorted(_records(answers[0], len(_QUESTION) + len(question))))


def _records(packet: bytes, start: int) -> Iterator[str]:
    (count,) = struct.unpack_from("!H", packet, 6)
    for position in range(count):
        at = start + position * 16
        yield str(IPv4Address(packet[at + 12 : at + 16]))
