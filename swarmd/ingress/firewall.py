"""The engine's firewall: accepts in DOCKER-USER, the chain that it leaves to others.

The engine's FORWARD drops what it did not publish itself, and DOCKER-USER is asked first.  It keeps
the chain over restarts; somebody who flushes it is repaired within a round.
"""

from collections.abc import Sequence
from itertools import pairwise

from swarmd.ingress.marks import MARK, MARK_MASK
from swarmd.model.dataplane import DataPlane
from swarmd.model.devices import BRIDGE_PREFIX, bridge_name

CHAIN = "DOCKER-USER"
#: Waits for whoever holds the lock of iptables.
IPTABLES = ("iptables", "-w", "5")
LIST = (*IPTABLES, "-S", CHAIN)


def accepts(plane: DataPlane) -> list[str]:
    """The rules that the mesh needs, as `iptables -S` writes them."""
    ingress = plane.ingress
    if ingress is None:
        return []
    bridge = bridge_name(ingress.vni)
    return [
        f"-A {CHAIN} -o {bridge} -m conntrack --ctstate DNAT -j ACCEPT",
        f"-A {CHAIN} -i {bridge} -m conntrack --ctstate DNAT -j ACCEPT",
        f"-A {CHAIN} -m connmark --mark {MARK:#x}/{MARK_MASK:#x} -j ACCEPT",
    ]


def changes(wanted: Sequence[str], listed: str) -> list[tuple[str, ...]]:
    """The commands from what `iptables -S` lists to what is wanted; rules of others stay."""
    there = [line for line in listed.splitlines() if _is_ours(line)]
    surplus = [line for line in there if line not in wanted]
    missing = [line for line in wanted if line not in there]
    return [
        *((*IPTABLES, "-D", *line.split()[1:]) for line in surplus),
        *((*IPTABLES, "-I", *line.split()[1:]) for line in missing),
    ]


def _is_ours(line: str) -> bool:
    """By the name of a bridge or by the mark."""
    return line.startswith(f"-A {CHAIN} ") and any(
        (flag in ("-i", "-o") and _is_bridge(value))
        or (flag == "--mark" and value == f"{MARK:#x}/{MARK_MASK:#x}")
        for flag, value in pairwise(line.split())
    )


def _is_bridge(name: str) -> bool:
    return name.startswith(BRIDGE_PREFIX) and name[len(BRIDGE_PREFIX) :].isdigit()
