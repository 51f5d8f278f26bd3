"""What becomes of calls when another manager leads."""

import asyncio

import pytest

from swarmd.daemon import methods
from swarmd.daemon.links import Links
from swarmd.errors import OutcomeUnknownError
from swarmd.ports import Address, Connection, Credentials, Peer
from tests.beside import beside
from tests.unit.net.pipe import Pipe, pipe

THERE = "10.0.0.1:2377"


class _Deaf:
    """A network whose hosts take everything and answer nothing."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[Pipe] = asyncio.Queue()

    async def connect(self, _address: Address, _credentials: Credentials) -> Connection:
        near, far = pipe(client=Peer(), server=Peer(node_id="m", role="manager"))
        self.ends.put_nowait(far)
        return near


async def test_calls_at_a_host_that_leads_no_more_fail_at_once() -> None:
    """It lost its power: only the kernel's patience would end them, after eight seconds."""
    network = _Deaf()
    links = Links(network, Credentials, lambda _peer, _node: None)  # type: ignore[arg-type]  # connects, and no more
    async with asyncio.TaskGroup() as group, beside(links.run()):
        asking = group.create_task(_outcome(links))
        end = await network.ends.get()
        assert await end.receive() == methods.RPC
        await end.receive()
        links.drop(THERE)
        assert await asking == f"no answer to {methods.JOIN}: the connection was closed at this end"
        links.drop(THERE)


async def _outcome(links: Links) -> str:
    with pytest.raises(OutcomeUnknownError) as raised:
        await links.call(THERE, methods.JOIN, b"", timeout_s=60, is_write=True)
    return str(raised.value)
