"""What this node can say of another's life: gossip's word, and whether its port answers."""

import asyncio
from collections.abc import Callable, Iterable

from swarmd.daemon.identity import Identity
from swarmd.dispatcher.server import Answer
from swarmd.dispatcher.sessions import CONFIRM_S
from swarmd.model.ids import NodeID
from swarmd.model.node import Node
from swarmd.net.addresses import join_address, split_address
from swarmd.ports import Address, Network


class NodeWitness:
    """`dispatcher.server.Witness` of a manager."""

    def __init__(
        self,
        network: Network,
        identity: Callable[[], Identity],
        dead: Callable[[], Iterable[NodeID]],
    ) -> None:
        self._network, self._identity, self.dead = network, identity, dead

    async def ask(self, node: Node) -> Answer:
        """See `Witness`."""
        if not node.status.addr:
            return Answer.SILENT
        identity = self._identity()
        address = node.member.address if node.member else identity.advertise_address
        port = split_address(Address(address))[1]
        try:
            async with asyncio.timeout(CONFIRM_S):
                connection = await self._network.connect(
                    join_address(node.status.addr, port), identity.credentials
                )
        except ConnectionRefusedError:
            return Answer.REFUSED
        except (TimeoutError, ConnectionError):
            return Answer.SILENT
        connection.close()
        # Another node may have its address by now.
        return Answer.ALIVE if connection.peer.node_id == node.id else Answer.SILENT
