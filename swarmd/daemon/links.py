"""Calls to managers: one connection for each address, made when it is needed, kept while it lives.

Whoever answers at an address is judged by the certificate that it showed before anything is sent to
it: every node has one, so a worker at a manager's old address could pose as that manager.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable

from swarmd.daemon.methods import RPC
from swarmd.errors import NotPermittedError, UnavailableError
from swarmd.net.caller import RpcConnection
from swarmd.ports import Address, Connection, Credentials, Network, Peer, Seconds

CONNECT_S: Seconds = 3.0

#: Raises NotPermittedError if the peer is no manager of this swarm, or not the node with that id
#: (empty = any).
Judge = Callable[[Peer, str], None]


class Links:
    """All calls of one node; `run` owns the connections."""

    def __init__(
        self, network: Network, credentials: Callable[[], Credentials], judge: Judge
    ) -> None:
        self._network, self._credentials, self._judge = network, credentials, judge
        self._open: dict[str, RpcConnection] = {}
        self._dialling: dict[str, asyncio.Lock] = {}
        self._new: asyncio.Queue[tuple[str, RpcConnection]] = asyncio.Queue()

    async def run(self) -> None:
        """Serve the connections until cancelled; then all are closed."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    address, link = await self._new.get()
                    group.create_task(self._serve(address, link))
        finally:
            for link in list(self._open.values()):
                link.close()
            self._open.clear()

    async def _serve(self, address: str, link: RpcConnection) -> None:
        try:
            await link.run()
        finally:
            if self._open.get(address) is link:
                del self._open[address]

    def drop(self, address: str) -> None:
        """Nobody there is of use any more: what is under way fails at once, for others to answer."""
        if (link := self._open.pop(address, None)) is not None:
            link.close()

    def forget(self) -> None:
        """New credentials: calls from now on show them; those under way end by themselves."""
        self._open.clear()

    async def call(
        self,
        address: str,
        method: str,
        payload: bytes,
        *,
        timeout_s: Seconds | None,
        is_write: bool = False,
    ) -> bytes:
        """As `RpcConnection.call`; UnavailableError also if the node cannot be reached."""
        link = await self._link(address)
        return await link.call(method, payload, timeout_s=timeout_s, is_write=is_write)

    async def stream(
        self, address: str, method: str, payload: bytes
    ) -> AsyncGenerator[bytes, None]:
        """As `RpcConnection.stream`; UnavailableError also if the node cannot be reached."""
        link = await self._link(address)
        items = link.stream(method, payload)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    async def call_once(
        self,
        address: str,
        method: str,
        payload: bytes,
        *,
        timeout_s: Seconds,
        is_write: bool = False,
    ) -> bytes:
        """As `call`, over a connection of its own; needs no `run`."""
        async with RpcConnection(await self.dial(address, RPC)) as link:
            return await link.call(method, payload, timeout_s=timeout_s, is_write=is_write)

    async def _link(self, address: str) -> RpcConnection:
        async with self._dialling.setdefault(address, asyncio.Lock()):
            link = self._open.get(address)
            if link is None or not link.is_open:
                link = RpcConnection(await self.dial(address, RPC))
                self._open[address] = link
                self._new.put_nowait((address, link))
            return link

    async def dial(self, address: str, purpose: bytes, *, node_id: str = "") -> Connection:
        """A connection of its own, its purpose announced.

        Raises UnavailableError, also if somebody else answers there than a manager, or than the
        node with `node_id`.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._network.connect(Address(address), self._credentials())
        except TimeoutError:
            raise UnavailableError(f"{address} does not answer") from None
        except ConnectionError as error:
            raise UnavailableError(f"{address}: {error}") from error
        try:
            self._judge(connection.peer, node_id)
        except NotPermittedError as error:
            connection.close()
            raise UnavailableError(f"{address}: {error}") from error
        connection.send(purpose)
        return connection
