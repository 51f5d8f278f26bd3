"""Virtual addresses of services, translated in the *asking container's* network namespace.

There the answers come back to the translation by themselves: no source is hidden, a task that calls
its own VIP needs no hairpin, and a VIP is nowhere in the network but a key of this map.  The engine
has its own rules there, for 127.0.0.11; they stay.

The same table closes a published task's ingress interface to everything but its published ports.
"""

from collections.abc import Iterator

from swarmd.ingress.balance import add, elements, ipv4, to_addresses
from swarmd.ingress.marks import REFUSED, TABLE
from swarmd.ingress.rules import no_table
from swarmd.model.dataplane import DataPlane, LocalTask


def container_rules(plane: DataPlane, task: LocalTask) -> str:
    """The transaction that makes a container's table what it is to be."""
    lines = [
        *no_table("ip"),
        f"add table ip {TABLE}",
        *_virtual_ips(plane, task),
        *_closed_ingress(plane, task),
    ]
    return "\n".join(lines) + "\n"


def _virtual_ips(plane: DataPlane, task: LocalTask) -> Iterator[str]:
    found: list[str] = []
    for service in plane.services:
        for part in service.networks:
            addresses = [a for backend in part.backends for a in ipv4(backend.addresses)]
            for vip in ipv4(part.virtual_ips) if part.network_id in task.addresses else ():
                chain = "vip_" + vip.replace(".", "_")
                found.append(f"{vip} : goto {chain}")
                yield f"add chain ip {TABLE} {chain}"
                if addresses:
                    yield from to_addresses(chain, addresses)
                else:
                    yield add(chain, f"meta mark set {REFUSED:#x}")
    yield f"add map ip {TABLE} vips {{ type ipv4_addr : verdict; {elements(found)} }}"
    # Before the engine's rules at -100.
    yield f"add chain ip {TABLE} asking {{ type nat hook output priority -110; }}"
    yield add("asking", "ip daddr vmap @vips")
    yield f"add chain ip {TABLE} refuse {{ type filter hook output priority 0; }}"
    yield add("refuse", f"meta mark {REFUSED:#x} meta l4proto tcp reject with tcp reset")
    yield add("refuse", f"meta mark {REFUSED:#x} reject")


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
    to_us = f'iifname != "lo" ip daddr {{ {", ".join(own)} }} ct state new'
    kind = "type inet_proto . inet_service;"
    open_ports = elements(dict.fromkeys(ports))
    yield f"add set ip {TABLE} published {{ {kind} {open_ports} }}"
    yield f"add chain ip {TABLE} guard_ingress {{ type filter hook input priority 0; }}"
    yield add("guard_ingress", f"{to_us} meta l4proto . th dport @published accept")
    yield add("guard_ingress", f"{to_us} drop")
