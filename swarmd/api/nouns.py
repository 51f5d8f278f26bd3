"""All handlers of the cluster's nouns together, for the daemon to put behind the routes."""

from collections.abc import Mapping

from swarmd.api import logs, networks, nodes, notyet, services, swarm, tasks
from swarmd.api.cluster import CallHandler, Cluster
from swarmd.api.events import EventLog
from swarmd.api.leader import Forwarder, Leadership
from swarmd.api.message import Handler
from swarmd.api.networks import ForwardedNetworks

_ROUTED: Mapping[str, CallHandler] = {
    **swarm.HANDLERS,
    **nodes.HANDLERS,
    **services.HANDLERS,
    **tasks.HANDLERS,
    **logs.HANDLERS,
    **notyet.HANDLERS,
}


class Nouns:
    """What the daemon needs of this package's nouns.

    Attributes:
        forwarder: its `serve` answers the followers' forwarded requests.
        networks: the cluster's part of `MergedNetworks`.
        events: what happened; the daemon tells it which store to follow.
    """

    def __init__(self, cluster: Cluster, leadership: Leadership) -> None:
        self._membership = swarm.Membership(cluster)
        self.forwarder = Forwarder(cluster, leadership, {**_ROUTED, **networks.HANDLERS})
        self.networks = ForwardedNetworks(self.forwarder)
        self.events = EventLog()

    def handlers(self) -> Mapping[str, Handler]:
        """By route name: a part for `Front`, which has all routes of the kind OURS."""
        forwarded = self.forwarder.handlers()
        return {
            **{name: forwarded[name] for name in _ROUTED},
            **self._membership.handlers(),
        }
