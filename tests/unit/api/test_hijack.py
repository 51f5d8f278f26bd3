"""Connections that turn into raw streams, byte for byte, with an engine that is a bare socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.api.parts import Swarm, serving

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
RAW = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
MEGABYTES = bytes(range(256)) * 4096 * 4


class Ends(NamedTuple):
    """The two ends of a spliced connection."""

    client: Streams
    engine: Streams


@contextlib.asynccontextmanager
async def engine_socket(path: Path) -> AsyncIterator["asyncio.Queue[Streams]"]:
    """Connections to a bare engine, after it has told its version on those that ask for it."""
    taken: asyncio.Queue[Streams] = asyncio.Queue()
    open_writers = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/_ping" in head or b"/version" in head:
            said = b"Server: Docker/28\r\nApi-Version: 1.51\r\nContent-Length: 2\r\n\r\n{}"
            writer.write(b"HTTP/1.1 200 OK\r\n" + said)
            writer.close()
        else:
            # The head is put back, for the test to read.
            reader._buffer[:0] = head  # type: ignore[attr-defined] # asyncio has no unread
            taken.put_nowait((reader, writer))

    server = await asyncio.start_unix_server(take, str(path), limit=2**20)
    try:
        yield taken
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


@pytest.fixture
async def connect(tmp_path: Path) -> AsyncIterator[Callable[[bytes], Awaitable[Ends]]]:
    """Send a request to the API; both ends of what comes of it."""
    api = tmp_path / "api.sock"
    engine = tmp_path / "engine.sock"
    writers: list[asyncio.StreamWriter] = []
    async with engine_socket(engine) as taken, serving(str(engine), [f"unix://{api}"], Swarm()):

        async def connect(request: bytes) -> Ends:
            client = await asyncio.open_unix_connection(str(api))
            client[1].write(request)
            other = await taken.get()
            writers.extend((client[1], other[1]))
            return Ends(client, other)

        async with asyncio.timeout(30):
            yield connect
        for writer in writers:
            writer.close()


Connect = Callable[[bytes], Awaitable[Ends]]
ATTACH = b"POST /v1.43/containers/c/attach?stream=1 HTTP/1.1\r\nHost: d\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
EXEC = (
    b"POST /v1.43/exec/e/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
    b"Content-Length: 13\r\n"
)


@pytest.mark.parametrize(
    ("request_bytes", "answer", "body"),
    [
        (ATTACH + UPGRADE, UPGRADED, b""),
        (ATTACH + b"\r\n", RAW, b""),
        (EXEC + UPGRADE + b'{"Tty":false}', UPGRADED, b'{"Tty":false}'),
        (EXEC + b"\r\n" + b'{"Tty":false}', RAW, b'{"Tty":false}'),
    ],
    ids=["attach upgraded", "attach raw", "exec upgraded", "exec raw"],
)
async def test_a_request_is_spliced_with_or_without_upgrade_with_or_without_body(
    request_bytes: bytes, answer: bytes, body: bytes, connect: Connect
) -> None:
    ends = await connect(request_bytes)
    head = await ends.engine[0].readuntil(b"\r\n\r\n")
    assert head.startswith(request_bytes.split(b"\r\n")[0])
    # An engine that refuses must not keep the connection for a next request that passes us by.
    assert (b"Connection: Upgrade, close" in head) or (b"Connection: close" in head)
    assert (b"Upgrade: tcp" in head) == (b"Upgrade: tcp" in request_bytes)
    assert await ends.engine[0].readexactly(len(body)) == body
    ends.engine[1].write(answer + b"hello")
    assert await ends.client[0].readexactly(len(answer) + 5) == answer + b"hello"
    ends.client[1].write(b"typed")
    assert await ends.engine[0].readexactly(5) == b"typed"


async def test_each_direction_ends_by_itself(connect: Connect) -> None:
    """`echo x | docker exec -i c cat`: the input has ended, the output has not begun."""
    ends = await connect(ATTACH + UPGRADE)
    await ends.engine[0].readuntil(b"\r\n\r\n")
    ends.engine[1].write(UPGRADED)
    await ends.client[0].readexactly(len(UPGRADED))
    ends.client[1].write(b"all of it")
    ends.client[1].write_eof()
    assert await ends.engine[0].read() == b"all of it"
    ends.engine[1].write(b"the answer")
    ends.engine[1].write_eof()
    assert await ends.client[0].read() == b"the answer"


async def test_what_the_engine_said_last_reaches_the_client_before_the_end(
    connect: Connect,
) -> None:
    ends = await connect(ATTACH + UPGRADE)
    await ends.engine[0].readuntil(b"\r\n\r\n")
    ends.engine[1].write(UPGRADED + MEGABYTES)
    ends.engine[1].close()
    assert await ends.client[0].read() == UPGRADED + MEGABYTES


async def test_a_client_that_is_gone_ends_the_engines_side(connect: Connect) -> None:
    """The terminal window was closed."""
    ends = await connect(ATTACH + UPGRADE)
    await ends.engine[0].readuntil(b"\r\n\r\n")
    ends.client[1].transport.abort()
    assert await ends.engine[0].read() == b""


async def test_a_slow_reader_holds_the_other_end_back(connect: Connect) -> None:
    """`docker export | slow`: the bytes wait in the engine, not in swarmd's memory."""
    ends = await connect(ATTACH + UPGRADE)
    await ends.engine[0].readuntil(b"\r\n\r\n")
    ends.client[1].write(MEGABYTES * 4)
    for _ in range(1000):  # rounds of the loop: enough to take all of it many times over
        await asyncio.sleep(0)
    assert ends.client[1].transport.get_write_buffer_size() > len(MEGABYTES) * 2
    assert await ends.engine[0].readexactly(len(MEGABYTES) * 4) == MEGABYTES * 4
