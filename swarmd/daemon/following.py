"""Whom the agent asks: the leader as this node's Raft has it, else one manager after the other.

A host without power closes no connection: the agent's call would hang until its time is over, or
the kernel's.  Gossip knows in about a second, so a manager that it calls dead is given up at once,
and asked seldom.  Should it live after all, with gossip's port closed to this node, only that
session is lost: it has its turn again.

A manager that does not lead knows who does, and who else is a manager.  It is asked before another
is tried: while this node was away all of them may have changed places, the leader among them.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from swarmd.daemon import methods
from swarmd.daemon.dispatching import RpcDispatcher
from swarmd.daemon.identity import Identity
from swarmd.daemon.links import Links
from swarmd.errors import NoLeaderError, SwarmError
from swarmd.model.assignment import ManagerAddress
from swarmd.model.ids import NodeID
from swarmd.ports import Seconds
from swarmd.wire.packed import unpack

log = logging.getLogger(__name__)

#: All that live are asked so often before one that is held to be dead: that may take a while.
ROUNDS_OF_LIVING = 3
#: It answers from memory.
DIRECTORY_CALL_S: Seconds = 2.0


class Directory(msgspec.Struct, frozen=True, kw_only=True):
    """What a manager says of all of them."""

    #: its address; empty if it knows of none
    leader: str
    managers: tuple[ManagerAddress, ...]


class Leaders(Protocol):
    """What a manager half knows of leaders; `Manager` is one."""

    def is_leader(self) -> bool:
        """Whether it leads itself."""
        ...

    def leader_address(self) -> str:
        """Raises NoLeaderError."""
        ...


class Following:
    """Finds the manager for each session of the agent."""

    def __init__(
        self,
        links: Links,
        identity: Callable[[], Identity],
        manager: Callable[[], Leaders | None],
        learn: Callable[[Sequence[ManagerAddress]], None],
    ) -> None:
        self._links, self._identity, self._manager = links, identity, manager
        #: told of all managers, as one of them knows them
        self._learn = learn
        #: address of the manager last asked; empty before the first
        self.leader = ""
        self._client: RpcDispatcher | None = None
        self._dead: set[NodeID] = set()
        self._turn = 0

    async def connect(self) -> RpcDispatcher:
        """For one session.  Raises NoLeaderError if this node knows no manager."""
        self.leader = self._leader() or await self._told() or self._next()
        self._client = RpcDispatcher(self._links, self.leader)
        return self._client

    def on_liveness(self, node_id: NodeID, *, is_alive: bool) -> None:
        """Gossip saw a node come or go."""
        if is_alive:
            self._dead.discard(node_id)
            return
        self._dead.add(node_id)
        self._turn = 0
        if self._client is not None and self._is_dead(self._client.address):
            log.info("manager given up", extra={"node": node_id})
            self._client.give_up()

    def _leader(self) -> str:
        """As this node's Raft has it; empty if it has none, or one that is dead."""
        manager = self._manager()
        if manager is None:
            return ""
        if manager.is_leader():
            return self._identity().advertise_address
        try:
            address = manager.leader_address()
        except NoLeaderError:
            return ""
        return "" if self._is_dead(address) else address

    async def _told(self) -> str:
        """The leader as the manager has it that was asked last in vain; empty if it cannot say."""
        if self._client is None or not self._client.is_follower or self._is_dead(self.leader):
            return ""
        try:
            answer = await self._links.call(
                self.leader, methods.MANAGERS, b"", timeout_s=DIRECTORY_CALL_S
            )
            directory = unpack(answer, Directory)
        except SwarmError as error:
            log.debug("no word of the leader", extra={"at": self.leader, "reason": str(error)})
            return ""
        if directory.managers:
            self._learn(directory.managers)
        return "" if self._is_dead(directory.leader) else directory.leader

    def _next(self) -> str:
        managers = self._identity().managers
        if not managers:
            raise NoLeaderError
        living = [m for m in managers if m.node_id not in self._dead]
        dead = [m for m in managers if m.node_id in self._dead]
        turns = [*living * ROUNDS_OF_LIVING, *dead]
        address = turns[self._turn % len(turns)].address
        self._turn += 1
        return address

    def _is_dead(self, address: str) -> bool:
        managers = self._identity().managers
        return any(m.address == address and m.node_id in self._dead for m in managers)
