"""The loop that gives the swarm a new gossip key twice a day; runs while this manager leads.

A key that leaked opens and seals for a day and a half at most.  Nothing is agreed on: a new key is
known everywhere for a whole period before anybody seals with it, and opens for one more after that
(`gossip.keyring`).  A node that was away for longer has none of the keys; its session brings them.

Source: swarmkit manager/keymanager (DefaultKeyRotationInterval).
"""

import logging
from collections.abc import Sequence

import msgspec

from swarmd.gossip.keyring import KEY_BYTES, rotated
from swarmd.lib.bell import Bell
from swarmd.model.cluster import HOUR, Cluster
from swarmd.model.ids import RequestID
from swarmd.ports import Random, Timestamp
from swarmd.store.entry import Change, Kind, PutCluster
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View

log = logging.getLogger(__name__)

PERIOD: Timestamp = 12 * HOUR
PRINCIPAL = "gossip keys"


def due_at(cluster: Cluster) -> Timestamp:
    """When its newest key has been known for a whole period."""
    return (cluster.gossip_keys_since or cluster.meta.created_at) + PERIOD


class GossipKeys:
    """One term's rotation."""

    def __init__(self, store: Store, random: Random) -> None:
        self._store, self._random = store, random
        self._bell = Bell()

    async def run(self) -> None:
        """Until cancelled.  Raises SwarmError if a rotation cannot be written."""
        with self._store.ringing(Kind.CLUSTER, self._bell.ring):
            while True:
                cluster = self._store.view().cluster
                left = None if cluster is None else due_at(cluster) - self._store.now()
                if left is None or left > 0:
                    await self._bell.wait(None if left is None else left / 1e9)
                else:
                    await self._rotate()

    async def _rotate(self) -> None:
        new = self._random.token(KEY_BYTES)

        def decide(view: View, now: Timestamp) -> Sequence[Change]:
            cluster = view.cluster
            if cluster is None or now < due_at(cluster):
                return ()
            keys = rotated(cluster.gossip_keys, new)
            return [
                PutCluster(
                    record=msgspec.structs.replace(cluster, gossip_keys=keys, gossip_keys_since=now)
                )
            ]

        write = Write(request_id=RequestID(""), principal=PRINCIPAL, decide=decide)
        await self._store.write(write)
        log.info("gossip key rotated")
