"""The network between the hosts: one bridge in a namespace of its own, a cable to each host.

Faults are made here, outside the hosts: a cable pulled (`nomaster`: silently; `down`: the link goes
down), a bridge split in several, a neighbour entry that leads nowhere, a token bucket at both ends.
There is no netem: loss and delay cannot be set.
"""

import contextlib
import ipaddress
import time
from collections.abc import Iterable
from pathlib import Path

from tools.lab.shell import LabError, ip_batch, ip_in, network_namespaces, sh

#: Nobody has it: frames to it are lost without a sound.
_DEAD_MAC = "02:00:00:00:de:ad"
_GONE_S = 1.0


class Underlay:
    """The cables of one lab."""

    def __init__(self, prefix: str, subnet: str, mtu: int) -> None:
        self.netns = prefix + "ul"
        self._uplink = prefix + "up"
        self._subnet = ipaddress.ip_network(subnet)
        self._mtu = mtu

    def build(self, *, has_uplink: bool) -> None:
        """The bridge; with `has_uplink` this machine gets the subnet's first address."""
        if self.netns not in network_namespaces():
            sh("ip", "netns", "add", self.netns)
            ip_batch(["link set lo up", *self._bridge("br0")], self.netns)
        if has_uplink and not Path(f"/sys/class/net/{self._uplink}").exists():
            own = f"{self._subnet[1]}/{self._subnet.prefixlen}"
            ip_batch(
                [
                    f"link add {self._uplink} type veth peer name uplink netns {self.netns}",
                    f"addr add {own} dev {self._uplink}",
                    f"link set {self._uplink} mtu {self._mtu} up",
                ]
            )
            ip_batch([f"link set uplink mtu {self._mtu} master br0 up"], self.netns)

    def remove(self) -> None:
        """The bridge and the uplink; no error if they are gone."""
        sh("ip", "link", "del", self._uplink, is_checked=False)
        sh("ip", "netns", "del", self.netns, is_checked=False)

    @staticmethod
    def remove_empty_folder() -> None:
        """Undo what `ip netns add` mounted at its first call, if no namespace has a name now."""
        folder = Path("/run/netns")
        if folder.is_dir() and not any(folder.iterdir()):
            sh("umount", str(folder), is_checked=False)
            with contextlib.suppress(OSError):  # somebody named one meanwhile
                folder.rmdir()

    def plug_in(self, host: str, ip: str, *, forwards: bool) -> None:
        """A fresh network namespace for a host, with `eth0` on the bridge."""
        self.unplug(host)
        self._await_no_cable(host)
        sh("ip", "netns", "add", host)
        packed = ipaddress.IPv4Address(ip).packed
        mac = "02:77:" + ":".join(f"{byte:02x}" for byte in packed)
        cable, size = f"p{host}", f"mtu {self._mtu}"
        ip_batch(
            [
                f"link add {cable} {size} type veth peer name eth0 {size} netns {host}",
                f"link set {cable} master br0 up",
            ],
            self.netns,
        )
        ip_batch(
            [
                f"link set eth0 address {mac}",
                "link set lo up",
                "link set eth0 up",
                f"addr add {ip}/{self._subnet.prefixlen} brd + dev eth0",
                f"route add default via {self._subnet[1]}",
            ],
            host,
        )
        # A new namespace copies this machine's value.  dockerd sets FORWARD to DROP, as on a freshly
        # booted machine, only if it is dockerd that turns forwarding on.
        value = "1" if forwards else "0"
        command = f"echo {value} >/proc/sys/net/ipv4/ip_forward"
        sh("nsenter", f"--net=/run/netns/{host}", "sh", "-c", command)

    def unplug(self, host: str) -> None:
        """The host's namespace and its cable; no error if they are gone."""
        sh("ip", "netns", "del", host, is_checked=False)
        ip_in(self.netns, "link", "del", "p" + host, is_checked=False)

    # -- faults

    def pull(self, host: str, *, is_seen: bool) -> None:
        """Cut a host off, silently or so that its link goes down."""
        how = "down" if is_seen else "nomaster"
        ip_in(self.netns, "link", "set", "p" + host, how)

    def deafen(self, host: str, other_ip: str) -> None:
        """`host` no longer reaches `other_ip`."""
        dead = ("lladdr", _DEAD_MAC, "dev", "eth0", "nud", "permanent")
        ip_in(host, "neigh", "replace", other_ip, *dead)

    def mend(self, host: str, other_ip: str) -> None:
        """The reverse of `deafen`; no error if there is nothing to mend."""
        ip_in(host, "neigh", "del", other_ip, "dev", "eth0", is_checked=False)

    def split(self, groups: Iterable[Iterable[str]]) -> None:
        """A bridge for each group of hosts; the first keeps the bridge it is on."""
        for index, group in enumerate(groups):
            bridge = f"br{index}"
            if ip_in(self.netns, "link", "show", bridge, is_checked=False) == "":
                ip_batch(self._bridge(bridge), self.netns)
            for host in group:
                ip_in(self.netns, "link", "set", "p" + host, "master", bridge, "up")

    def rejoin(self, host: str) -> None:
        """Back on the first bridge, at full rate."""
        cable = "p" + host
        ip_in(self.netns, "link", "set", cable, "master", "br0", "up", is_checked=False)
        self.limit(host, "off")

    def limit(self, host: str, rate: str) -> None:
        """A token bucket in both directions, as `tc` writes rates; `off` lifts it."""
        for netns, device in ((self.netns, "p" + host), (host, "eth0")):
            tc = ("tc", "-n", netns, "qdisc")
            if rate == "off":
                sh(*tc, "del", "dev", device, "root", is_checked=False)
            else:
                bucket = ("tbf", "rate", rate, "burst", "64kb", "latency", "50ms")
                sh(*tc, "replace", "dev", device, "root", *bucket)

    def _bridge(self, name: str) -> list[str]:
        return [
            f"link add {name} type bridge forward_delay 0 mcast_snooping 0",
            f"link set {name} mtu {self._mtu} up",
        ]

    def _await_no_cable(self, host: str) -> None:
        """The kernel takes away the peer of a deleted namespace in its own time."""
        deadline = time.perf_counter() + _GONE_S
        while ip_in(self.netns, "link", "show", "p" + host, is_checked=False):
            if time.perf_counter() > deadline:
                raise LabError(f"{host}: its old cable does not go away")
            time.sleep(0.02)
