"""The loop on simulated datagrams, in virtual time: a wait is a step of the clock."""

import asyncio
from collections.abc import Callable

import pytest

from swarmd.ca.crypto import X509Crypto
from swarmd.gossip.keyring import Keyring, keyring
from swarmd.gossip.loop import Gossip, GossipPorts
from swarmd.gossip.messages import Member, Status
from swarmd.ports import Address, Connection, Credentials, Datagrams, Listener
from tests.unit.gossip.swarm import SeededRandom, address_of
from tests.virtual import LoopClock, in_virtual_time

KEYS = [bytes([number]) * 32 for number in range(4)]


class Air:
    """The Network port, datagrams only."""

    def __init__(self) -> None:
        self.bound: dict[Address, Callable[[bytes, Address], None]] = {}

    async def listen(self, address: Address, credentials: object, accept: object) -> Listener:
        raise NotImplementedError

    async def connect(self, address: Address, credentials: Credentials) -> Connection:
        raise NotImplementedError

    async def open_datagrams(
        self, address: Address, receive: Callable[[bytes, Address], None]
    ) -> Datagrams:
        if address in self.bound:
            raise OSError("address in use")
        self.bound[address] = receive
        return Socket(self, address)


class Socket:
    def __init__(self, air: Air, address: Address) -> None:
        self.air, self.address = air, address

    def send(self, data: bytes, to: Address) -> None:
        receive = self.air.bound.get(to)
        if receive is not None:
            asyncio.get_running_loop().call_later(0.001, receive, data, self.address)

    def close(self) -> None:
        del self.air.bound[self.address]


class Host:
    """One Gossip, and what it was told."""

    def __init__(self, air: Air, node_id: str, ring: Keyring) -> None:
        self.changed: list[Member] = []
        address = address_of(node_id)
        ports = GossipPorts(
            network=air,
            clock=LoopClock(),
            random=SeededRandom(sum(node_id.encode())),
            crypto=X509Crypto(),
        )
        me = Member(node_id, address, 1)
        self.gossip = Gossip(ports, me, address, ring, self.changed.append)


async def started(
    air: Air, group: asyncio.TaskGroup, *names: str, ring: Keyring | None = None
) -> tuple[list[Host], list[asyncio.Task[None]]]:
    """Hosts that know each other."""
    hosts = [Host(air, name, ring or keyring(KEYS[:1])) for name in names]
    tasks = []
    for host in hosts:
        host.gossip.join([address_of(names[0])])
        tasks.append(group.create_task(host.gossip.run()))
        await asyncio.sleep(0.01)  # the first must hear the others
    await asyncio.sleep(1.0)
    assert all(host.gossip.alive() == tuple(sorted(names)) for host in hosts)
    return hosts, tasks


@in_virtual_time
async def test_nodes_find_each_other_and_notice_a_death() -> None:
    async with asyncio.TaskGroup() as group:
        hosts, tasks = await started(Air(), group, "a", "b", "c")
        assert {member.node_id for member in hosts[0].changed} == {"b", "c"}
        tasks[2].cancel()
        await asyncio.sleep(2.0)
        assert hosts[0].gossip.alive() == hosts[1].gossip.alive() == ("a", "b")
        assert hosts[0].changed[-1].status is Status.DEAD
        for task in tasks:
            task.cancel()


@in_virtual_time
async def test_a_goodbye_takes_a_moment_and_no_detection() -> None:
    async with asyncio.TaskGroup() as group:
        hosts, tasks = await started(Air(), group, "a", "b", "c")
        began = asyncio.get_running_loop().time()
        await hosts[2].gossip.leave()
        assert asyncio.get_running_loop().time() - began < 0.5
        assert hosts[0].gossip.alive() == hosts[1].gossip.alive() == ("a", "b")
        assert [m.status for m in hosts[0].gossip.members() if m.node_id == "c"] == [Status.LEFT]
        for task in tasks:
            task.cancel()


@in_virtual_time
async def test_metadata_reaches_the_others() -> None:
    async with asyncio.TaskGroup() as group:
        hosts, tasks = await started(Air(), group, "a", "b")
        hosts[1].gossip.describe(b"leaving soon")
        await asyncio.sleep(0.3)
        assert hosts[0].changed[-1].meta == b"leaving soon"
        for task in tasks:
            task.cancel()


@in_virtual_time
async def test_who_has_no_key_hears_nothing_and_is_not_heard() -> None:
    async with asyncio.TaskGroup() as group:
        air = Air()
        hosts, tasks = await started(air, group, "a", "b")
        stranger = Host(air, "x", keyring(KEYS[3:]))
        stranger.gossip.join([address_of("a")])
        tasks.append(group.create_task(stranger.gossip.run()))
        await asyncio.sleep(3.0)
        assert hosts[0].gossip.alive() == ("a", "b")
        assert stranger.gossip.alive() == ("x",)
        assert hosts[0].gossip.unopened_count > 0
        for task in tasks:
            task.cancel()


@in_virtual_time
async def test_keys_rotate_under_running_nodes_one_after_the_other() -> None:
    async with asyncio.TaskGroup() as group:
        hosts, tasks = await started(Air(), group, "a", "b", "c")
        keys = KEYS[:1]
        for new in KEYS[1:]:
            keys = [new, *keys][:3]
            for host in hosts:
                host.gossip.use_keys(keyring(keys))
                await asyncio.sleep(2.0)
        assert KEYS[0] not in keys
        for host in hosts:
            assert host.gossip.alive() == ("a", "b", "c")
            assert all(member.is_live for member in host.changed)
            assert host.gossip.unopened_count == 0
        for task in tasks:
            task.cancel()


@in_virtual_time
async def test_an_address_in_use_is_an_oserror() -> None:
    air = Air()
    async with asyncio.TaskGroup() as group:
        _, tasks = await started(air, group, "a")
        with pytest.raises(OSError, match="in use"):
            await Host(air, "a", keyring(KEYS[:1])).gossip.run()
        tasks[0].cancel()
