"""Caller and server on one connection: answers, refusals, streams, ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest

from swarmd.errors import (
    InvalidArgumentError,
    NotFoundError,
    NotPermittedError,
    OutcomeUnknownError,
    SwarmError,
    UnavailableError,
    UnsupportedError,
)
from swarmd.net import serve as serving
from swarmd.net.caller import RpcConnection
from swarmd.net.rpc import STREAM_WINDOW_BYTES
from swarmd.net.serve import Handler, serve
from swarmd.net.streams import TLSNetwork
from swarmd.ports import Address, Connection, Peer
from tests.unit.net.pipe import Pipe, pipe
from tests.unit.net.pki import credentials

WORKER = Peer(node_id="node-2", role="worker")


def anybody(method: str, peer: Peer) -> None:
    """Permit."""


@asynccontextmanager
async def session(
    handlers: Mapping[str, Handler], permit: Callable[[str, Peer], None] = anybody
) -> AsyncIterator[tuple[RpcConnection, Pipe]]:
    """A caller, and the server's end of its connection."""
    near, far = pipe(client=WORKER, server=Peer(node_id="node-1", role="manager"))
    async with asyncio.TaskGroup() as group:
        server = group.create_task(serve(far, handlers.get, permit))
        async with RpcConnection(near) as rpc:
            yield rpc, far
        await server


class Desk:
    """Handlers that remember, and wait until told."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()

    async def echo(self, peer: Peer, payload: bytes) -> bytes:
        return peer.node_id.encode() + b":" + payload

    async def note(self, _peer: Peer, payload: bytes) -> bytes:
        self.seen.append(payload)
        return b""

    async def wait(self, _peer: Peer, payload: bytes) -> bytes:
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return payload

    async def refuse(self, _peer: Peer, payload: bytes) -> bytes:
        raise NotFoundError("service", payload.decode())

    async def break_down(self, _peer: Peer, _payload: bytes) -> bytes:
        raise ZeroDivisionError

    async def count(self, _peer: Peer, payload: bytes) -> AsyncGenerator[bytes, None]:
        for index in range(int(payload)):
            yield str(index).encode()

    async def pour(self, _peer: Peer, _payload: bytes) -> AsyncGenerator[bytes, None]:
        """A megabyte in many items, for ever."""
        try:
            while True:
                self.seen.append(b"")
                yield bytes(64 * 1024)
        finally:
            self.cancelled += 1

    async def count_then_refuse(self, _peer: Peer, _payload: bytes) -> AsyncGenerator[bytes, None]:
        yield b"0"
        raise NotFoundError("task", "t1")

    def handlers(self) -> Mapping[str, Handler]:
        names = "echo note wait refuse break_down count pour count_then_refuse"
        return {name: getattr(self, name) for name in names.split()}


async def test_a_call_gets_its_answer_and_the_handler_knows_who_asked() -> None:
    async with session(Desk().handlers()) as (rpc, _):
        assert await rpc.call("echo", b"hi", timeout_s=5) == b"node-2:hi"
        assert rpc.peer.node_id == "node-1"


async def test_many_calls_share_the_connection_and_finish_in_any_order() -> None:
    """A heartbeat does not wait behind a slow write."""
    desk = Desk()
    async with session(desk.handlers()) as (rpc, _), asyncio.TaskGroup() as group:
        slow = group.create_task(rpc.call("wait", b"slow", timeout_s=5))
        await desk.began.wait()
        for index in range(50):
            assert (await rpc.call("echo", b"%d" % index, timeout_s=5)).endswith(b"%d" % index)
        assert not slow.done()
        desk.go_on.set()
        assert await slow == b"slow"


@pytest.mark.parametrize(
    ("method", "kind", "words"),
    [
        ("refuse", NotFoundError, "service web not found"),
        ("break_down", SwarmError, "internal error in break_down"),
        ("no.such", UnsupportedError, "does not answer no.such"),
        ("count", InvalidArgumentError, "answers with a stream"),
    ],
)
async def test_a_refusal_is_raised_at_the_caller(
    method: str, kind: type[SwarmError], words: str
) -> None:
    async with session(Desk().handlers()) as (rpc, _):
        with pytest.raises(kind, match=words) as caught:
            await rpc.call(method, b"web", timeout_s=5)
        assert type(caught.value) is kind
        assert await rpc.call("echo", b"", timeout_s=5) == b"node-2:"


async def test_no_handler_runs_that_was_not_permitted() -> None:
    """A worker calls what only managers may."""

    def managers_only(method: str, peer: Peer) -> None:
        if peer.role != "manager":
            raise NotPermittedError(f"{peer.role} may not call {method}")

    desk = Desk()
    async with session(desk.handlers(), managers_only) as (rpc, _):
        for method in ("note", "no.such"):
            with pytest.raises(NotPermittedError, match=f"worker may not call {method}"):
                await rpc.call(method, b"", timeout_s=5)
        with pytest.raises(NotPermittedError):
            [item async for item in rpc.stream("count", b"1")]
    assert desk.seen == []


async def test_a_stream_ends_after_its_items() -> None:
    async with session(Desk().handlers()) as (rpc, _):
        assert [item async for item in rpc.stream("count", b"3")] == [b"0", b"1", b"2"]
        assert [item async for item in rpc.stream("count", b"0")] == []


async def test_a_streams_error_comes_after_its_items() -> None:
    async with session(Desk().handlers()) as (rpc, _):
        items = rpc.stream("count_then_refuse", b"")
        assert await anext(items) == b"0"
        with pytest.raises(NotFoundError, match="task t1 not found"):
            await anext(items)
        with pytest.raises(InvalidArgumentError, match="answers once"):
            [item async for item in rpc.stream("note", b"")]


async def test_a_stream_whose_reader_is_slow_waits_and_delays_nobody() -> None:
    """Somebody pipes `service logs -f` into a pager."""
    desk = Desk()
    async with session(desk.handlers()) as (rpc, _), aclosing(rpc.stream("pour", b"")) as items:
        await anext(items)
        for _ in range(500):
            await rpc.call("echo", b"", timeout_s=5)
        most = STREAM_WINDOW_BYTES // (64 * 1024) + 2
        assert len(desk.seen) <= most
        for _ in range(100):
            await anext(items)
        assert 100 < len(desk.seen) <= 100 + most
    assert desk.cancelled == 1


async def test_a_stream_that_is_left_early_ends_its_handler() -> None:
    desk = Desk()
    async with session(desk.handlers()) as (rpc, _):
        async with aclosing(rpc.stream("pour", b"")) as items:
            await anext(items)
        await rpc.call("echo", b"", timeout_s=5)
        await rpc.call("echo", b"", timeout_s=5)
        assert desk.cancelled == 1


@pytest.mark.parametrize(
    ("is_write", "kind"), [(False, UnavailableError), (True, OutcomeUnknownError)]
)
async def test_a_call_without_an_answer_is_given_up_and_cancelled_there(
    *, is_write: bool, kind: type[SwarmError]
) -> None:
    desk = Desk()
    async with session(desk.handlers()) as (rpc, _):
        with pytest.raises(kind, match="no answer to wait: none within") as caught:
            await rpc.call("wait", b"", timeout_s=0.01, is_write=is_write)
        assert type(caught.value) is kind
        await rpc.call("echo", b"", timeout_s=5)
        assert desk.cancelled == 1


async def test_a_cancelled_caller_cancels_the_handler() -> None:
    desk = Desk()
    async with session(desk.handlers()) as (rpc, _), asyncio.TaskGroup() as group:
        call = group.create_task(rpc.call("wait", b"", timeout_s=5))
        await desk.began.wait()
        call.cancel()
        await asyncio.wait([call])
        await rpc.call("echo", b"", timeout_s=5)
        assert desk.cancelled == 1


async def outcome(call: Awaitable[bytes]) -> str:
    """Name of the class and sentence of what `call` raises."""
    try:
        await call
    except SwarmError as error:
        return f"{type(error).__name__}: {error}"
    return "an answer"


async def items_until_outcome(items: AsyncIterator[bytes]) -> str:
    try:
        async for _ in items:
            pass
    except SwarmError as error:
        return f"{type(error).__name__}: {error}"
    return "the end"


async def test_a_lost_connection_ends_every_call_and_every_handler() -> None:
    """The leader is killed: of a write nobody knows whether it happened."""
    desk = Desk()
    async with session(desk.handlers()) as (rpc, far):
        async with asyncio.TaskGroup() as group:
            read = group.create_task(outcome(rpc.call("wait", b"", timeout_s=5)))
            write = group.create_task(outcome(rpc.call("wait", b"", timeout_s=5, is_write=True)))
            stream = group.create_task(items_until_outcome(rpc.stream("wait_stream", b"")))
            await desk.began.wait()
            await asyncio.sleep(0)
            far.close()
        reason = "the peer closed the connection"
        assert read.result() == f"UnavailableError: no answer to wait: {reason}"
        assert write.result() == f"OutcomeUnknownError: no answer to wait: {reason}"
        assert stream.result().startswith("Un")
        assert not rpc.is_open
        assert await outcome(rpc.call("echo", b"", timeout_s=5, is_write=True)) == (
            f"UnavailableError: {reason}"
        )
    assert desk.cancelled == 2


async def test_a_flood_of_calls_is_refused_not_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_CALLS", 3)
    desk = Desk()
    async with session(desk.handlers()) as (rpc, _), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(rpc.call("wait", b"", timeout_s=5))
        await desk.began.wait()
        with pytest.raises(UnavailableError, match="3 calls are open"):
            await rpc.call("echo", b"", timeout_s=5)
        desk.go_on.set()


@pytest.mark.parametrize("frame", [b"GET / HTTP/1.1", b"\x95\x01\x01", b""])
async def test_a_peer_that_speaks_otherwise_loses_its_connection(frame: bytes) -> None:
    async with session(Desk().handlers()) as (rpc, far):
        far.other.send(frame)
        assert (await outcome(rpc.call("wait", b"", timeout_s=5))).startswith("UnavailableError")
        assert far.is_closed


async def test_an_answer_that_nobody_can_read_ends_the_connection() -> None:
    async with session(Desk().handlers()) as (rpc, far):
        far.send(b"\xc1")
        result = await outcome(rpc.call("wait", b"", timeout_s=5))
        assert result.startswith("UnavailableError: no answer to wait: not an answer")


async def test_it_works_over_tls_too() -> None:
    desk = Desk()

    async def accept(connection: Connection) -> None:
        await serve(connection, desk.handlers().get, anybody)

    network = TLSNetwork()
    manager, worker = credentials("node-1", "manager"), credentials("node-2", "worker")
    listener = await network.listen(Address("127.0.0.1:0"), lambda: manager, accept)
    address = Address(f"127.0.0.1:{listener.port}")
    async with RpcConnection(await network.connect(address, worker)) as rpc:
        assert (
            await rpc.call("echo", b"x" * 2_000_000, timeout_s=5) == b"node-2:" + b"x" * 2_000_000
        )
        assert len([item async for item in rpc.stream("count", b"1000")]) == 1000
    listener.close()
