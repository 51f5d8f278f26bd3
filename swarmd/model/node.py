"""Nodes: what an operator wants of one, what it says of itself, and what the manager sees of it."""

from enum import StrEnum

from swarmd.model.base import NO_LABELS, Labels, Record
from swarmd.model.ids import NetworkID, NodeID
from swarmd.model.meta import Meta
from swarmd.model.spec import GenericResource, Platform
from swarmd.ports import Timestamp


class Role(StrEnum):
    """A node's part in the cluster."""

    MANAGER = "manager"
    WORKER = "worker"


class Availability(StrEnum):
    """What an operator lets a node run."""

    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


class NodeState(StrEnum):
    """What the leader sees of a node's session."""

    UNKNOWN = "unknown"
    DOWN = "down"
    READY = "ready"
    DISCONNECTED = "disconnected"


class NodeSpec(Record, frozen=True, kw_only=True):
    """What an operator wants of a node."""

    name: str = ""
    labels: Labels
    role: Role
    availability: Availability


class Resources(Record, frozen=True, kw_only=True):
    """What a node has."""

    nano_cpus: int = 0
    memory_bytes: int = 0
    generic_resources: tuple[GenericResource, ...] = ()


class Plugin(Record, frozen=True, kw_only=True):
    """A plugin of the engine; `type` is Volume | Network | Log | Authorization."""

    type: str
    name: str


class EngineDescription(Record, frozen=True, kw_only=True):
    """The engine of a node."""

    engine_version: str = ""
    labels: Labels = NO_LABELS
    plugins: tuple[Plugin, ...] = ()


class TLSInfo(Record, frozen=True, kw_only=True):
    """Which root a node trusts, and who issued its certificate (base64 of DER)."""

    trust_root: str = ""
    cert_issuer_subject: str = ""
    cert_issuer_public_key: str = ""


class NodeDescription(Record, frozen=True, kw_only=True):
    """What a node says of itself; refreshed every 20 s."""

    hostname: str = ""
    platform: Platform = Platform()
    resources: Resources = Resources()
    engine: EngineDescription = EngineDescription()
    tls_info: TLSInfo | None = None
    #: address for VXLAN between nodes; empty = the node's address
    data_path_address: str = ""
    #: of the host's own links, "10.0.0.0/16": a network of the swarm with part of one cannot stand
    #: there
    subnets: tuple[str, ...] = ()


class NodeStatus(Record, frozen=True, kw_only=True):
    """What the leader sees."""

    state: NodeState = NodeState.UNKNOWN
    message: str = ""
    #: IP address, without a port
    addr: str = ""
    #: cluster time since which the node is in `state`
    since: Timestamp = 0
    #: False while the node's engine does not answer; such a node gets no new tasks
    engine_reachable: bool = True


class Member(Record, frozen=True, kw_only=True):
    """A manager's place among the Raft members."""

    raft_id: str
    #: "ip:port" of its port for managers and agents
    address: str
    #: not yet a voter: catching up
    is_learner: bool = False
    #: the newest records and fields that its swarmd understands
    feature_level: int = 1


class NodeAddress(Record, frozen=True, kw_only=True):
    """A node's own address in one network: bridge, gateway, resolver."""

    network_id: NetworkID
    address: str


class Node(Record, frozen=True, kw_only=True):
    """One node."""

    id: NodeID
    meta: Meta = Meta()
    spec: NodeSpec
    description: NodeDescription | None = None
    status: NodeStatus = NodeStatus()
    #: the role that its certificate has; `spec.role` is the wanted one
    role: Role = Role.WORKER
    member: Member | None = None
    addresses: tuple[NodeAddress, ...] = ()
    #: serial number and end of its newest certificate
    certificate_serial: str = ""
    certificate_expires_at: Timestamp = 0

    @property
    def hostname(self) -> str:
        """Empty before the node described itself."""
        return self.description.hostname if self.description else ""

    @property
    def is_ready(self) -> bool:
        """May get new tasks: READY, active, engine reachable."""
        return (
            self.status.state is NodeState.READY
            and self.spec.availability is Availability.ACTIVE
            and self.status.engine_reachable
        )

    @property
    def is_invalid(self) -> bool:
        """Its tasks have to move: down or draining (swarmkit's InvalidNode)."""
        return self.status.state is NodeState.DOWN or self.spec.availability is Availability.DRAIN

    def host_subnets(self) -> tuple[str, ...]:
        """What networks of the swarm must leave to the host: its links' and its own addresses."""
        if self.description is None:
            return (self.status.addr,) if self.status.addr else ()
        known = (self.status.addr, self.description.data_path_address)
        return (*self.description.subnets, *filter(None, known))

    def address_in(self, network_id: NetworkID) -> str | None:
        """Its own address in a network, if it takes part."""
        return next((a.address for a in self.addresses if a.network_id == network_id), None)
