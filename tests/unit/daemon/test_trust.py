"""Whom a node believes: certificates say who somebody is, records what he has."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from swarmd.ca.tokens import join_token
from swarmd.daemon import joining, methods
from swarmd.daemon.authority import Issued, JoinCall
from swarmd.daemon.joining import Joining
from swarmd.daemon.links import Links
from swarmd.errors import (
    InvalidArgumentError,
    NoLeaderError,
    NotManagerError,
    NotPermittedError,
    UnavailableError,
)
from swarmd.model.ids import ClusterID, NodeID, RequestID
from swarmd.model.node import Role
from swarmd.net.rpc import Call, Reply, decode_question, encode
from swarmd.net.serve import Handler, serve
from swarmd.ports import Address, Connection, Credentials, Peer
from swarmd.store.entry import PutNode
from swarmd.store.sequencer import Write
from swarmd.wire.packed import pack, unpack
from tests.unit.daemon.scene import INIT, Scene
from tests.unit.net.pipe import Pipe, pipe

JOINING = Joining(
    remote_addresses=("10.0.0.1:2377",),
    token="",
    listen_address=Address("0.0.0.0:2377"),
    advertise_address=Address("10.0.0.2:2377"),
)
WORKER = Peer(node_id="w", role="worker", cluster_id="c", host="10.0.0.9")


class _Impostor:
    """A network on which one node answers at every address."""

    def __init__(self, peer: Peer) -> None:
        self.near, self.far = pipe(client=Peer(), server=peer)

    async def connect(self, _address: Address, _credentials: Credentials) -> Connection:
        return self.near


def _only_managers(peer: Peer, _node_id: str) -> None:
    if peer.role != "manager":
        raise NotPermittedError("a worker")


async def test_a_worker_at_a_managers_old_address_is_told_nothing() -> None:
    """Addresses are given out again; the certificate shows whose it is now."""
    network = _Impostor(WORKER)
    links = Links(network, Credentials, _only_managers)  # type: ignore[arg-type]  # connects, and no more
    with pytest.raises(UnavailableError, match=r"10\.0\.0\.1:2377: a worker"):
        await links.call("10.0.0.1:2377", methods.HEARTBEAT, b"secret", timeout_s=1)
    assert network.near.is_closed
    assert network.near.sent == []


def test_a_join_token_is_shown_to_managers_only(scene: Scene) -> None:
    """A worker hands out the true root, and would like to see the token of a manager."""

    async def story() -> None:
        daemon = await scene.up()
        ports = daemon._ports
        root, _ = ports.crypto.new_root("c", ports.clock.wall())
        network = _Impostor(WORKER)
        asked = msgspec.structs.replace(JOINING, token=join_token(root, "0" * 25))
        poor = msgspec.structs.replace(ports, network=network)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_hand_out_root(network.far, root))
            with pytest.raises(UnavailableError, match="shows the certificate of a worker"):
                await joining.join(asked, poor)
        assert serving.result() == [methods.ROOT]

    scene.run(story())


def test_another_root_than_the_tokens_is_refused_before_the_token_is_shown(scene: Scene) -> None:
    """Somebody between the node and its swarm, with a root and a manager's certificate of his own."""

    async def story() -> None:
        ports = (await scene.up())._ports
        true, _ = ports.crypto.new_root("c", ports.clock.wall())
        forged, _ = ports.crypto.new_root("c", ports.clock.wall())
        network = _Impostor(Peer(node_id="m", role="manager", cluster_id="c"))
        asked = msgspec.structs.replace(JOINING, token=join_token(true, "0" * 25))
        poor = msgspec.structs.replace(ports, network=network)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_hand_out_root(network.far, forged))
            with pytest.raises(InvalidArgumentError, match="remote CA does not match fingerprint"):
                await joining.join(asked, poor)
            network.near.close()
        assert serving.result() == [methods.ROOT]

    scene.run(story())


def test_a_join_waits_for_an_election_and_asks_again(scene: Scene) -> None:
    """The leader has just died: nobody can admit a node for a second."""

    async def story() -> None:
        ports = (await scene.up())._ports
        root, _ = ports.crypto.new_root("c", ports.clock.wall())
        network = _Electing(root, refusals=3)
        asked = msgspec.structs.replace(JOINING, token=join_token(root, "0" * 25))
        able = msgspec.structs.replace(ports, network=network)
        async with asyncio.TaskGroup() as group:
            network.group = group
            identity = await joining.join(asked, able)
        assert identity.node_id == "n"
        requests = {unpack(payload, JoinCall).request for payload in network.asked}
        assert (len(network.asked), len(requests)) == (4, 1)

    scene.run(story())


class _Electing:
    """A network with one manager, which has no leader at first."""

    group: asyncio.TaskGroup

    def __init__(self, root: str, refusals: int) -> None:
        self._root, self._refusals = root, refusals
        #: requests to join, in order
        self.asked: list[bytes] = []

    async def connect(self, _address: Address, _credentials: Credentials) -> Connection:
        manager = Peer(node_id="m", role="manager", cluster_id="c")
        near, far = pipe(client=Peer(), server=manager)
        handlers = {methods.ROOT: self._hand_out, methods.JOIN: self._join}
        await asyncio.sleep(0)
        self.group.create_task(self._serve(far, handlers))
        return near

    async def _serve(self, end: Pipe, handlers: Mapping[str, Handler]) -> None:
        assert await end.receive() == methods.RPC
        await serve(end, handlers.get, lambda _method, _peer: None)

    async def _hand_out(self, _peer: Peer, _payload: bytes) -> bytes:
        return self._root.encode()

    async def _join(self, _peer: Peer, payload: bytes) -> bytes:
        self.asked.append(payload)
        if len(self.asked) <= self._refusals:
            raise NoLeaderError
        issued = Issued(
            node_id=NodeID("n"),
            cluster_id=ClusterID("c"),
            role=Role.WORKER,
            certificate="",
            trusted="",
            managers=(),
        )
        return pack(issued)


async def _hand_out_root(end: Pipe, root: str) -> list[str]:
    """What was asked on the connection."""
    asked = []
    try:
        assert await end.receive() == methods.RPC
        while True:
            question = decode_question(await end.receive())
            if isinstance(question, Call):
                asked.append(question.method)
                end.send(encode(Reply(id=question.id, payload=root.encode())))
    except ConnectionError:
        return asked


def test_another_nodes_raft_member_is_claimed_in_vain(scene: Scene) -> None:
    """A manager's certificate says which node it is; a vote is worth the disk that it comes from."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        assert daemon.node is not None
        manager = daemon.node.managing.manager
        assert manager is not None
        _, end = pipe(client=Peer(node_id="other", role="manager"), server=Peer())
        with pytest.raises(NotPermittedError, match="node other claims to be raft member"):
            await manager.attach(end, manager.raft.status().id)

    scene.run(story())


def test_a_demoted_manager_may_not_forward_requests(scene: Scene) -> None:
    """Its certificate says manager for three months to come."""

    async def story() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        node = daemon.node
        assert node is not None
        peer = Peer(node_id="old", role="manager", cluster_id=node.identity.cluster_id)
        node._permit(methods.FORWARD, peer)
        record = daemon.view().node(node.identity.node_id)
        assert record is not None
        demoted = msgspec.structs.replace(record, id="old", role=Role.WORKER, member=None)
        await daemon.write(
            Write(
                request_id=RequestID(""),
                principal="test",
                decide=lambda _view, _now: [PutNode(record=demoted)],
            )
        )
        with pytest.raises(NotManagerError, match="This node is not a swarm manager"):
            node._permit(methods.FORWARD, peer)

    scene.run(story())
