"""Connections to the other members: frames in, frames out, and who dials whom.

Whom a connection is to is what the caller of `serve` says, by the peer's certificate; nothing in a
frame is believed about it.  There is one connection per peer, the newest; a message dies with its
connection, because numbers and resets begin anew with the next one (D6).

What arrives waits in the inbox for the member's turn.  When it is full nothing more is read, and
the peers' kernels hold the rest.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from swarmd.errors import NotFoundError, UnavailableError
from swarmd.lib.backoff import Backoff
from swarmd.ports import Connection, Random, Seconds
from swarmd.raft import messages as m
from swarmd.raft.core import Core
from swarmd.raft.guard import Post
from swarmd.raft.interface import RaftConfig, RaftID
from swarmd.raft.membership import Configuration

log = logging.getLogger(__name__)

#: Opens a connection that the other end hands to its `attach`.  Raises OSError (ConnectionError,
#: TimeoutError among it), UnavailableError, or NotFoundError while no address is known.
Dial = Callable[[RaftID], Awaitable[Connection]]

#: A connection with so many frames that nobody can read is closed.
_MOST_MALFORMED = 16
#: Whether a peer is to be dialled is looked at so often.
_LOOK_S = 0.2


class _Link:
    """One connection to one peer."""

    def __init__(self, peer: RaftID, connection: Connection) -> None:
        self.peer, self.connection = peer, connection
        self.malformed = 0


class Links:
    """The newest connection to each peer, and what came over them."""

    def __init__(self, config: RaftConfig, wake: Callable[[], None]) -> None:
        self._config, self._wake = config, wake
        self._current: dict[RaftID, _Link] = {}
        #: those that the core was told of
        self._told: dict[RaftID, _Link] = {}
        self._inbox: list[tuple[_Link, m.Message]] = []
        self._inbox_bytes = 0
        self._is_closed = False
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def serve(self, peer: RaftID, connection: Connection) -> None:
        """Read the connection until it ends or a newer one to the same peer replaces it."""
        if self._is_closed:
            connection.close()
            return
        link = _Link(peer, connection)
        old = self._current.get(peer)
        self._current[peer] = link
        if old is not None:
            old.connection.close()
        self._wake()
        try:
            while link.malformed < _MOST_MALFORMED and self._current.get(peer) is link:
                await self._has_room.wait()
                self._arrived(link, await connection.receive())
        except ConnectionError:
            log.debug("raft connection ended", extra={"peer": peer})
        finally:
            connection.close()
            if self._current.get(peer) is link:
                del self._current[peer]
            self._wake()

    def _arrived(self, link: _Link, frame: bytes) -> None:
        message = m.decode(frame)
        if message is None:
            link.malformed += 1
            log.warning("raft frame was not readable", extra={"peer": link.peer})
            return
        self._inbox.append((link, message))
        self._inbox_bytes += len(frame)
        config = self._config
        if len(self._inbox) >= config.inbox_frames or self._inbox_bytes >= config.inbox_bytes:
            self._has_room.clear()
        self._wake()

    def deliver(self, core: Core, now: Seconds) -> None:
        """Tell the core which connections ended and began, then what arrived over the present ones."""
        for peer, link in list(self._told.items()):
            if self._current.get(peer) is not link:
                del self._told[peer]
                core.link_down(now, peer)
        for peer, link in self._current.items():
            if peer not in self._told:
                self._told[peer] = link
                core.link_up(now, peer)
        inbox, self._inbox, self._inbox_bytes = self._inbox, [], 0
        self._has_room.set()
        for link, message in inbox:
            if self._told.get(link.peer) is link:
                core.receive(now, link.peer, message)

    def send(self, posts: Sequence[Post]) -> None:
        """Over the connections that the core knew when it made them; others' posts are lost."""
        for peer, message in posts:
            link = self._told.get(peer)
            if link is not None and self._current.get(peer) is link:
                link.connection.send(m.encode(message))

    def unsent_bytes(self, peer: RaftID) -> int:
        """Handed to the connection and not yet taken by the kernel."""
        link = self._current.get(peer)
        return link.connection.pending_bytes() if link else 0

    def is_up(self, peer: RaftID) -> bool:
        """Is there a connection now?"""
        return peer in self._current

    def close(self) -> None:
        """End all connections, and those that come later."""
        self._is_closed = True
        for link in list(self._current.values()):
            link.connection.close()


def to_dial(me: RaftID, configuration: Configuration, *, leads: bool) -> list[RaftID]:
    """Of two voters the one with the greater id dials; the leader dials learners, who know nobody."""
    if me not in configuration.voters:
        return []
    wanted = [peer for peer in configuration.voters if peer < me]
    if leads:
        wanted += configuration.learners
    return wanted


class Dialler:
    """Keeps a connection to everyone whom `wanted` names."""

    def __init__(
        self,
        links: Links,
        dial: Dial,
        wanted: Callable[[], Sequence[RaftID]],
        config: RaftConfig,
        random: Random,
    ) -> None:
        self._links, self._dial, self._wanted = links, dial, wanted
        self._config, self._random = config, random
        #: the task that takes care of a peer
        self._kept: dict[RaftID, asyncio.Task[None]] = {}

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Until cancelled, with a task in `group` for each peer, which end with this one."""
        try:
            while True:
                for peer in self._wanted():
                    if peer not in self._kept:
                        self._kept[peer] = group.create_task(self._keep(peer))
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._kept.values():
                task.cancel()

    async def _keep(self, peer: RaftID) -> None:
        backoff = Backoff(self._random.uniform, first_s=_LOOK_S, most_s=2.0)
        while peer in self._wanted():
            if self._links.is_up(peer):
                await asyncio.sleep(_LOOK_S)
                continue
            try:
                async with asyncio.timeout(self._config.dial_s):
                    connection = await self._dial(peer)
            except (OSError, UnavailableError, NotFoundError) as error:
                log.debug("raft peer not reached", extra={"peer": peer, "error": str(error)})
            else:
                backoff.reset()
                await self._links.serve(peer, connection)
            await asyncio.sleep(backoff.next_s())
        del self._kept[peer]
