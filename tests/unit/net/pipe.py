"""Two Connections back to back, in memory: what the simulator's are, without the faults."""

import asyncio
from collections import deque

from swarmd.ports import Peer


class Pipe:
    """One end; `other` is the other."""

    other: "Pipe"

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.inbox: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.is_closed = False
        self.is_congested = False
        self._news = asyncio.Event()

    def send(self, frame: bytes) -> None:
        if not self.is_closed:
            self.sent.append(frame)
            self.other.inbox.append(frame)
            self.other._news.set()

    def pending_bytes(self) -> int:
        return 0

    async def drain(self) -> None:
        await asyncio.sleep(0)
        if self.is_closed:
            raise ConnectionResetError("closed")

    async def receive(self) -> bytes:
        while not self.inbox:
            if self.is_closed:
                raise ConnectionResetError("the peer closed the connection")
            self._news.clear()
            await self._news.wait()
        return self.inbox.popleft()

    def close(self) -> None:
        for end in (self, self.other):
            end.is_closed = True
            end._news.set()


def pipe(*, client: Peer, server: Peer) -> tuple[Pipe, Pipe]:
    """(the client's end, the server's end); each `peer` is who is at the other."""
    left, right = Pipe(server), Pipe(client)
    left.other, right.other = right, left
    return left, right
