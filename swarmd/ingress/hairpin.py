"""The ports of the ingress bridge, and why those of containers are hairpins.

A task may ask for a published port of its own node and be answered by itself.  With
`bridge-nf-call-iptables` the translation happens while the frame is still in the bridge, which then
forwards it to the port that it came from, and drops it unless that port is a hairpin.  (A client
sends again, meets another backend and only loses a second; with a single replica nobody answers.)
"""

import msgspec

from swarmd.model.dataplane import PlaneNetwork
from swarmd.model.devices import bridge_name, vxlan_name


def ports_command(ingress: PlaneNetwork) -> tuple[str, ...]:
    """The command whose output `read_ports` reads; it fails while there is no such bridge."""
    return ("ip", "-j", "-d", "link", "show", "master", bridge_name(ingress.vni))


class BridgePorts(msgspec.Struct, frozen=True):
    """The ports of the ingress bridge."""

    #: the overlay has finished it
    has_tunnel: bool
    #: `bridge` lines for the ports of containers that are no hairpins yet
    lines: tuple[str, ...]


def read_ports(ingress: PlaneNetwork, listed: str) -> BridgePorts:
    """Raises ValueError (msgspec) if the tool's output is no longer what it was."""
    links = msgspec.json.decode(listed.strip() or "[]", type=list[_Link])
    tunnel = vxlan_name(ingress.vni)
    return BridgePorts(
        has_tunnel=any(link.ifname == tunnel for link in links),
        lines=tuple(
            f"link set dev {link.ifname} hairpin on"
            for link in links
            if link.ifname not in ("", tunnel) and not link.linkinfo.info_slave_data.hairpin
        ),
    )


class _Port(msgspec.Struct, frozen=True):
    hairpin: bool = False


class _Info(msgspec.Struct, frozen=True):
    info_slave_data: _Port = _Port()


class _Link(msgspec.Struct, frozen=True):
    ifname: str = ""
    linkinfo: _Info = _Info()
