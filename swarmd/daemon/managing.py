"""The manager half's comings and goings: it follows the role that the node's certificate has."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from swarmd.daemon import methods
from swarmd.daemon.identity import Identity
from swarmd.daemon.links import Links
from swarmd.daemon.manager import EnlistCall, Manager
from swarmd.daemon.ports import Ports
from swarmd.dispatcher.server import Witness
from swarmd.errors import SwarmError
from swarmd.model.assignment import ManagerAddress
from swarmd.model.node import Role
from swarmd.raft import identity as raft_identity
from swarmd.raft.interface import CorruptError, RaftConfig
from swarmd.raft.seal import KeySealer
from swarmd.store.entry import FEATURE_LEVEL
from swarmd.store.store import Store
from swarmd.wire.packed import pack

log = logging.getLogger(__name__)

ENLIST_AGAIN_S = 0.5
ENLIST_CALL_S = 10.0


class Managing:
    """Runs a `Manager` while the node is one."""

    def __init__(
        self,
        identity: Callable[[], Identity],
        keep: Callable[[Identity], Awaitable[None]],
        ports: Ports,
        links: Links,
        witness: Witness,
        config: RaftConfig,
    ) -> None:
        self._identity, self._keep = identity, keep
        self._ports, self._links, self._witness, self._config = ports, links, witness, config
        self.manager: Manager | None = None
        #: told of the store of each manager half
        self.follow: Callable[[Store], None] = lambda _store: None
        #: set when the identity changed
        self.changed = asyncio.Event()
        #: told when the manager half came or went, and what `Manager.told` is
        self.told: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Until cancelled.  Raises what ends a raft member, OSError for the disk."""
        if self._identity().role is Role.WORKER:
            await self._retire()  # demoted, and then the process ended
        while True:
            await self._until(Role.MANAGER)
            identity = await self._prepare(self._identity())
            manager = Manager(identity, self._ports, self._links, self._witness, self._config)
            manager.known, manager.told = self._known, self.told
            self.manager = manager
            self.follow(manager.store)
            self.told()
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(manager.run()),
                        group.create_task(self._enlist(manager, identity)),
                    ]
                    await self._until(Role.WORKER)
                    for task in tasks:
                        task.cancel()
            finally:
                self.manager = None
                self.told()
            await self._retire()

    async def _retire(self) -> None:
        """End the disk's life as a raft member: another promotion begins another one.

        The id goes first: what is left of the files then speaks for nobody.
        """
        if self._identity().raft_id:
            await self._keep(msgspec.structs.replace(self._identity(), raft_id=""))
        await self._ports.disk.run(lambda: raft_identity.wipe(self._ports.disk))

    async def _until(self, role: Role) -> None:
        while self._identity().role is not role:
            self.changed.clear()
            await self.changed.wait()

    async def _prepare(self, identity: Identity) -> Identity:
        """The identity with its raft id: a disk that joins has one that was never used before.

        Raises CorruptError if the disk that the id belongs to has lost its files.
        """
        ports = self._ports
        if identity.raft_id:
            found = await ports.disk.run(lambda: raft_identity.read_id(ports.disk))
            if found != identity.raft_id:
                raise CorruptError(f"the files of raft member {identity.raft_id} are not here")
            return identity
        sealer = KeySealer(ports.crypto, identity.raft_key)
        raft_id = await ports.disk.run(
            lambda: (
                raft_identity.read_id(ports.disk)
                or raft_identity.join(ports.disk, sealer, ports.random, self._config)
            )
        )
        identity = msgspec.structs.replace(identity, raft_id=raft_id)
        await self._keep(identity)
        return identity

    def _known(self) -> Sequence[ManagerAddress]:
        return self._identity().managers

    async def _enlist(self, manager: Manager, identity: Identity) -> None:
        """Ask until a leader has this disk among its members, and again when it has it no more.

        A node may be demoted and promoted before it hears of either: it never ceased to be a
        manager for itself, but its member is gone; or another swarmd than before may run on it.  To
        ask in vain changes nothing.
        """
        call = EnlistCall(
            raft_id=identity.raft_id,
            address=identity.advertise_address,
            feature_level=FEATURE_LEVEL,
        )
        while True:
            is_member = manager.raft.status().is_voter and self._is_listed(identity.raft_id)
            if not (is_member and manager.is_enlisted(call)):
                await self._ask_to_enlist(manager, call)
            await asyncio.sleep(ENLIST_AGAIN_S)

    async def _ask_to_enlist(self, manager: Manager, call: EnlistCall) -> None:
        if manager.is_leader():
            await self._try_to_enlist("", manager.enlist(self._identity().node_id, call))
            return
        for address in self._others():
            asking = self._links.call(
                address, methods.ENLIST, pack(call), timeout_s=ENLIST_CALL_S, is_write=True
            )
            if await self._try_to_enlist(address, asking):
                return

    @staticmethod
    async def _try_to_enlist(address: str, asking: Awaitable[object]) -> bool:
        try:
            await asking
        except SwarmError as error:
            log.debug("not enlisted", extra={"at": address, "reason": str(error)})
            return False
        return True

    def _is_listed(self, raft_id: str) -> bool:
        """Whether the leader heard last counts this member among the managers."""
        return any(manager.raft_id == raft_id for manager in self._identity().managers)

    def _others(self) -> Sequence[str]:
        own = self._identity()
        return [m.address for m in own.managers if m.node_id != own.node_id]
