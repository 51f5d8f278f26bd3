"""Whom a node's agent asks for its session, and what happens when that one dies without a word."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from swarmd.daemon.following import ROUNDS_OF_LIVING, Following
from swarmd.daemon.identity import Identity
from swarmd.daemon.links import Links
from swarmd.errors import NoLeaderError, UnavailableError
from swarmd.model.assignment import ManagerAddress, SessionRequest
from swarmd.model.ids import ClusterID, NodeID
from swarmd.model.node import NodeDescription, Resources, Role
from swarmd.model.spec import Platform
from swarmd.ports import Address, Connection, Credentials, Datagrams, Listener

M1, M2, M3 = NodeID("m1"), NodeID("m2"), NodeID("m3")
IDENTITY = Identity(
    node_id=NodeID("me"),
    cluster_id=ClusterID("c"),
    role=Role.WORKER,
    certificate="",
    key="",
    trusted="",
    listen_address="10.0.0.9:2377",
    advertise_address="10.0.0.9:2377",
    managers=tuple(
        ManagerAddress(node_id=node_id, raft_id=f"r-{node_id}", address=f"{node_id}:2377")
        for node_id in (M1, M2, M3)
    ),
)
REQUEST = SessionRequest(
    description=NodeDescription(
        hostname="me",
        platform=Platform(os="linux", architecture="x86_64"),
        resources=Resources(nano_cpus=1, memory_bytes=1),
    ),
    engine_reachable=True,
)


class Unplugged:
    """A network in which nobody answers, and nobody refuses."""

    def __init__(self) -> None:
        self.dialled = asyncio.Event()

    async def listen(
        self,
        address: Address,
        credentials: Callable[[], Credentials],
        accept: Callable[[Connection], Awaitable[None]],
    ) -> Listener:
        raise OSError(address, credentials, accept)

    async def connect(self, address: Address, credentials: Credentials) -> Connection:
        self.dialled.set()
        await asyncio.Event().wait()
        raise ConnectionError(address, credentials)

    async def open_datagrams(
        self, address: Address, receive: Callable[[bytes, Address], None]
    ) -> Datagrams:
        raise OSError(address, receive)


class Half:
    """The manager half of a node."""

    def __init__(self, leader: str) -> None:
        self.leader = leader

    def is_leader(self) -> bool:
        return self.leader == IDENTITY.advertise_address

    def leader_address(self) -> str:
        if not self.leader:
            raise NoLeaderError
        return self.leader


def following(manager: Half | None = None, network: Unplugged | None = None) -> Following:
    links = Links(network or Unplugged(), Credentials, _anybody)
    return Following(links, lambda: IDENTITY, lambda: manager, _learns_nothing)


def _learns_nothing(_managers: object) -> None:
    """Nobody is asked for managers here."""


def _anybody(_peer: object, _node_id: str) -> None:
    """Judges nobody."""


async def asked(core: Following, count: int) -> list[str]:
    return [(await core.connect()).address.removesuffix(":2377") for _ in range(count)]


async def test_a_worker_asks_one_manager_after_the_other() -> None:
    assert await asked(following(), 4) == [M1, M2, M3, M1]


async def test_a_manager_asks_the_leader_that_its_raft_knows() -> None:
    assert await asked(following(Half(f"{M3}:2377")), 2) == [M3, M3]
    assert await asked(following(Half(IDENTITY.advertise_address)), 1) == ["10.0.0.9"]


async def test_a_manager_whose_raft_still_names_a_dead_leader_asks_the_others() -> None:
    """Between the death of the leader and the election."""
    core = following(Half(f"{M3}:2377"))
    core.on_liveness(M3, is_alive=False)
    assert await asked(core, 2) == [M1, M2]
    core.on_liveness(M3, is_alive=True)
    assert await asked(core, 1) == [M3]


async def test_a_dead_manager_is_asked_seldom_but_not_never() -> None:
    """Gossip's port may be closed to this node alone."""
    core = following()
    core.on_liveness(M2, is_alive=False)
    living = 2 * ROUNDS_OF_LIVING
    assert await asked(core, living + 1) == [*[M1, M3] * ROUNDS_OF_LIVING, M2]


async def test_when_all_are_held_dead_all_are_asked() -> None:
    core = following()
    for node_id in (M1, M2, M3):
        core.on_liveness(node_id, is_alive=False)
    assert await asked(core, 3) == [M1, M2, M3]


async def test_a_call_that_hangs_at_a_dead_manager_is_given_up_at_once() -> None:
    """Its host lost power: nothing is refused, nothing is closed."""
    network = Unplugged()
    core = following(network=network)
    client = await core.connect()

    async def die() -> None:
        await network.dialled.wait()
        core.on_liveness(M1, is_alive=False)

    async with asyncio.TaskGroup() as group:
        group.create_task(die())
        async with contextlib.aclosing(client.open(REQUEST)) as messages:
            with pytest.raises(UnavailableError, match="given up"):
                await anext(messages)


async def test_a_manager_that_died_before_it_was_dialled_is_given_up_too() -> None:
    core = following()
    client = await core.connect()
    core.on_liveness(M1, is_alive=False)
    async with contextlib.aclosing(client.open(REQUEST)) as messages:
        with pytest.raises(UnavailableError, match="given up"):
            await anext(messages)


async def test_a_node_that_knows_no_manager_says_so() -> None:
    links = Links(Unplugged(), Credentials, _anybody)
    lonely = msgspec.structs.replace(IDENTITY, managers=())
    core = Following(links, lambda: lonely, lambda: None, _learns_nothing)
    with pytest.raises(NoLeaderError):
        await core.connect()
