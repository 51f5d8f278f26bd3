"""The agent's calls of the leader, as they go over the wire."""

import asyncio

from swarmd.daemon import methods
from swarmd.daemon.dispatching import SLOW_CALL_S, RpcDispatcher
from swarmd.daemon.links import Links
from swarmd.model.assignment import LogBatch
from swarmd.net.serve import serve
from swarmd.ports import Address, Connection, Credentials, Peer
from tests.unit.daemon.scene import Scene
from tests.unit.net.pipe import Pipe, pipe

PAUSE_S = 30 * SLOW_CALL_S


class _Reading:
    """A network with one leader, at whose side somebody reads logs, slowly."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    async def connect(self, _address: Address, _credentials: Credentials) -> Connection:
        await asyncio.sleep(0)
        near, far = pipe(client=Peer(), server=Peer(node_id="m", role="manager"))
        self._group.create_task(self._serve(far))
        return near

    async def _serve(self, end: Pipe) -> None:
        assert await end.receive() == methods.RPC
        handlers = {methods.PUBLISH_LOGS: self._publish}
        await serve(end, handlers.get, lambda _method, _peer: None)

    async def _publish(self, _peer: Peer, _payload: bytes) -> bytes:
        await asyncio.sleep(PAUSE_S)
        return b"1"


def test_a_pager_that_is_paused_for_minutes_gets_the_rest_of_the_logs(scene: Scene) -> None:
    """`docker service logs -f web | less`, and somebody thinks about a line."""

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            network = _Reading(group)
            links = Links(network, Credentials, lambda _peer, _node: None)  # type: ignore[arg-type]  # connects, and no more
            running = group.create_task(links.run())
            began = scene.loop.now
            leader = RpcDispatcher(links, "10.0.0.1:2377")
            assert await leader.publish_logs(LogBatch(subscription_id="s"))
            assert scene.loop.now - began >= PAUSE_S
            running.cancel()

    scene.run(story())
