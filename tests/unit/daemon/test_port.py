"""Who is let in at a node's port, and how far."""

import asyncio
from collections.abc import Callable, Coroutine

import msgspec
import pytest

from swarmd.ca.authorize import Access
from swarmd.daemon import methods
from swarmd.daemon.node import JUDGE_S, Node
from swarmd.errors import NotPermittedError
from swarmd.model.cluster import Removed
from swarmd.model.ids import NodeID, RequestID
from swarmd.net.caller import RpcConnection
from swarmd.ports import Peer
from swarmd.store.entry import PutCluster
from swarmd.store.sequencer import Write
from tests.unit.daemon.scene import INIT, Scene
from tests.unit.net.pipe import Pipe, pipe

#: Calls that are answered without a certificate.
OPEN = {methods.ROOT, methods.JOIN}
CALLS = [method for method in methods.RULES if method != methods.STEP]


def played(scene: Scene, story: Callable[[Node], Coroutine[object, object, None]]) -> None:
    """At the port of a swarm of one."""

    async def whole() -> None:
        daemon = await scene.up()
        await daemon.init(INIT)
        assert daemon.node is not None
        await story(daemon.node)

    scene.run(whole())


def member(node: Node, role: str, **parts: object) -> Peer:
    """Somebody with a certificate of this swarm."""
    peer = Peer(node_id="somebody", role=role, cluster_id=node.identity.cluster_id, host="10.0.0.9")
    return msgspec.structs.replace(peer, **parts)


async def refusal(node: Node, peer: Peer, method: str) -> str:
    """What somebody is told who makes that call; empty if it was not about who he is."""
    near, far = pipe(client=peer, server=Peer())
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(node._accept(far))
        near.send(methods.RPC)
        try:
            async with RpcConnection(near) as link:
                # No call takes this: what is let in goes wrong for another reason.
                await link.call(method, b"\xc1", timeout_s=1)
        except NotPermittedError as error:
            return str(error)
        except Exception:  # whatever it is, the call was permitted
            return ""
        finally:
            near.close()
            await serving
    return ""


@pytest.mark.parametrize("method", CALLS)
def test_without_a_certificate_nothing_is_answered_but_what_joining_takes(
    scene: Scene, method: str
) -> None:
    async def story(node: Node) -> None:
        told = await refusal(node, Peer(host="10.0.0.9"), method)
        wanted = "" if method in OPEN else "10.0.0.9 shows no certificate: join the swarm first"
        assert told == wanted

    played(scene, story)


def test_a_worker_makes_no_calls_that_are_the_managers(scene: Scene) -> None:
    async def story(node: Node) -> None:
        for method, access in methods.RULES.items():
            if access is Access.MANAGERS and method != methods.STEP:
                told = await refusal(node, member(node, "worker"), method)
                assert told == f"a worker may not call {method}: only managers may"

    played(scene, story)


@pytest.mark.parametrize(
    "who",
    [
        lambda _node: Peer(host="10.0.0.9"),
        lambda node: member(node, "worker"),
        lambda node: member(node, "manager", cluster_id="another"),
        lambda node: member(node, "manager", expires_at=1),
    ],
    ids=["nobody", "worker", "another swarm's manager", "expired"],
)
def test_nobody_but_a_manager_speaks_raft(scene: Scene, who: Callable[[Node], Peer]) -> None:
    """A member that nobody knows is believed: it is the certificate that says that it may be one."""

    async def story(node: Node) -> None:
        near, far = pipe(client=who(node), server=Peer())
        near.send(methods.RAFT)
        near.send(b"a member that nobody knows")
        async with asyncio.timeout(5):
            await node._accept(far)
        assert far.is_closed
        assert far.inbox, "what it claims to be was not even read"

    played(scene, story)


def test_a_manager_speaks_raft(scene: Scene) -> None:
    async def story(node: Node) -> None:
        near, far = pipe(client=member(node, "manager"), server=Peer())
        near.send(methods.RAFT)
        near.send(b"a member that nobody knows")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(node._accept(far))
            await asyncio.sleep(1)
            assert not far.is_closed
            assert not far.inbox
            near.close()
            await task

    played(scene, story)


def test_live_connections_end_when_their_node_is_removed_or_its_certificate_ends(
    scene: Scene,
) -> None:
    """Those of others go on."""

    async def story(node: Node) -> None:
        soon = node._ports.clock.wall() + int((JUDGE_S + 1) * 1e9)
        peers = {
            "stays": member(node, "worker"),
            "ends": member(node, "worker", node_id="ends", expires_at=soon),
            "goes": member(node, "worker", node_id="goes"),
        }
        ends: dict[str, Pipe] = {
            name: pipe(client=peer, server=Peer())[1] for name, peer in peers.items()
        }

        def open_ones() -> list[str]:
            return [name for name, end in ends.items() if not end.is_closed]

        async with asyncio.TaskGroup() as group:
            held = [group.create_task(node._accept(end)) for end in ends.values()]
            await asyncio.sleep(JUDGE_S + 0.5)
            assert open_ones() == ["stays", "ends", "goes"]
            await asyncio.sleep(JUDGE_S + 1)
            assert open_ones() == ["stays", "goes"]
            await remove(node, "goes")
            await asyncio.sleep(JUDGE_S + 0.5)
            assert open_ones() == ["stays"]
            for task in held:
                task.cancel()

    played(scene, story)


async def remove(node: Node, node_id: str) -> None:
    """As `node rm` does."""
    manager = node.managing.manager
    assert manager is not None
    cluster = manager.store.view().cluster
    assert cluster is not None
    removed = (Removed(node_id=NodeID(node_id), until=node._ports.clock.wall() + 10**15),)
    record = msgspec.structs.replace(cluster, removed=removed)
    await manager.store.write(
        Write(
            request_id=RequestID(""),
            principal="test",
            decide=lambda _view, _now: [PutCluster(record=record)],
        )
    )
