"""Writes of the cluster's own record, decided against its state.

Source: swarmkit manager/controlapi/cluster.go.
"""

from collections.abc import Sequence

import msgspec

from swarmd.api.cluster import Decide
from swarmd.errors import (
    BadRequestError,
    InvalidArgumentError,
    UnavailableError,
    UnsupportedError,
)
from swarmd.model.cluster import HOUR, ClusterSpec, JoinSecrets
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PutCluster
from swarmd.store.sequencer import check_version
from swarmd.store.view import View
from swarmd.wire.swarm import SpecChange


def check_spec(spec: ClusterSpec) -> None:
    """Raise for the first problem of the settings of a new or changed swarm."""
    if spec.name != "default":
        raise BadRequestError('swarm spec must be named "default"')
    if spec.ca_config.node_cert_expiry < HOUR:
        raise InvalidArgumentError("minimum certificate expiry time is: 1h0m0s")
    if spec.dispatcher.heartbeat_period < 0:
        raise InvalidArgumentError("heartbeat time period cannot be a negative duration")
    raft = spec.raft
    counts = (
        raft.snapshot_interval,
        raft.keep_old_snapshots,
        raft.log_entries_for_slow_followers,
        raft.election_tick,
        raft.heartbeat_tick,
    )
    # Unsigned in Go, where its decoder refuses them.
    if min(counts) < 0:
        raise BadRequestError("the settings of raft cannot be negative")
    if spec.encryption_config.auto_lock_managers:
        raise UnsupportedError("locking managers (autolock) is not supported yet")


def update(version: int, change: SpecChange, *, worker: str, manager: str) -> Decide:
    """Changed settings; `worker` and `manager` are new secrets for join tokens, or empty."""

    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        cluster = view.cluster
        if cluster is None:
            raise UnavailableError("this manager has not caught up yet")
        check_version(cluster.meta, version)
        spec = change.over(cluster.spec)
        check_spec(spec)
        if spec.ca_config.force_rotate != cluster.spec.ca_config.force_rotate:
            raise UnsupportedError("rotating the root certificate is not supported yet")
        secrets = JoinSecrets(
            worker=worker or cluster.join_secrets.worker,
            manager=manager or cluster.join_secrets.manager,
        )
        changed = msgspec.structs.replace(cluster, spec=spec, join_secrets=secrets)
        return [PutCluster(record=changed)]

    return decide
