"""Virtual addresses of services, translated in the *asking container's* network namespace.

There the answers come back to the translation by themselves: no source is hidden, a task that calls
its own VIP needs no hairpin, and a VIP is nowhere in the network but a key of this map.  The engine
has its own rules there, for 127.0.0.11; they stay.

The same table closes a published task's ingress interface to everything but its published ports.
"""

from collections.abc import Collection, Iterator, Mapping

import msgspec

from swarmd.ingress.balance import add, elements, ipv4, to_addresses
from swarmd.ingress.marks import REFUSED, TABLE
from swarmd.ingress.rules import no_table
from swarmd.model.dataplane import DataPlane, LocalTask, ServiceNetwork
from swarmd.model.ids import NetworkID


class ContainerTable(msgspec.Struct, frozen=True):
    """What is to be in one container."""

    #: the transaction that makes it so
    text: str
    #: VIP that leads somewhere → the addresses that it leads to
    ways: Mapping[str, frozenset[str]]
    #: what is not about VIPs
    closed: tuple[str, ...]

    def backends(self) -> frozenset[str]:
        """All addresses that VIPs lead to."""
        return frozenset().union(*self.ways.values())

    def only_adds_to(self, before: "ContainerTable") -> bool:
        """Whether all that changes is that VIPs lead to more backends than before."""
        if (before.ways.keys(), before.closed) != (self.ways.keys(), self.closed):
            return False
        return all(before.ways[vip] <= backends for vip, backends in self.ways.items())


class ContainerRules:
    """The tables of one plane; what containers of the same networks share is made once."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._shared: dict[frozenset[NetworkID], _Shared] = {}

    def of(self, task: LocalTask) -> ContainerTable:
        """What a container's table is to be."""
        networks = frozenset(task.addresses)
        if networks not in self._shared:
            self._shared[networks] = _Shared.of(self._plane, networks)
        shared, closed = self._shared[networks], tuple(_closed_ingress(self._plane, task))
        lines = [*no_table("ip"), f"add table ip {TABLE}", *shared.lines, *closed]
        text = "\n".join(lines) + "\n"
        return ContainerTable(text, shared.ways, closed)


class _Shared(msgspec.Struct, frozen=True):
    """What tables of containers in the same networks have in common."""

    lines: tuple[str, ...]
    ways: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, plane: DataPlane, networks: Collection[NetworkID]) -> "_Shared":
        ways = {
            vip: frozenset(a for backend in part.backends for a in ipv4(backend.addresses))
            for service in plane.services
            for part in service.networks
            if part.network_id in networks
            for vip in ipv4(part.virtual_ips)
        }
        return cls(
            lines=tuple(_virtual_ips(plane, networks)),
            ways={vip: backends for vip, backends in ways.items() if backends},
        )


def _virtual_ips(plane: DataPlane, networks: Collection[NetworkID]) -> Iterator[str]:
    found: list[str] = []
    for service in plane.services:
        for part in service.networks:
            for vip in ipv4(part.virtual_ips) if part.network_id in networks else ():
                chain = "vip_" + vip.replace(".", "_")
                found.append(f"{vip} : goto {chain}")
                yield f"add chain ip {TABLE} {chain}"
                yield from _chain(chain, part)
    yield f"add map ip {TABLE} vips {{ type ipv4_addr : verdict; {elements(found)} }}"
    # Before the engine's rules at -100.
    yield f"add chain ip {TABLE} asking {{ type nat hook output priority -110; }}"
    yield add("asking", "ip daddr vmap @vips")
    yield f"add chain ip {TABLE} refuse {{ type filter hook output priority 0; }}"
    yield add("refuse", f"meta mark {REFUSED:#x} meta l4proto tcp reject with tcp reset")
    yield add("refuse", f"meta mark {REFUSED:#x} reject")


def _chain(chain: str, part: ServiceNetwork) -> Iterator[str]:
    addresses = [address for backend in part.backends for address in ipv4(backend.addresses)]
    if addresses:
        yield from to_addresses(chain, addresses)
    else:
        yield add(chain, f"meta mark set {REFUSED:#x}")


def _closed_ingress(plane: DataPlane, task: LocalTask) -> Iterator[str]:
    ingress = plane.ingress
    own = ipv4(task.addresses.get(ingress.id, ())) if ingress else []
    if not own:
        return
    ports = [
        f"{port.protocol} . {port.target_port}"
        for service in plane.services
        if service.id == task.service_id
        for port in service.ports
    ]
    # The engine leads its own to the network of the default route, and that is this one.
    ports += [f"{protocol} . {number}" for protocol, number in task.host_ports]
    to_us = f'iifname != "lo" ip daddr {{ {", ".join(own)} }} ct state new'
    kind = "type inet_proto . inet_service;"
    open_ports = elements(dict.fromkeys(ports))
    yield f"add set ip {TABLE} published {{ {kind} {open_ports} }}"
    yield f"add chain ip {TABLE} guard_ingress {{ type filter hook input priority 0; }}"
    yield add("guard_ingress", f"{to_us} meta l4proto . th dport @published accept")
    yield add("guard_ingress", f"{to_us} drop")
