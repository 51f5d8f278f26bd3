"""A node to plan for: an engine's networks and a kernel's links, which obey `ip` and `bridge` lines.

It refuses what a real one refuses: a second bridge of one name, a line about a device that is not
there, an entry deleted twice.  `budget` cuts the power after so many changes.
"""

import json
from collections.abc import Sequence
from typing import cast

from swarmd.errors import EngineError
from swarmd.ports import Engine, EngineNetwork, Kernel
from swarmd.wire.bridge import BRIDGE_OPTION

UNDERLAY = "192.0.2.1"


class PowerFailureError(Exception):
    """The change that was asked for did not happen, and nothing after it."""


class Node:
    """Engine and Kernel of one node, as far as overlays need them."""

    def __init__(self) -> None:
        self.networks: dict[str, EngineNetwork] = {}
        self.links: dict[str, dict[str, object]] = {"eth0": {"mtu": 1500}}
        self.neighbours: dict[tuple[str, str], str] = {}
        self.forwarding: dict[tuple[str, str], str] = {}
        self.settings: dict[str, str] = {}
        #: ids of networks with containers attached
        self.busy: set[str] = set()
        self.refused_subnets: set[str] = set()
        #: subnets that networks which we did not make have, with the ids of these
        self.kept_subnets: dict[str, str] = {}
        #: ids of networks that the engine lists and we did not make
        self.foreign: set[str] = set()
        self.tries = 0
        #: interfaces in the network namespace of each process
        self.inside: dict[str, list[dict[str, object]]] = {}
        self.budget = 10**6
        self.changes: list[str] = []
        self.looks = 0
        self._count = 0

    def _change(self, what: str) -> None:
        if self.budget == 0:
            raise PowerFailureError
        self.budget -= 1
        self.changes.append(what)

    # -- engine

    async def list_networks(self, label: str) -> Sequence[EngineNetwork]:
        self.looks += 1
        return [network for network in self.networks.values() if label in network.labels]

    async def has_network(self, network_id: str) -> bool:
        return network_id in self.networks or network_id in self.foreign

    async def create_network(self, body: bytes) -> str:
        wish = json.loads(body)
        subnet = wish["IPAM"]["Config"][0]["Subnet"]
        self.tries += 1
        if subnet in self.kept_subnets:
            # In the words of the bridge driver of engine 28.5.
            raise EngineError(
                403,
                f"cannot create network {self.tries:064x} ({wish['Options'][BRIDGE_OPTION]}): conflicts "
                f"with network {self.kept_subnets[subnet]} (br-0): networks have overlapping IPv4",
            )
        if subnet in self.refused_subnets:
            raise EngineError(403, f"Pool overlaps: {subnet}")
        bridge = wish["Options"][BRIDGE_OPTION]
        if bridge in self.links:
            raise EngineError(403, f"bridge {bridge} exists")
        self._change(f"create {wish['Name']}")
        self._count += 1
        engine_id = f"engine{self._count}"
        self.networks[engine_id] = EngineNetwork(
            id=engine_id,
            name=wish["Name"],
            driver=wish["Driver"],
            labels=wish["Labels"],
            options=wish["Options"],
        )
        self.links[bridge] = {"mtu": 1450, "address": "02:42:de:ad:be:ef", "flags": ["UP"]}
        return engine_id

    async def remove_network(self, network_id: str) -> None:
        if network_id in self.busy:
            raise EngineError(403, "has active endpoints")
        if network_id not in self.networks:
            return
        self._change(f"remove {network_id}")
        bridge = self.networks.pop(network_id).options[BRIDGE_OPTION]
        # The engine does not mind that somebody else deleted it, and leaves what it did not make.
        if bridge in self.links and "ifalias" not in self.links[bridge]:
            self.delete_link(bridge)

    # -- kernel

    async def output(self, *argv: str) -> str:
        rows: list[dict[str, object]]
        if argv[0] == "nsenter":
            if argv[2] not in self.inside:
                raise OSError(f"nsenter: cannot open /proc/{argv[2]}/ns/net")
            rows = self.inside[argv[2]]
        elif argv[0] == "bridge":
            rows = [
                {"ifname": device, "mac": mac, "dst": node, "flags": ["self"]}
                for (device, mac), node in self.forwarding.items()
            ]
            # What the bridge itself knows of its port is none of our entries.
            rows.append({"ifname": "swx4096", "mac": "02:42:00:00:00:fe", "master": "swb4096"})
        elif "neigh" in argv:
            rows = [
                {"dev": device, "dst": address, "lladdr": mac, "state": ["PERMANENT"]}
                for (device, address), mac in self.neighbours.items()
            ]
        else:
            rows = [{"ifname": name, **facts} for name, facts in self.links.items()]
            rows[0] = {**rows[0], "addr_info": [{"local": UNDERLAY}]}
        return json.dumps(rows)

    async def ip(self, lines: Sequence[str]) -> None:
        for line in lines:
            match line.split():
                case ["link", "del", name]:
                    self._change(line)
                    self.delete_link(name)
                case ["link", "add", name, "mtu", mtu, "type", "vxlan", *options]:
                    self._change(line)
                    self._add_vxlan(name, int(mtu), options)
                case ["link", "set", name, "address", mac]:
                    self._change(line)
                    self._link(name)["address"] = mac
                case ["link", "set", name, "mtu", mtu]:
                    self._change(line)
                    self._link(name)["mtu"] = int(mtu)
                case ["link", "set", name, "master", bridge, "up"]:
                    self._change(line)
                    self._link(bridge)
                    self._link(name).update(master=bridge, flags=["UP"])
                case ["neigh", "replace", address, "lladdr", mac, "dev", name, "nud", "permanent"]:
                    self._change(line)
                    self._link(name)
                    self.neighbours[name, address] = mac
                case ["neigh", "del", address, "dev", name]:
                    self._change(line)
                    del self.neighbours[name, address]
                case _:
                    self._bridge_line(line)

    def _bridge_line(self, line: str) -> None:
        """A bridge that the engine does not make."""
        match line.split():
            case ["link", "add", name, "type", "bridge"]:
                self._change(line)
                assert name not in self.links
                self.links[name] = {"mtu": 1500, "flags": []}
            case ["addr", "add", _, "dev", name]:
                self._change(line)
                self._link(name)
            case ["link", "set", name, "alias", alias]:
                self._change(line)
                self._link(name)["ifalias"] = alias
            case ["link", "set", name, "mtu", mtu, "up"]:
                self._change(line)
                self._link(name).update(mtu=int(mtu), flags=["UP"])
            case _:
                raise OSError(f"ip {line}: what is that?")

    async def bridge(self, lines: Sequence[str]) -> None:
        for line in lines:
            match line.split():
                case ["fdb", "replace", mac, "dev", name, "dst", node, "self", "permanent"]:
                    self._change(line)
                    self._link(name)
                    self.forwarding[name, mac] = node
                case ["fdb", "del", mac, "dev", name, "dst", node, "self"]:
                    self._change(line)
                    assert self.forwarding.pop((name, mac)) == node
                case _:
                    raise OSError(f"bridge {line}: what is that?")

    async def sysctl(self, name: str, value: str) -> None:
        self.settings[name] = value

    def _add_vxlan(self, name: str, mtu: int, options: list[str]) -> None:
        assert name not in self.links
        data = {
            "id": int(options[options.index("id") + 1]),
            "local": options[options.index("local") + 1],
            "port": int(options[options.index("dstport") + 1]),
            "learning": "nolearning" not in options,
            "proxy": "proxy" in options,
        }
        self.links[name] = {"mtu": mtu, "linkinfo": {"info_kind": "vxlan", "info_data": data}}

    def _link(self, name: str) -> dict[str, object]:
        if name not in self.links:
            raise OSError(f'Cannot find device "{name}"')
        return self.links[name]

    def delete_link(self, name: str) -> None:
        """What the kernel does; nobody's change is counted."""
        self._link(name)
        del self.links[name]
        for facts in self.links.values():
            if facts.get("master") == name:
                del facts["master"]
        self.neighbours = {k: v for k, v in self.neighbours.items() if k[0] != name}
        self.forwarding = {k: v for k, v in self.forwarding.items() if k[0] != name}


def ports(node: Node) -> tuple[Engine, Kernel]:
    """The node behind both ports; overlays call nothing that it does not have."""
    return cast(Engine, node), cast(Kernel, node)


def snapshot(node: Node) -> str:
    """All that was changed, to compare."""
    networks = sorted((n.name, sorted(n.labels.items())) for n in node.networks.values())
    entries = sorted((*node.neighbours.items(), *node.forwarding.items()))
    return json.dumps([networks, node.links, entries, node.settings], sort_keys=True, indent=1)
