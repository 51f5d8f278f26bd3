"""Real sockets on loopback: who gets in, who is told what, and what a connection carries."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from swarmd.ca.crypto import X509Crypto
from swarmd.net import streams, tls
from swarmd.net.frames import MAX_FRAME_BYTES
from swarmd.net.streams import TLSNetwork
from swarmd.ports import Address, Connection, Credentials, Peer
from tests.unit.net.pki import HOUR, anonymous, credentials

MANAGER = credentials("node-1", "manager")
WORKER = credentials("node-2", "worker")


@asynccontextmanager
async def serving(
    accept: Callable[[Connection], Awaitable[None]],
    shown: Callable[[], Credentials] = lambda: MANAGER,
) -> AsyncIterator[Address]:
    listener = await TLSNetwork().listen(Address("127.0.0.1:0"), shown, accept)
    try:
        yield Address(f"127.0.0.1:{listener.port}")
    finally:
        listener.close()


async def introduce(connection: Connection) -> None:
    """Tell the client who it is."""
    peer = connection.peer
    connection.send(f"{peer.node_id} {peer.role} {peer.cluster_id} {peer.host}".encode())


async def echo(connection: Connection) -> None:
    while True:
        connection.send(await connection.receive())
        await connection.drain()


async def test_both_ends_know_each_other_by_certificate() -> None:
    async with serving(introduce) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        assert await connection.receive() == b"node-2 worker cluster 127.0.0.1"
        facts = X509Crypto().facts(MANAGER.certificate)
        assert connection.peer == Peer(
            node_id="node-1",
            role="manager",
            cluster_id="cluster",
            serial=facts.serial,
            expires_at=facts.not_after,
            host="127.0.0.1",
        )
        connection.close()


async def test_a_client_without_a_certificate_gets_in_and_is_nobody() -> None:
    """A node that wants to join has none yet."""
    async with serving(introduce) as address:
        connection = await TLSNetwork().connect(address, anonymous())
        assert await connection.receive() == b"   127.0.0.1"
        connection.close()


async def test_without_roots_any_server_is_taken_and_is_nobody() -> None:
    """A joining node reads the root over such a connection and compares it with its token."""
    async with serving(introduce) as address:
        connection = await TLSNetwork().connect(address, Credentials())
        await connection.receive()
        assert connection.peer == Peer(host="127.0.0.1")
        connection.close()


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (credentials("node-2", "worker", cluster_id="other"), "unknown ca"),
        (credentials("node-3", "worker", life=-HOUR), "certificate expired"),
    ],
)
async def test_a_refused_client_learns_why_at_its_first_read(
    shown: Credentials, words: str
) -> None:
    """A node of another cluster, or one that slept through its renewal."""
    async with serving(echo) as address:
        mine = Credentials(
            certificate=shown.certificate, key=shown.key, trusted=anonymous().trusted
        )
        connection = await TLSNetwork().connect(address, mine)
        with pytest.raises(ConnectionError, match=f"refused this client's certificate.*{words}"):
            await connection.receive()


async def test_a_server_of_another_root_is_refused_with_its_address() -> None:
    async with serving(echo) as address:
        with pytest.raises(ConnectionError, match=f"{address}: the peer's certificate is not acc"):
            await TLSNetwork().connect(address, credentials("n", "worker", cluster_id="other"))


async def test_nobody_listening_is_named_with_the_address() -> None:
    async with serving(echo) as address:
        pass
    with pytest.raises(ConnectionRefusedError, match=f"{address}: Connection refused"):
        await TLSNetwork().connect(address, WORKER)


async def test_a_silent_server_does_not_hold_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else listens there, or a process that was stopped."""
    monkeypatch.setattr(streams, "CONNECT_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = Address(f"127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(ConnectionError, match=f"{address}: no answer within"):
            await TLSNetwork().connect(address, WORKER)


async def test_a_silent_client_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port scanner opens a connection and says nothing."""
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT_S", 0.05)
    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", address.rpartition(":")[2])
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_speaks_no_tls_is_dropped() -> None:
    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", address.rpartition(":")[2])
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert len(await reader.read()) < 64
        writer.close()


async def test_a_renewed_certificate_is_shown_at_the_next_handshake() -> None:
    shown = [MANAGER]
    async with serving(introduce, lambda: shown[-1]) as address:
        first = await TLSNetwork().connect(address, WORKER)
        shown.append(credentials("node-1b", "manager"))
        second = await TLSNetwork().connect(address, WORKER)
        assert (first.peer.node_id, second.peer.node_id) == ("node-1", "node-1b")
        first.close()
        second.close()


async def test_frames_of_any_size_go_round() -> None:
    async with serving(echo) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        for size in (0, 1, 16 * 1024, 16 * 1024 + 1, 3_000_000, MAX_FRAME_BYTES):
            frame = bytes([size % 251]) * size
            connection.send(frame)
            assert await connection.receive() == frame
        connection.close()


async def test_what_was_queued_before_a_close_still_arrives() -> None:
    async def burst(connection: Connection) -> None:
        for index in range(200):
            connection.send(bytes([index]) * 10_000)

    async with serving(burst) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        for index in range(200):
            assert await connection.receive() == bytes([index]) * 10_000
        with pytest.raises(ConnectionError, match="closed"):
            await connection.receive()


async def test_a_slow_reader_stops_the_sender() -> None:
    """Memory is bounded at both ends: unread frames stay in the kernels and with the sender."""
    frames = 400
    sent = []

    async def burst(connection: Connection) -> None:
        for index in range(frames):
            await connection.drain()
            connection.send(index.to_bytes(2, "big") * 25_000)
            sent.append(index)
        await connection.receive()

    async with serving(burst) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        assert len(await settled(sent)) < frames
        for index in range(frames):
            assert (await connection.receive())[:2] == index.to_bytes(2, "big")
        connection.close()


async def settled(items: list[int]) -> list[int]:
    """The items once none was added for many rounds of the loop."""
    count, quiet = -1, 0
    while quiet < 50:
        quiet = quiet + 1 if len(items) == count else 0
        count = len(items)
        await asyncio.sleep(0.001)
    return list(items)


async def test_frames_of_one_step_leave_as_one_write() -> None:
    """An answer and the news beside it: each record and system call costs more than its bytes."""
    async with serving(introduce) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        written: list[int] = []
        transport = connection._tls_transport
        assert isinstance(transport, tls.TLSTransport)
        write = transport._protocol.write

        def counted(data: bytes | bytearray | memoryview) -> None:
            written.append(len(data))
            write(data)

        transport._protocol.write = counted  # type: ignore[method-assign]  # to look over its shoulder
        for _ in range(3):
            connection.send(b"12345678")
        assert (written, connection.pending_bytes()) == ([], 24)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert written == [3 * 12]
        connection.send(bytes(streams.MOST_GATHERED_BYTES))
        assert len(written) == 2
        connection.close()


async def test_both_ends_notice_a_peer_that_lost_its_power() -> None:
    """Nothing is said then: the kernel has to ask, and to give up what is not acknowledged."""

    async def describe(connection: Connection) -> None:
        assert isinstance(connection, streams.StreamConnection)
        connection.send(",".join(map(str, watching(connection))).encode())

    async with serving(describe) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        assert watching(connection) == [1, 4, 1, 4, 8000]
        assert await connection.receive() == b"1,4,1,4,8000"
        connection.close()


def watching(connection: streams.StreamConnection) -> list[int]:
    """Whether, after how long, how often, how many times it probes; when it gives up its bytes."""
    stream = connection._tls_transport.get_extra_info("socket")
    return [stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)] + [
        stream.getsockopt(socket.IPPROTO_TCP, option)
        for option in (
            socket.TCP_KEEPIDLE,
            socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT,
            socket.TCP_USER_TIMEOUT,
        )
    ]


async def test_closing_ends_a_waiting_receive_and_drain_at_this_end() -> None:
    async with serving(echo) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(expect_end(connection))
            await asyncio.sleep(0)
            connection.close()
        assert waiting.result() == "the connection was closed at this end"
        with pytest.raises(ConnectionError):
            await connection.drain()
        connection.send(b"lost silently")
        connection.close()


async def expect_end(connection: Connection) -> str:
    with pytest.raises(ConnectionError) as caught:
        await connection.receive()
    return str(caught.value)


async def test_a_frame_too_long_ends_the_connection_of_who_announced_it() -> None:
    async def announce(connection: Connection) -> None:
        assert isinstance(connection, streams.StreamConnection)
        connection._tls_transport.write(b"\xff\xff\xff\xff")
        await connection.receive()

    async with serving(announce) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        with pytest.raises(ConnectionError, match="4294967295 bytes was announced"):
            await connection.receive()


async def test_a_stranger_may_not_fill_the_memory_with_half_a_frame() -> None:
    """Whoever reaches the port may speak TLS; a join takes a kilobyte."""
    async with serving(echo) as address:
        connection = await TLSNetwork().connect(address, anonymous())
        connection.send(bytes(streams.STRANGER_FRAME_BYTES))
        assert await connection.receive() == bytes(streams.STRANGER_FRAME_BYTES)
        connection.send(bytes(streams.STRANGER_FRAME_BYTES + 1))
        with pytest.raises(ConnectionError):
            await connection.receive()


async def test_closing_the_listener_ends_what_it_accepted() -> None:
    async with serving(echo) as address:
        connection = await TLSNetwork().connect(address, WORKER)
        connection.send(b"x")
        assert await connection.receive() == b"x"
    with pytest.raises(ConnectionError, match="closed"):
        await connection.receive()


async def test_what_fails_in_one_connection_is_logged_and_ends_only_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(connection: Connection) -> None:
        if await connection.receive() == b"bad":
            raise ValueError("a bug")
        connection.send(b"good")

    async with serving(fail) as address:
        bad, good = [await TLSNetwork().connect(address, WORKER) for _ in range(2)]
        bad.send(b"bad")
        with pytest.raises(ConnectionError):
            await bad.receive()
        good.send(b"good")
        assert await good.receive() == b"good"
    assert "a bug" in caplog.text


async def test_datagrams_go_both_ways_and_bad_addresses_are_skipped() -> None:
    network = TLSNetwork()
    inbox: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()

    def receive(data: bytes, origin: Address) -> None:
        inbox.put_nowait((data, origin))

    left = await network.open_datagrams(Address("127.0.0.1:0"), receive)
    right = await network.open_datagrams(Address("127.0.0.1:0"), receive)
    left.send(b"nowhere", Address("no address"))
    left.send(b"ping", Address(f"127.0.0.1:{right.port}"))
    data, origin = await inbox.get()
    assert (data, origin) == (b"ping", f"127.0.0.1:{left.port}")
    right.send(b"ack", origin)
    assert (await inbox.get())[0] == b"ack"
    left.close()
    right.close()
    left.send(b"late", origin)


async def test_a_port_in_use_is_an_oserror() -> None:
    async with serving(echo) as address:
        with pytest.raises(OSError, match="in use"):
            await TLSNetwork().listen(address, lambda: MANAGER, echo)
