"""A node's session as tests of the data plane see it: what it is told, and what it makes of it."""

from collections.abc import Iterator, Sequence

from swarmd.dispatcher.plane import PlaneFeed, PlaneLog
from swarmd.model.dataplane import DataPlane
from swarmd.model.ids import NodeID
from swarmd.model.planeparts import Part, PlaneChange, PlaneMirror
from swarmd.store.apply import Touched
from swarmd.store.view import View
from swarmd.wire.packed import unpack
from tests.unit.dispatcher.cluster import Cluster

N1 = NodeID("n1")


class Follower:
    """A node's session, and what it makes of what it is told."""

    def __init__(self, cluster: Cluster, node_id: NodeID, log: PlaneLog | None = None) -> None:
        self.node_id, self._cluster = node_id, cluster
        self.plane: DataPlane | None = None
        #: of what was told last
        self.parts: list[Part] = []
        self.was_woken = False
        self._mirror = PlaneMirror()
        if log is None:
            log = PlaneLog()
            for _ in log.learn(cluster.tables.view()):
                pass
            cluster.watchers.append(self._watch)
        self.log = log
        self._feed: PlaneFeed | None = None

    def _watch(self, touched: Sequence[Touched]) -> None:
        if self.log.changed(self._cluster.tables.view(), touched):
            self.was_woken = True

    def messages(self) -> Iterator[bytes]:
        if self._feed is None:
            self._feed = PlaneFeed(self.node_id, self.log)
        return self._feed.next(self._cluster.tables.view())

    def take(self, message: bytes) -> DataPlane | None:
        change = unpack(message, PlaneChange)
        self.parts.extend(change.parts)
        plane = self._mirror.take(change)
        self.plane = plane or self.plane
        return plane

    def next(self) -> DataPlane | None:
        """The plane if there was news."""
        self.parts, told = [], None
        for message in self.messages():
            told = self.take(message)
        return told


def plane_of(cluster: Cluster, node_id: NodeID = N1) -> DataPlane:
    """Everything that the node must know, as of now."""
    return data_plane(cluster.tables.view(), node_id)


def data_plane(view: View, node_id: NodeID) -> DataPlane:
    """The same as of a view."""
    log, mirror = PlaneLog(), PlaneMirror()
    for _ in log.learn(view):
        pass
    for message in PlaneFeed(node_id, log).next(view):
        plane = mirror.take(unpack(message, PlaneChange))
    assert plane is not None
    return plane
