"""The TLS protocol under plain asyncio applications: half-close, cuts, pauses, aiohttp."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from swarmd.net.contexts import client_context, server_context
from swarmd.net.tls import TLSProtocol
from tests.unit.net.pki import credentials

SERVER = server_context(credentials("node-1", "manager"))
CLIENT = client_context(credentials("node-2", "worker"))


class Recorder(asyncio.Protocol):
    """Keeps what happened; goes on after the peer's end if `stays`."""

    def __init__(self, *, stays: bool = True) -> None:
        self.transport: asyncio.Transport
        self.received = b""
        self.stays = stays
        self.made = asyncio.Event()
        self.arrived = asyncio.Event()
        self.ended = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.made.set()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.arrived.set()

    def eof_received(self) -> bool:
        self.ended.set()
        return self.stays

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


@asynccontextmanager
async def pair(server: Recorder, client: Recorder) -> AsyncIterator[socket.socket]:
    """Both connected to each other; yields the client's socket, to do mischief with."""
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    wire = right.dup()
    await loop.connect_accepted_socket(
        lambda: TLSProtocol(SERVER, lambda: server, server_side=True), left
    )
    await loop.create_connection(
        lambda: TLSProtocol(CLIENT, lambda: client, server_side=False), sock=right
    )
    await server.made.wait()
    await client.made.wait()
    try:
        yield wire
    finally:
        wire.close()
        for side in (server, client):
            side.transport.abort()
            await side.lost


async def test_a_side_that_has_ended_still_gets_the_whole_answer() -> None:
    """`docker exec -i c sha256sum < file`: stdin ends, the answer comes after."""
    server, client = Recorder(), Recorder(stays=False)
    async with pair(server, client):
        question, answer = b"q" * 1_000_000, b"a" * 1_000_000
        client.transport.write(question)
        client.transport.write_eof()
        await server.ended.wait()
        assert server.received == question
        server.transport.write(answer)
        server.transport.close()
        assert await client.lost is None
        assert client.received == answer
        assert await server.lost is None


async def test_the_server_may_end_first() -> None:
    server, client = Recorder(), Recorder()
    async with pair(server, client):
        server.transport.write(b"hello")
        server.transport.write_eof()
        await client.ended.wait()
        client.transport.write(b"x" * 100_000)
        client.transport.close()
        await server.ended.wait()
        assert (client.received, len(server.received)) == (b"hello", 100_000)


async def test_after_its_end_a_side_writes_nothing_more() -> None:
    server, client = Recorder(), Recorder()
    async with pair(server, client):
        client.transport.write_eof()
        client.transport.write(b"too late")
        assert client.transport.is_closing()
        await server.ended.wait()
        assert server.received == b""


async def test_a_cut_is_not_an_end() -> None:
    """Whoever can send a FIN in the peer's name must not be able to shorten an answer."""
    server, client = Recorder(), Recorder()
    async with pair(server, client) as wire:
        client.transport.write(b"half of")
        wire.shutdown(socket.SHUT_WR)
        error = await server.lost
        assert isinstance(error, ConnectionResetError)
        assert "without close_notify" in str(error)
        assert server.received == b"half of"
        assert not server.ended.is_set()


async def test_a_paused_application_gets_nothing_until_it_resumes() -> None:
    server, client = Recorder(), Recorder()
    async with pair(server, client):
        server.transport.pause_reading()
        client.transport.write(b"x" * 500_000)
        for _ in range(100):
            await asyncio.sleep(0)
        assert server.received == b""
        server.transport.resume_reading()
        client.transport.write_eof()
        await server.ended.wait()
        assert len(server.received) == 500_000


class PausesAtOnce(Recorder):
    """Takes one record, then pauses."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.pause_reading()


async def test_ending_while_received_data_are_unread_loses_none_of_them() -> None:
    """OpenSSL's shutdown fails for good if it meets data: it has to wait for the reader."""
    server, client = PausesAtOnce(), Recorder(stays=False)
    async with pair(server, client):
        client.transport.write(b"x" * 200_000)
        await server.arrived.wait()
        server.transport.write(b"bye")
        server.transport.write_eof()
        while len(server.received) < 200_000:
            server.transport.resume_reading()
            await asyncio.sleep(0)
        assert await client.lost is None
        assert client.received == b"bye"


async def test_the_transport_answers_asyncios_questions() -> None:
    server, client = Recorder(), Recorder()
    async with pair(server, client):
        assert server.transport.get_extra_info("cipher")[1] == "TLSv1.3"
        assert server.transport.get_extra_info("sslcontext") is SERVER
        assert dict(server.transport.get_extra_info("peercert"))["version"] == 3
        assert server.transport.get_extra_info("no such thing", 7) == 7
        assert server.transport.can_write_eof()
        assert server.transport.is_reading()
        server.transport.set_write_buffer_limits(high=4000, low=1000)
        assert server.transport.get_write_buffer_limits() == (1000, 4000)
        replacement = Recorder()
        server.transport.set_protocol(replacement)
        assert server.transport.get_protocol() is replacement
        client.transport.writelines([b"a", b"b"])
        await replacement.arrived.wait()
        assert replacement.received == b"ab"
        server.transport.set_protocol(server)


async def test_a_peer_that_reads_nothing_cannot_hold_a_closed_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swarmd.net.tls.SHUTDOWN_TIMEOUT_S", 0.05)
    server, client = Recorder(), Recorder()
    async with pair(server, client):
        client.transport.pause_reading()
        server.transport.write(b"x" * 10_000_000)
        server.transport.close()
        await server.lost


async def test_an_end_within_the_handshake_is_reported_once() -> None:
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[ConnectionError] = loop.create_future()
    left, right = socket.socketpair()
    await loop.create_connection(
        lambda: TLSProtocol(CLIENT, Recorder, server_side=False, failed=failed.set_result),
        sock=left,
    )
    right.close()
    assert isinstance(await failed, ConnectionError)


async def test_a_reset_within_the_handshake_is_a_connection_error() -> None:
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[ConnectionError] = loop.create_future()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        await loop.create_connection(
            lambda: TLSProtocol(CLIENT, Recorder, server_side=False, failed=failed.set_result),
            *listening.getsockname(),
        )
        accepted, _ = listening.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        assert isinstance(await failed, ConnectionError)


async def upload(request: web.BaseRequest) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def test_aiohttps_server_works_above_it() -> None:
    """The API's TLS socket is aiohttp's `web.Server` under this protocol, unchanged."""
    loop = asyncio.get_running_loop()
    application = web.Server(upload)
    factory: Callable[[], asyncio.BaseProtocol] = application
    server = await loop.create_server(
        lambda: TLSProtocol(SERVER, factory, server_side=True), "127.0.0.1", 0
    )
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=CLIENT)) as session:
        for size in (10, 900_000):
            async with session.post(url, data=b"x" * size) as response:
                assert await response.text() == str(size)
    server.close()
    await application.shutdown()
