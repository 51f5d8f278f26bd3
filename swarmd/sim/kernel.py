"""A kernel that has the host's address and takes every rule; what it was told is counted, not kept."""

import json
from collections.abc import Sequence

from swarmd.dns.sockets import Answer


class SimKernel:
    """The Kernel port of one process."""

    def __init__(self, address: str) -> None:
        self._address = address
        #: transactions so far
        self.writes = 0

    async def nft(self, text: str, *, pid: int = 0) -> None:
        """As `Kernel.nft`."""
        self.writes += bool(text) or pid

    async def ip(self, lines: Sequence[str]) -> None:
        """As `Kernel.ip`."""
        self.writes += len(lines)

    async def bridge(self, lines: Sequence[str]) -> None:
        """As `Kernel.bridge`."""
        self.writes += len(lines)

    async def output(self, *argv: str) -> str:
        """As `Kernel.output`: the host's interface; everything else is empty."""
        if "addr" in argv:
            info = [{"local": self._address, "scope": "global"}]
            return json.dumps([{"ifname": "eth0", "flags": ["UP"], "addr_info": info}])
        return "[]" if argv[0] in ("ip", "bridge") else ""

    async def run(self, *argv: str) -> int:
        """As `Kernel.run`: everything succeeds."""
        return 0 if argv else 1

    async def sysctl(self, name: str, value: str) -> None:
        """As `Kernel.sysctl`."""
        self.writes += bool(name and value)


class _Bound:
    """Sockets that nobody asks."""

    def close(self) -> None:
        """Nothing is held."""


async def resolver_sockets(_address: str, _port: int, _answer: Answer) -> _Bound:
    """As `dns.sockets.listen`: names are not asked in the simulation."""
    return _Bound()
