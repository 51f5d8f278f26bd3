"""The cluster itself: its settings, its root of trust, its keys.  One record, named "default"."""

from swarmd.model.base import Labels, Record
from swarmd.model.ids import ClusterID, NodeID
from swarmd.model.meta import Meta
from swarmd.model.spec import SECOND, Driver
from swarmd.ports import Timestamp

HOUR = 3600 * SECOND


class Orchestration(Record, frozen=True, kw_only=True):
    """How many tasks of a slot are kept, the live one included; negative = all."""

    task_history_retention_limit: int = 5


class RaftSettings(Record, frozen=True, kw_only=True):
    """Docker's settings; ticks are seconds there, and multiples of the heartbeat here."""

    snapshot_interval: int = 10_000
    keep_old_snapshots: int = 0
    log_entries_for_slow_followers: int = 500
    election_tick: int = 10
    heartbeat_tick: int = 1


class DispatcherSettings(Record, frozen=True, kw_only=True):
    """Period of the agents' heartbeats."""

    heartbeat_period: int = 5 * SECOND


class CAConfig(Record, frozen=True, kw_only=True):
    """Life of a node's certificate; `force_rotate` counts demands for a new root."""

    node_cert_expiry: int = 2160 * HOUR
    force_rotate: int = 0


class EncryptionConfig(Record, frozen=True, kw_only=True):
    """Whether managers need a key to start."""

    auto_lock_managers: bool = False


class TaskDefaults(Record, frozen=True, kw_only=True):
    """What tasks get that say nothing themselves."""

    log_driver: Driver | None = None


class ClusterSpec(Record, frozen=True, kw_only=True):
    """The operator's settings."""

    name: str
    labels: Labels
    orchestration: Orchestration = Orchestration()
    raft: RaftSettings = RaftSettings()
    dispatcher: DispatcherSettings = DispatcherSettings()
    ca_config: CAConfig = CAConfig()
    task_defaults: TaskDefaults = TaskDefaults()
    encryption_config: EncryptionConfig = EncryptionConfig()


class JoinSecrets(Record, frozen=True, kw_only=True):
    """The secret halves of the join tokens."""

    worker: str
    manager: str


class Removed(Record, frozen=True, kw_only=True):
    """A node that was removed: its certificates are refused until they have ended."""

    node_id: NodeID
    until: Timestamp


class Cluster(Record, frozen=True, kw_only=True):
    """The one cluster record."""

    id: ClusterID
    meta: Meta = Meta()
    spec: ClusterSpec
    root_certificate: str
    root_key: str
    join_secrets: JoinSecrets
    #: newest first; the second is the one in use while the newest spreads
    gossip_keys: tuple[bytes, ...] = ()
    default_addr_pool: tuple[str, ...] = ("10.0.0.0/8",)
    subnet_size: int = 24
    data_path_port: int = 4789
    removed: tuple[Removed, ...] = ()
    #: what every manager understands; gates new fields and tags, and never goes back
    feature_level: int = 1
    #: since when the newest gossip key has been the newest; 0 = since the cluster was founded
    gossip_keys_since: Timestamp = 0
