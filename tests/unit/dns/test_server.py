"""The resolver on loopback addresses: what a container's engine asks it, by UDP and TCP."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rrset
import msgspec
import pytest

from swarmd.dns.forward import Forward, forward
from swarmd.dns.server import Resolver
from swarmd.model.dataplane import (
    NO_TASK,
    Backend,
    DataPlane,
    Endpoint,
    PlaneNetwork,
    PlaneService,
    ServiceNetwork,
)
from swarmd.model.ids import NetworkID, NodeID, ServiceID, TaskID

NODE, TASK, NETWORK = NodeID("node1"), TaskID("task1"), NetworkID("net1")
SERVER, ASKER = "127.0.53.1", "127.0.53.9"


def loopback_plane(server: str = SERVER) -> DataPlane:
    endpoints = (
        Endpoint(addresses=(server,), node_id=NODE, task_id=NO_TASK),
        Endpoint(addresses=(ASKER,), node_id=NODE, task_id=TASK),
    )
    network = PlaneNetwork(
        id=NETWORK, name="net", vni=4097, subnets=("127.0.53.0/24",), endpoints=endpoints
    )
    service = PlaneService(
        id=ServiceID("s"),
        name="web",
        networks=(ServiceNetwork(network_id=NETWORK, virtual_ips=("10.0.0.200",)),),
    )
    return DataPlane(node_id=NODE, networks=(network,), services=(service,))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((SERVER, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(
    written: Callable[[TaskID], Awaitable[None]],
    port: int,
    forward: Forward = forward,
    servers: Sequence[str] = (),
) -> AsyncIterator[Resolver]:
    resolver = Resolver(written, port=port, forward=forward, servers=servers)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(resolver.run())
        yield resolver
        task.cancel()


async def at_once(_: TaskID) -> None:
    return


async def ask(
    port: int, name: str, *, tcp: bool = False, source: str = ASKER, kind: str = "A"
) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    how = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    while True:
        try:
            return await how(query, SERVER, timeout=5, port=port, source=source)
        except ConnectionRefusedError:  # not yet bound
            await asyncio.sleep(0)


def addresses(message: dns.message.Message) -> list[str]:
    return [record.to_text() for answer in message.answer for record in answer]


async def test_a_service_is_found_by_udp_and_by_tcp() -> None:
    port = free_port()
    async with running(at_once, port) as resolver:
        resolver.follow(loopback_plane())
        assert addresses(await ask(port, "web", tcp=True)) == ["10.0.0.200"]
        assert addresses(await ask(port, "web")) == ["10.0.0.200"]


async def test_a_client_that_asks_for_both_families_still_gets_every_order() -> None:
    """A program's getaddrinfo sends A and AAAA together; with two tasks each would always meet the same one."""
    port = free_port()
    plane = loopback_plane()
    backends = tuple(
        Backend(addresses=(address,), node_id=NODE, task_id=TaskID(address))
        for address in ("10.0.0.1", "10.0.0.2")
    )
    part = ServiceNetwork(network_id=NETWORK, backends=backends)
    service = PlaneService(id=ServiceID("s"), name="web", networks=(part,))
    async with running(at_once, port) as resolver:
        resolver.follow(msgspec.structs.replace(plane, services=(service,)))
        await ask(port, "web", tcp=True)
        first = set()
        for _ in range(2):
            first.add(addresses(await ask(port, "web"))[0])
            await ask(port, "web", kind="AAAA")
        assert first == {"10.0.0.1", "10.0.0.2"}


async def test_an_unknown_name_and_an_unknown_asker_are_refused_at_once() -> None:
    port = free_port()
    async with running(at_once, port) as resolver:
        resolver.follow(loopback_plane())
        assert (await ask(port, "example.org", tcp=True)).rcode() == dns.rcode.REFUSED
        stranger = await ask(port, "web", source="127.0.53.66")
        assert stranger.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("tcp", [True, False])
async def test_a_foreign_name_is_asked_of_the_hosts_own_server_if_containers_do_not_reach_it(
    tcp: bool,
) -> None:
    """systemd-resolved listens on the host's 127.0.0.53 alone."""
    port, handed = free_port(), []

    async def answers(packet: bytes, servers: Sequence[str], is_tcp: bool) -> bytes:
        handed.append((tuple(servers), is_tcp))
        return _answer(packet, "192.0.2.80")

    async with running(at_once, port, answers, ["127.0.0.53"]) as resolver:
        resolver.follow(loopback_plane())
        assert addresses(await ask(port, "web", tcp=True)) == ["10.0.0.200"]
        assert addresses(await ask(port, "example.org", tcp=tcp)) == ["192.0.2.80"]
        stranger = await ask(port, "example.org", source="127.0.53.66")
        assert stranger.rcode() == dns.rcode.REFUSED
        assert handed == [(("127.0.0.53",), tcp)]


async def test_a_server_of_the_host_that_is_down_is_said_at_once() -> None:
    port = free_port()

    async def is_down(_: bytes, __: Sequence[str], ___: bool) -> None:
        return None

    async with running(at_once, port, is_down, ["127.0.0.53"]) as resolver:
        resolver.follow(loopback_plane())
        assert (await ask(port, "example.org", tcp=True)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("tcp", [True, False])
async def test_a_question_is_handed_on_as_it_came_to_the_first_server_that_answers(
    tcp: bool,
) -> None:
    query = dns.message.make_query("example.org", "A").to_wire()
    async with asyncio.timeout(20), _server(tcp=tcp) as port:
        assert await forward(query, ["127.0.53.2"], tcp, port=port) is None
        reply = await forward(query, ["127.0.53.2", SERVER], tcp, port=port)
    assert reply is not None
    assert addresses(dns.message.from_wire(reply)) == ["192.0.2.80"]


async def test_an_address_has_a_name() -> None:
    port = free_port()
    async with running(at_once, port) as resolver:
        resolver.follow(loopback_plane())
        found = await ask(port, "200.0.0.10.in-addr.arpa", kind="PTR", tcp=True)
        assert addresses(found) == ["web.net."]


async def test_the_first_answer_waits_for_the_vip_table() -> None:
    """A program that resolves a name in its first millisecond must be able to connect."""
    port, table = free_port(), asyncio.Event()

    async def written(_: TaskID) -> None:
        await table.wait()

    async with running(written, port) as resolver, asyncio.TaskGroup() as group:
        resolver.follow(loopback_plane())
        # A stranger's question is not held; its answer shows that the sockets are bound.
        await ask(port, "web", tcp=True, source="127.0.53.66")
        first = group.create_task(ask(port, "web"))
        await ask(port, "web", source="127.0.53.66")
        assert not first.done()
        table.set()
        assert addresses(await first) == ["10.0.0.200"]


async def test_a_table_that_is_never_written_holds_only_the_first_answer() -> None:
    port = free_port()
    held = []

    async def never(task_id: TaskID) -> None:
        held.append(task_id)
        await asyncio.Event().wait()

    async with running(never, port) as resolver:
        resolver.follow(loopback_plane())
        assert addresses(await ask(port, "web", tcp=True)) == ["10.0.0.200"]
        assert addresses(await ask(port, "web")) == ["10.0.0.200"]
        assert held == [TASK]


async def test_an_address_need_not_exist_to_be_bound() -> None:
    """The overlay's bridge is made at the same time, and made again when somebody removes it."""
    port = free_port()
    async with running(at_once, port) as resolver:
        plane = loopback_plane()
        network = plane.networks[0]
        absent = Endpoint(addresses=("203.0.113.53",), node_id=NODE)
        endpoints = (absent, *network.endpoints[1:])
        other = msgspec.structs.replace(
            network, id=NetworkID("absent"), endpoints=endpoints, vni=4098
        )
        resolver.follow(msgspec.structs.replace(plane, networks=(other, network)))
        assert addresses(await ask(port, "web", tcp=True)) == ["10.0.0.200"]


async def test_a_network_that_this_node_left_is_not_answered_for() -> None:
    port = free_port()
    async with running(at_once, port) as resolver:
        resolver.follow(loopback_plane())
        await ask(port, "web", tcp=True)
        resolver.follow(DataPlane(node_id=NODE))
        for _ in range(10):  # steps of the loop, each of which ends at once
            await asyncio.sleep(0)
        assert _is_free(port)


def _is_free(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((SERVER, port))
        except OSError:
            return False
    return True


def _answer(packet: bytes, address: str) -> bytes:
    """What a server elsewhere would say."""
    query = dns.message.from_wire(packet)
    reply = dns.message.make_response(query)
    name = query.question[0].name
    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
    return reply.to_wire()


@asynccontextmanager
async def _server(*, tcp: bool) -> AsyncIterator[int]:
    """A server that knows one address; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = _answer(await reader.readexactly(length), "192.0.2.80")
        writer.write(struct.pack("!H", len(reply)) + reply)
        writer.close()

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(b"noise", addr)
            self.transport.sendto(_answer(data, "192.0.2.80"), addr)

    if tcp:
        async with await asyncio.start_server(serve, SERVER, 0) as server:
            yield int(server.sockets[0].getsockname()[1])
        return
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=(SERVER, 0))
    try:
        yield int(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
