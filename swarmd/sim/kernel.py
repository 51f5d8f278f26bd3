"""A host's kernel as far as swarmd reads it back: links, forwarding and neighbour entries, routes.

It answers `ip` and `bridge` in iproute2's JSON and refuses a line about a device that is not there,
as the real ones do.  Of nftables it keeps the newest transaction of each network namespace, which
replaces what was there; `packets` reads it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence

from swarmd.dns.sockets import Answer, Listening
from swarmd.ingress.marks import MARK, MARK_MASK

Row = dict[str, object]


class KernelState:
    """Of one host; a power failure empties it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.links: dict[str, Row] = {}
        #: (device, address) → MAC address; (device, MAC address) → node
        self.neighbours: dict[tuple[str, str], str] = {}
        self.forwarding: dict[tuple[str, str], str] = {}
        #: (table, destination) → row
        self.routes: dict[tuple[str, str], Row] = {}
        self.rules: dict[str, Row] = {}
        #: who is told of links that are deleted
        self.watchers: list[asyncio.Queue[str]] = []
        #: pid of a process in a container's namespace → its nftables; 0 = the host's
        self.tables: dict[int, str] = {}
        #: address → who answers for names there
        self.resolvers: dict[str, Answer] = {}
        self.crash()

    def crash(self) -> None:
        """Lose power: nothing stays but the host's own interface."""
        for table in (self.links, self.neighbours, self.forwarding, self.routes, self.rules):
            table.clear()
        self.tables = {0: ""}
        info = [{"local": self._address, "prefixlen": 24, "scope": "global"}]
        self.links["eth0"] = {"mtu": 1500, "flags": ["UP"], "addr_info": info}

    def add_bridge(self, name: str) -> None:
        """The engine makes a network's bridge."""
        self.links[name] = {"mtu": 1450, "address": "02:42:de:ad:be:ef", "flags": ["UP"]}

    def delete_link(self, name: str) -> None:
        """A device goes, with its entries.  Raises OSError if there is none."""
        self.link(name)
        del self.links[name]
        for watcher in self.watchers:
            watcher.put_nowait(name)
        for facts in self.links.values():
            if facts.get("master") == name:
                del facts["master"]
        for table in (self.neighbours, self.forwarding):
            for key in [key for key in table if key[0] == name]:
                del table[key]
        for place in [place for place, row in self.routes.items() if row["dev"] == name]:
            del self.routes[place]

    def link(self, name: str) -> Row:
        """Raises OSError if there is no such device."""
        if name not in self.links:
            raise OSError(f'Cannot find device "{name}"')
        return self.links[name]

    # ---- `ip` and `bridge`, one line

    def change(self, line: str) -> None:
        """Carry out a line of a batch.  Raises OSError."""
        words = line.split()
        match words[0], words[1]:
            case "link", "add":
                self._add_vxlan(words[2], words)
            case "link", "del":
                self.delete_link(words[2])
            case "link", "set":
                self._set_link(words[2:])
            case (("neigh" | "fdb"), _):
                self._entry(words)
            case "route", verb:
                self._route(verb, words[2:])
            case "rule", "add":
                fwmark = {"fwmark": f"{MARK:#x}", "fwmask": f"{MARK_MASK:#x}"}
                priority, table = int(_after(words, "pref")), _after(words, "lookup")
                self.rules[line[9:]] = {"priority": priority, "table": table, **fwmark}
            case "rule", "del":
                self.rules.pop(line[9:], None)
            case _:
                raise OSError(f"{line}: what is that?")

    def _add_vxlan(self, name: str, words: Sequence[str]) -> None:
        if name in self.links:
            raise OSError("RTNETLINK answers: File exists")
        data = {
            "id": int(_after(words, "id")),
            "local": _after(words, "local"),
            "port": int(_after(words, "dstport")),
            "learning": "nolearning" not in words,
            "proxy": "proxy" in words,
        }
        info = {"info_kind": "vxlan", "info_data": data}
        self.links[name] = {"mtu": int(_after(words, "mtu")), "linkinfo": info}

    def _set_link(self, words: Sequence[str]) -> None:
        if words[0] == "dev":  # `bridge link set dev … hairpin on`
            self.link(words[1])
            return
        facts = self.link(words[0])
        match words[1:]:
            case ["address", mac]:
                facts["address"] = mac
            case ["mtu", mtu]:
                facts["mtu"] = int(mtu)
            case ["master", bridge, "up"]:
                self.link(bridge)
                facts.update(master=bridge, flags=["UP"])
            case _:
                raise OSError(f"link set {' '.join(words)}: what is that?")

    def _entry(self, words: Sequence[str]) -> None:
        table = self.neighbours if words[0] == "neigh" else self.forwarding
        device, key = _after(words, "dev"), words[2]
        self.link(device)
        if words[1] == "del":
            if table.pop((device, key), None) is None:
                raise OSError("RTNETLINK answers: No such file or directory")
        elif "master" not in words:  # what the bridge itself is told is not read back
            table[device, key] = _after(words, "lladdr" if words[0] == "neigh" else "dst")

    def _route(self, verb: str, words: Sequence[str]) -> None:
        table = _after(words, "table") if "table" in words else ""
        place = (table, words[0])
        if verb == "del":
            if self.routes.pop(place, None) is None:
                raise OSError("RTNETLINK answers: No such process")
            return
        device = _after(words, "dev")
        self.link(device)
        row: Row = {"dst": words[0], "gateway": _after(words, "via"), "dev": device}
        self.routes[place] = {**row, "table": table} if table else row

    # ---- listings

    def listed(self, argv: Sequence[str]) -> Sequence[Row]:
        """What a read-only `ip -j …` or `bridge -j …` shows.  Raises OSError."""
        match argv[0], *(word for word in argv[1:] if not word.startswith("-")):
            case "bridge", "fdb", *_:
                return [{"ifname": d, "mac": m, "dst": n} for (d, m), n in self.forwarding.items()]
            case "ip", "neigh", *_:
                return [{"dev": d, "dst": a, "lladdr": m} for (d, a), m in self.neighbours.items()]
            case "ip", "route", *_:
                return list(self.routes.values())
            case "ip", "rule", *_:
                return list(self.rules.values())
            case "ip", "link", "show", "master", bridge:
                self.link(bridge)
                return [row for row in self._rows() if row.get("master") == bridge]
            case "ip", "addr" | "address", *_:
                return self._rows()
            case _:
                raise OSError(f"{' '.join(argv)}: what is that?")

    def _rows(self) -> list[Row]:
        return [{"ifname": name, **facts} for name, facts in self.links.items()]


def _after(words: Sequence[str], word: str) -> str:
    return words[words.index(word) + 1]


class _Bound:
    """Sockets of one address."""

    def __init__(self, unbind: Callable[[], object] = lambda: None) -> None:
        self._unbind = unbind

    def close(self) -> None:
        """Nobody answers there any more."""
        self._unbind()


class SimKernel:
    """The Kernel port of one process."""

    def __init__(self, state: KernelState, is_alive: Callable[[], bool]) -> None:
        self._state, self._is_alive = state, is_alive

    async def nft(self, text: str, *, pid: int = 0) -> None:
        """As `Kernel.nft`."""
        if pid not in self._state.tables:
            raise OSError(f"nsenter: cannot open /proc/{pid}/ns/net: No such file or directory")
        if self._is_alive():
            self._state.tables[pid] = text

    async def ip(self, lines: Sequence[str]) -> None:
        """As `Kernel.ip`."""
        self._batch(lines)

    async def bridge(self, lines: Sequence[str]) -> None:
        """As `Kernel.bridge`."""
        self._batch(lines)

    def _batch(self, lines: Sequence[str]) -> None:
        """All lines are tried; then the first refusal is raised."""
        refused: list[OSError] = []
        for line in lines if self._is_alive() else ():
            try:
                self._state.change(line)
            except OSError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    async def output(self, *argv: str) -> str:
        """As `Kernel.output`; the firewall of the engine accepts everything."""
        if argv[0] in ("ip", "bridge"):
            return json.dumps(self._state.listed(argv))
        return ""

    async def run(self, *argv: str) -> int:
        """As `Kernel.run`: everything succeeds."""
        return 0 if argv else 1

    async def sysctl(self, name: str, value: str) -> None:
        """As `Kernel.sysctl`: nobody reads it back."""
        assert name, value

    def hold_port(self, protocol: str, port: int) -> _Bound:
        """As `Kernel.hold_port`: no other program runs here."""
        assert protocol, port
        return _Bound()

    async def links_gone(self) -> AsyncGenerator[str, None]:
        """As `Kernel.links_gone`."""
        names: asyncio.Queue[str] = asyncio.Queue()
        self._state.watchers.append(names)
        try:
            while True:
                yield await names.get()
        finally:
            self._state.watchers.remove(names)

    async def listen(self, address: str, _port: int, answer: Answer) -> Listening:
        """As `dns.sockets.listen`, of a process whose kernel this is."""
        resolvers = self._state.resolvers
        if self._is_alive():
            resolvers[address] = answer
        return _Bound(lambda: resolvers.pop(address) if self._is_alive() else None)
