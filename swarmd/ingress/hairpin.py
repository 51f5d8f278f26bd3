"""A task that asks for a port of its own node, and is answered by itself.

With `bridge-nf-call-iptables` the translation happens while the frame is still in the bridge, which
then forwards it to the port that it came from, and drops it unless that port is a hairpin.  (A client
sends again, meets another backend, and only loses a second; with a single replica nobody answers.)
"""

import msgspec

from swarmd.model.dataplane import PlaneNetwork
from swarmd.model.devices import VXLAN_PREFIX, bridge_name


def ports_command(ingress: PlaneNetwork) -> tuple[str, ...]:
    """The command whose output `hairpin_lines` reads; it fails while there is no such bridge."""
    return ("ip", "-j", "-d", "link", "show", "master", bridge_name(ingress.vni))


def hairpin_lines(listed: str) -> list[str]:
    """`bridge` lines for the ports of containers that are none yet.

    Raises ValueError (msgspec) if the tool's output is no longer what it was.
    """
    links = msgspec.json.decode(listed.strip() or "[]", type=list[_Link])
    return [
        f"link set dev {link.ifname} hairpin on"
        for link in links
        if link.ifname
        and not link.ifname.startswith(VXLAN_PREFIX)
        and not link.linkinfo.info_slave_data.hairpin
    ]


class _Port(msgspec.Struct, frozen=True):
    hairpin: bool = False


class _Info(msgspec.Struct, frozen=True):
    info_slave_data: _Port = _Port()


class _Link(msgspec.Struct, frozen=True):
    ifname: str = ""
    linkinfo: _Info = _Info()
