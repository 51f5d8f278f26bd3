"""How a node becomes one: founding a swarm, or joining one with a token."""

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from swarmd.ca.authorize import Authority, authorize_server
from swarmd.ca.issue import facts_of_node
from swarmd.ca.tokens import SECRET_BYTES, check_root, new_secret, parse_token
from swarmd.daemon import methods
from swarmd.daemon.authority import Issued, JoinCall
from swarmd.daemon.identity import Identity
from swarmd.daemon.links import Links
from swarmd.daemon.ports import Ports
from swarmd.dispatcher.control.addresses import free_subnet
from swarmd.errors import (
    BadRequestError,
    NoLeaderError,
    OutcomeUnknownError,
    UnavailableError,
)
from swarmd.model.cluster import Cluster, ClusterSpec, JoinSecrets
from swarmd.model.ids import ClusterID, NetworkID, NodeID, id_from, id_of
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.model.node import Availability, Member, Node, NodeSpec, NodeStatus, Role
from swarmd.ports import Address, Credentials, Peer
from swarmd.store.entry import FEATURE_LEVEL, Change, PutCluster, PutNetwork, PutNode
from swarmd.wire.packed import pack, unpack

GOSSIP_KEY_BYTES = 32
RAFT_KEY_BYTES = 32
JOIN_CALL_S = 15.0
#: Pause before managers that had no leader are asked again.
JOIN_AGAIN_S = 0.5
#: Swarm's /24 is exhausted by 250 nodes, services and tasks together.
INGRESS_PREFIX = 16


class Founding(msgspec.Struct, frozen=True, kw_only=True):
    """What `swarm init` asks for."""

    spec: ClusterSpec
    listen_address: Address
    advertise_address: Address
    data_path_address: str = ""
    data_path_port: int = 4789
    availability: Availability = Availability.ACTIVE
    default_addr_pool: tuple[str, ...] = ("10.0.0.0/8",)
    subnet_size: int = 24


def found(founding: Founding, ports: Ports) -> tuple[Identity, Cluster]:
    """The founder's identity and the cluster record; nothing is written yet."""
    token = ports.random.token
    cluster_id, node_id = ClusterID(id_of(token(16))), NodeID(id_of(token(16)))
    now = ports.clock.wall()
    root = ports.crypto.new_root(cluster_id, now)
    cluster = Cluster(
        id=cluster_id,
        spec=founding.spec,
        root_certificate=root[0],
        root_key=root[1],
        join_secrets=JoinSecrets(
            worker=new_secret(token(SECRET_BYTES)), manager=new_secret(token(SECRET_BYTES))
        ),
        gossip_keys=(token(GOSSIP_KEY_BYTES),),
        default_addr_pool=founding.default_addr_pool,
        subnet_size=founding.subnet_size,
        data_path_port=founding.data_path_port,
        feature_level=FEATURE_LEVEL,
    )
    request, key = ports.crypto.new_request()
    facts = facts_of_node(node_id, Role.MANAGER, cluster, now)
    identity = Identity(
        node_id=node_id,
        cluster_id=cluster_id,
        role=Role.MANAGER,
        certificate=ports.crypto.issue(request, root, facts),
        key=key,
        trusted=root[0],
        listen_address=founding.listen_address,
        advertise_address=founding.advertise_address,
        data_path_address=founding.data_path_address,
        gossip_keys=cluster.gossip_keys,
        raft_key=token(RAFT_KEY_BYTES),
        is_founding=True,
        availability=founding.availability,
    )
    return identity, cluster


def genesis(
    identity: Identity, cluster: Cluster, host_subnets: Collection[str], now: int
) -> Sequence[Change]:
    """The first entry of the log: the cluster, its founder, the ingress network.

    That network leaves the founder's host its own subnets, if the pool has room beside them.
    """
    member = Member(
        raft_id=identity.raft_id,
        address=identity.advertise_address,
        feature_level=FEATURE_LEVEL,
    )
    node = Node(
        id=identity.node_id,
        spec=NodeSpec(labels={}, role=Role.MANAGER, availability=identity.availability),
        status=NodeStatus(addr=identity.host, since=now),
        role=Role.MANAGER,
        member=member,
    )
    pool = cluster.default_addr_pool[0]
    base, length = pool.split("/")
    prefix = max(int(length), INGRESS_PREFIX)
    free = free_subnet([pool], prefix, host_subnets)
    subnet = free.subnet if free else f"{base}/{prefix}"
    ingress = Network(
        id=NetworkID(id_from("ingress", cluster.id)),
        spec=NetworkSpec(
            name="ingress",
            labels={},
            ingress=True,
            ipam_configs=(IPAMConfig(subnet=subnet),),
        ),
    )
    return [PutCluster(record=cluster), PutNode(record=node), PutNetwork(record=ingress)]


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """What `swarm join` asks for."""

    remote_addresses: tuple[str, ...]
    token: str
    listen_address: Address
    advertise_address: Address
    data_path_address: str = ""
    availability: Availability = Availability.ACTIVE


async def join(joining: Joining, ports: Ports) -> Identity:
    """Ask the managers in turn to be admitted, and again while they are about to elect a leader.

    A request is known by its key, so that one whose answer was lost may be made again.  Raises
    BadRequestError for what is wrong with the request, the last manager's error otherwise.
    """
    if not joining.remote_addresses:
        raise BadRequestError("at least 1 RemoteAddr is required to join")
    if not joining.token:
        raise BadRequestError("A valid join token is necessary to join this cluster")
    request, key = ports.crypto.new_request()
    asked = JoinCall(token=joining.token, request=request, availability=joining.availability)
    give_up_at = ports.clock.monotonic() + JOIN_CALL_S
    while True:
        is_worth_a_retry = False
        for address in joining.remote_addresses:
            try:
                issued = await _ask(address, asked, ports)
            except UnavailableError as unavailable:
                error = unavailable
                is_worth_a_retry |= isinstance(error, NoLeaderError | OutcomeUnknownError)
            else:
                return _identity(joining, issued, key, ports)
        if not is_worth_a_retry or ports.clock.monotonic() >= give_up_at:
            raise error
        await asyncio.sleep(JOIN_AGAIN_S)


async def _ask(address: str, asked: JoinCall, ports: Ports) -> Issued:
    anybody = Links(ports.network, Credentials, _take_anybody)
    answer = await anybody.call_once(address, methods.ROOT, b"", timeout_s=JOIN_CALL_S)
    root = answer.decode("ascii", "replace")
    check_root(parse_token(asked.token), root)
    manager = _links_to_manager(root, ports)
    answer = await manager.call_once(
        address, methods.JOIN, pack(asked), timeout_s=JOIN_CALL_S, is_write=True
    )
    return unpack(answer, Issued)


def _take_anybody(_peer: Peer, _node_id: str) -> None:
    """The root is compared with the token, whoever hands it out."""


def _links_to_manager(root: str, ports: Ports) -> Links:
    """To a manager of the swarm that has this root: nobody else is shown the token."""
    known = Authority(rules=methods.RULES, cluster_id=ports.crypto.facts(root).cluster_id)

    def judge(peer: Peer, node_id: str) -> None:
        authorize_server(peer, known, ports.clock.wall(), node_id=node_id)

    return Links(ports.network, lambda: Credentials(trusted=root), judge)


def _identity(joining: Joining, issued: Issued, key: str, ports: Ports) -> Identity:
    return Identity(
        node_id=issued.node_id,
        cluster_id=issued.cluster_id,
        role=issued.role,
        certificate=issued.certificate,
        key=key,
        trusted=issued.trusted,
        listen_address=joining.listen_address,
        advertise_address=joining.advertise_address,
        data_path_address=joining.data_path_address,
        managers=issued.managers,
        gossip_keys=issued.gossip_keys,
        raft_key=ports.random.token(RAFT_KEY_BYTES),
        availability=joining.availability,
    )
