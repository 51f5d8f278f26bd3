"""What there is on this node: the JSON of `ip` and `bridge`, read into structs.

Only what somebody compares is declared; newer tools may say more.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from swarmd.model.devices import VXLAN_PREFIX
from swarmd.ports import EngineNetwork

T = TypeVar("T")

#: The commands whose output is read here.
LINKS = ("ip", "-j", "-d", "address", "show")
NEIGHBOURS = ("ip", "-j", "neigh", "show", "nud", "permanent")
FORWARDING = ("bridge", "-j", "fdb", "show")


#: Alias of bridges that the engine did not make.
REBUILT_ALIAS = "swarmd"


class Vxlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a VXLAN device was made; another way to make it is another device."""

    vni: int = msgspec.field(name="id", default=0)
    local: str = ""
    port: int = 0
    learning: bool = True
    proxy: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A network device of this namespace."""

    name: str
    #: 0 = not told
    index: int = 0
    mac: str = ""
    mtu: int = 0
    is_up: bool = False
    master: str = ""
    addresses: tuple[str, ...] = ()
    #: each address with its prefix length
    subnets: tuple[str, ...] = ()
    vxlan: Vxlan | None = None
    #: a bridge that swarmd made in the place of the engine's
    is_rebuilt: bool = False


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the node."""

    #: those with our label
    networks: tuple[EngineNetwork, ...] = ()
    links: Mapping[str, Link] = {}
    #: VXLAN device → MAC address → node that frames for it are sent to
    forwarding: Mapping[str, Mapping[str, str]] = {}
    #: VXLAN device → address → MAC address that the device answers for it
    neighbours: Mapping[str, Mapping[str, str]] = {}


def read(
    networks: Sequence[EngineNetwork], links: str, neighbours: str, forwarding: str
) -> Observed:
    """Raises ValueError (msgspec) if a tool's output is no longer what it was."""
    return Observed(
        networks=tuple(networks),
        links={link.name: link for link in map(_link, _decode(links, _Link))},
        neighbours=_by_device(
            (n.dev, n.dst, n.lladdr) for n in _decode(neighbours, _Neighbour) if n.lladdr
        ),
        forwarding=_by_device(
            (f.ifname, f.mac, f.dst) for f in _decode(forwarding, _Forward) if f.dst
        ),
    )


class _Info(msgspec.Struct, frozen=True):
    info_kind: str = ""
    info_data: msgspec.Raw = msgspec.Raw(b"{}")


class _Address(msgspec.Struct, frozen=True):
    local: str = ""
    prefixlen: int = 32


class _Link(msgspec.Struct, frozen=True):
    ifname: str = ""
    ifindex: int = 0
    ifalias: str = ""
    address: str = ""
    mtu: int = 0
    flags: tuple[str, ...] = ()
    master: str = ""
    addr_info: tuple[_Address, ...] = ()
    linkinfo: _Info = _Info()


class _Neighbour(msgspec.Struct, frozen=True):
    dev: str = ""
    dst: str = ""
    lladdr: str = ""


class _Forward(msgspec.Struct, frozen=True):
    ifname: str = ""
    mac: str = ""
    dst: str = ""


def _decode(text: str, kind: type[T]) -> list[T]:
    """iproute2 says nothing at all, or `[{}]`, when there is nothing to list."""
    return msgspec.json.decode(text.strip() or "[]", type=list[kind])  # type: ignore[valid-type]  # a type made at run time


def _link(link: _Link) -> Link:
    is_vxlan = link.linkinfo.info_kind == "vxlan"
    return Link(
        name=link.ifname,
        index=link.ifindex,
        mac=link.address,
        mtu=link.mtu,
        is_up="UP" in link.flags,
        master=link.master,
        addresses=tuple(address.local for address in link.addr_info),
        subnets=tuple(f"{a.local}/{a.prefixlen}" for a in link.addr_info if a.local),
        is_rebuilt=link.ifalias == REBUILT_ALIAS,
        vxlan=msgspec.json.decode(link.linkinfo.info_data, type=Vxlan) if is_vxlan else None,
    )


def _by_device(entries: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """(device, key, value) of our VXLAN devices → device → key → value."""
    found: dict[str, dict[str, str]] = {}
    for device, key, value in entries:
        if device.startswith(VXLAN_PREFIX):
            found.setdefault(device, {})[key] = value
    return found
