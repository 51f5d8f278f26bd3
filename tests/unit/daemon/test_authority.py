"""Who is admitted, in which role, and who gets another certificate."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from swarmd.ca.tokens import join_token
from swarmd.daemon.authority import Authority, Issued, JoinCall, RenewCall
from swarmd.daemon.daemon import Daemon
from swarmd.errors import InvalidArgumentError, NotFoundError, SwarmError, UnavailableError
from swarmd.model.ids import RequestID
from swarmd.model.node import Availability, Role
from swarmd.ports import Peer, Timestamp
from swarmd.store.entry import Change, PutNode
from swarmd.store.sequencer import Write
from swarmd.store.view import View
from swarmd.wire.packed import pack, unpack
from tests.unit.daemon.scene import INIT, Scene

NOBODY = Peer()


class Desk:
    """The CA's calls on the leader of a swarm of one."""

    def __init__(self, daemon: Daemon) -> None:
        assert daemon.node is not None
        manager = daemon.node.managing.manager
        cluster = daemon.view().cluster
        assert manager is not None
        assert cluster is not None
        self.daemon, self.authority = daemon, manager.authority
        secrets, root = cluster.join_secrets, cluster.root_certificate
        self.tokens = {
            Role.MANAGER: join_token(root, secrets.manager),
            Role.WORKER: join_token(root, secrets.worker),
        }
        self.crypto = daemon._ports.crypto
        #: set when another role was decided, which is then on its way into the log
        self.is_decided = asyncio.Event()

    async def join(self, token: str, request: str) -> Issued:
        call = JoinCall(token=token, request=request, availability=Availability.DRAIN)
        return unpack(await self.authority.join(NOBODY, pack(call)), Issued)

    async def renew(self, node_id: str) -> Issued:
        request, _ = self.crypto.new_request()
        peer = Peer(node_id=node_id)
        return unpack(await self.authority.renew(peer, pack(RenewCall(request=request))), Issued)

    async def give_role(self, node_id: str, role: Role) -> None:
        def decide(view: View, _: Timestamp) -> Sequence[Change]:
            node = view.node(node_id)
            assert node is not None
            self.is_decided.set()
            spec = msgspec.structs.replace(node.spec, role=role)
            return [PutNode(record=msgspec.structs.replace(node, spec=spec, role=role))]

        await self.daemon.write(Write(request_id=RequestID(""), principal="test", decide=decide))


async def desk(scene: Scene) -> Desk:
    """Of a swarm that was just founded."""
    daemon = await scene.up()
    await daemon.init(INIT)
    return Desk(daemon)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.WORKER])
def test_a_node_is_admitted_in_the_role_of_its_token_and_a_second_time_as_itself(
    scene: Scene, role: Role
) -> None:
    """The answer to its first request was lost."""

    async def story() -> None:
        ca = await desk(scene)
        request, _ = ca.crypto.new_request()
        first = await ca.join(ca.tokens[role], request)
        again = await ca.join(ca.tokens[role], request)
        assert (first.role, again.node_id) == (role, first.node_id)
        facts = ca.crypto.facts(again.certificate)
        assert (facts.node_id, facts.organizational_unit) == (first.node_id, f"swarm-{role.value}")
        node = ca.daemon.view().node(first.node_id)
        assert node is not None
        assert (node.role, node.spec.availability) == (role, Availability.DRAIN)
        assert node.certificate_serial == facts.serial
        assert len(ca.daemon.view().nodes()) == 2

    scene.run(story())


def test_a_token_that_was_rotated_away_admits_nobody(scene: Scene) -> None:
    async def story() -> None:
        ca = await desk(scene)
        request, _ = ca.crypto.new_request()
        with pytest.raises(InvalidArgumentError, match="A valid join token is necessary"):
            await ca.join(ca.tokens[Role.WORKER][:-25] + "0" * 25, request)
        assert len(ca.daemon.view().nodes()) == 1

    scene.run(story())


def test_a_renewal_is_how_a_promotion_shows(scene: Scene) -> None:
    async def story() -> None:
        ca = await desk(scene)
        request, _ = ca.crypto.new_request()
        node_id = (await ca.join(ca.tokens[Role.WORKER], request)).node_id
        await ca.give_role(node_id, Role.MANAGER)
        issued = await ca.renew(node_id)
        assert issued.role is Role.MANAGER
        assert ca.crypto.facts(issued.certificate).organizational_unit == "swarm-manager"
        with pytest.raises(NotFoundError):
            await ca.renew("nobody")

    scene.run(story())


def test_no_certificate_outlives_a_demotion_that_came_while_it_was_made(scene: Scene) -> None:
    """The demotion was on its way into the log."""

    async def story() -> None:
        ca = await desk(scene)
        request, _ = ca.crypto.new_request()
        node_id = (await ca.join(ca.tokens[Role.MANAGER], request)).node_id
        async with asyncio.TaskGroup() as group:
            group.create_task(ca.give_role(node_id, Role.WORKER))
            await ca.is_decided.wait()
            refusal = await _refusal(ca, node_id)
        assert refusal == "the node's role has changed meanwhile: ask again"
        assert (await ca.renew(node_id)).role is Role.WORKER

    scene.run(story())


async def _refusal(ca: Desk, node_id: str) -> str:
    try:
        await ca.renew(node_id)
    except SwarmError as error:
        return str(error)
    return ""


def test_a_follower_passes_a_join_on_and_renews_nothing(scene: Scene) -> None:
    """It has no say in who is admitted; renewals go to the leader by themselves."""

    async def story() -> None:
        ca = await desk(scene)
        asked: list[tuple[str, bytes]] = []

        async def to_leader(method: str, payload: bytes) -> bytes:
            asked.append((method, payload))
            return b"its answer"

        store = ca.authority._store
        follower = Authority(store, ca.crypto, to_leader)
        assert await follower.join(NOBODY, b"call") == b"its answer"
        assert asked == [("ca.join", b"call")]
        with pytest.raises(UnavailableError):
            await follower.renew(Peer(node_id="n"), b"")

    scene.run(story())
