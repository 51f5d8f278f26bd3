"""The `Swarm` of `/info`, and the word for it in the headers of a ping: from memory, without a call."""

from collections.abc import Mapping

from swarmd.api.cluster import Cluster
from swarmd.model.node import Role
from swarmd.wire.swarm import cluster_info, info_section


class SwarmInfo:
    """`merged.SwarmStatus` of a `Cluster`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def state(self) -> str:
        """`inactive`, `pending`, `error`, `locked`, `active/worker` or `active/manager`."""
        standing = self._cluster.standing()
        if standing.state != "active":
            return standing.state
        return "active/manager" if standing.is_manager else "active/worker"

    def section(self) -> Mapping[str, object]:
        """As this node knows it: a follower's counts are those of its own state."""
        standing = self._cluster.standing()
        if not standing.is_manager:
            return info_section(standing, None, (0, 0))
        view = self._cluster.view()
        if view.cluster is None:
            return info_section(standing, None, (0, 0))
        nodes = view.nodes().values()
        managers = sum(node.spec.role is Role.MANAGER for node in nodes)
        info = cluster_info(view.cluster, self._cluster.root_facts())
        return info_section(standing, info, (len(nodes), managers))
