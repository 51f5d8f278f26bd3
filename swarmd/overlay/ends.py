"""Containers whose bridge was deleted under them: their ends are put into the one made in its place.

The engine does not: it keeps the network as long as containers are attached, and says no more.  A
container's end is found from inside, where the interface has the MAC address that we gave it and
tells the number of the other end.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from swarmd.model.dataplane import LocalTask, PlaneNetwork
from swarmd.model.devices import bridge_name, mac_of
from swarmd.model.ids import NetworkID
from swarmd.overlay.observe import REBUILT_ALIAS, Link


def cut_off(
    network: PlaneNetwork, tasks: Sequence[LocalTask], links: Mapping[str, Link]
) -> tuple[LocalTask, ...]:
    """The network's tasks here, if not all of them can have an end in its bridge."""
    bridge = bridge_name(network.vni)
    here = tuple(task for task in tasks if task.addresses.get(network.id))
    count = sum(link.master == bridge and link.vxlan is None for link in links.values())
    return here if count < len(here) else ()


def rebuilt(network: PlaneNetwork, own: Sequence[str], mtu: int) -> Iterator[str]:
    """`ip` lines that make the bridge as the engine made it."""
    bridge = bridge_name(network.vni)
    yield f"link add {bridge} type bridge"
    for address, subnet in zip(own, network.subnets, strict=False):
        yield f"addr add {address}/{subnet.partition('/')[2]} dev {bridge}"
    # The engine does not delete a bridge that it did not make: this one is found by its alias.
    yield f"link set {bridge} alias {REBUILT_ALIAS}"
    yield f"link set {bridge} mtu {mtu} up"


def ends_command(task: LocalTask) -> tuple[str, ...]:
    """The command whose output `attach_lines` reads; it fails if the container has ended."""
    return ("nsenter", "-t", str(task.pid), "-n", "--", "ip", "-j", "link", "show")


def attach_lines(
    network_id: NetworkID, bridge: str, task: LocalTask, listed: str, links: Mapping[str, Link]
) -> Iterator[str]:
    """`ip` lines for one task.  Raises ValueError (msgspec) if the tool's output is no longer what it was."""
    mac = mac_of(task.addresses[network_id])
    ends = {link.index: link for link in links.values()}
    for inner in msgspec.json.decode(listed.strip() or "[]", type=list[_Inner]):
        end = ends.get(inner.link_index)
        if inner.address == mac and end is not None and end.master != bridge:
            yield f"link set {end.name} master {bridge} up"


class _Inner(msgspec.Struct, frozen=True):
    """An interface in a container."""

    address: str = ""
    #: of its other end
    link_index: int = 0
