"""The calling end of RPC on one Connection.

    async with RpcConnection(connection) as rpc:
        answer = await rpc.call("node.heartbeat", payload, timeout_s=5)

One task reads the connection and hands answers out; it lives as long as the `async with` (or
`run()`, for an owner that has a TaskGroup of its own).  When the connection ends every open call
fails, and so does every later one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self, assert_never

from swarmd.errors import OutcomeUnknownError, UnavailableError, WireError
from swarmd.net.rpc import (
    Answer,
    Calls,
    End,
    Error,
    Item,
    Reading,
    Reply,
    decode_answer,
    encode,
    raised_by,
)
from swarmd.ports import Connection, Peer, Seconds

#: How a call ends: an answer, or why there will be none.
Outcome = Reply | Error | str


class RpcConnection:
    """Calls over `connection`, which it owns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._calls = Calls()
        #: id → who waits for the outcome
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        #: id → what a stream's reader has not taken yet
        self._streams: dict[int, _Stream] = {}
        #: why nothing can be called any more
        self._ended: str | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def peer(self) -> Peer:
        """Who answers."""
        return self._connection.peer

    @property
    def is_open(self) -> bool:
        """False once the connection has ended: another is needed."""
        return self._ended is None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.get_running_loop().create_task(self.run())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._reader is not None
        self.close()
        self._reader.cancel()
        await asyncio.wait([self._reader])
        if not self._reader.cancelled():
            self._reader.result()

    async def run(self) -> None:
        """Hand out answers until the connection ends; whatever ends it, all calls fail."""
        reason = "the connection was given up"
        try:
            while True:
                answer = decode_answer(await self._connection.receive())
                if self._calls.answered(answer):
                    self._hand_out(answer)
        except (ConnectionError, WireError) as error:
            reason = str(error)
        finally:
            self._connection.close()
            self._end(reason)

    def close(self) -> None:
        """Idempotent; open calls fail."""
        self._connection.close()
        self._end("the connection was closed at this end")

    async def call(
        self, method: str, payload: bytes, *, timeout_s: Seconds | None, is_write: bool = False
    ) -> bytes:
        """The answer; without a time it is waited for as long as the connection lives.

        Raises what the handler raised.  Without an answer it raises UnavailableError; for a write
        OutcomeUnknownError, if the request may have arrived.  A call that is given up or cancelled
        is cancelled there too.
        """
        self._check_open()
        call = self._calls.begin(method, payload, is_stream=False)
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = waiter
        self._connection.send(encode(call))
        try:
            async with asyncio.timeout(timeout_s):
                outcome = await waiter
        except TimeoutError:
            outcome = f"none within {timeout_s} s"
        finally:
            del self._waiting[call.id]
            self._forget(call.id)
        match outcome:
            case Reply(payload=payload):
                return payload
            case Error():
                raise raised_by(outcome)
            case reason:
                raise _no_answer(method, reason, is_write=is_write)

    async def stream(self, method: str, payload: bytes) -> AsyncGenerator[bytes, None]:
        """The items, until the handler ends.  Raises what it raised, or UnavailableError.

        Closing the generator early (`contextlib.aclosing`) cancels the handler.
        """
        self._check_open()
        call = self._calls.begin(method, payload, is_stream=True)
        stream = self._streams[call.id] = _Stream()
        reading = Reading(call.id)
        self._connection.send(encode(call))
        try:
            while isinstance(item := await stream.next(), bytes):
                yield item
                if (credit := reading.taken(len(item))) is not None:
                    self._connection.send(encode(credit))
        finally:
            del self._streams[call.id]
            self._forget(call.id)
        match item:
            case End():
                return
            case Error():
                raise raised_by(item)
            case reason:
                raise _no_answer(method, reason, is_write=False)

    def _check_open(self) -> None:
        if self._ended is not None:
            raise UnavailableError(self._ended)

    def _hand_out(self, answer: Answer) -> None:
        waiter, stream = self._waiting.get(answer.id), self._streams.get(answer.id)
        match answer:
            case Item(payload=payload):
                assert stream is not None
                stream.add(payload)
            case End():
                assert stream is not None
                stream.end(answer)
            case Error() if stream is not None:
                stream.end(answer)
            case Reply() | Error():
                assert waiter is not None
                if not waiter.done():
                    waiter.set_result(answer)
            case _:
                assert_never(answer)

    def _forget(self, call_id: int) -> None:
        cancel = self._calls.cancel(call_id)
        if cancel is not None and self._ended is None:
            self._connection.send(encode(cancel))

    def _end(self, reason: str) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_result(reason)
        for stream in self._streams.values():
            stream.end(reason)


class _Stream:
    """What came for one stream and was not read yet; bounded by the credit that was given."""

    def __init__(self) -> None:
        self._items: deque[bytes] = deque()
        #: how it ended: well, with the handler's error, or for a reason that is no answer
        self._ended: End | Error | str | None = None
        self._news = asyncio.Event()

    def add(self, item: bytes) -> None:
        self._items.append(item)
        self._news.set()

    def end(self, how: End | Error | str) -> None:
        if self._ended is None:
            self._ended = how
            self._news.set()

    async def next(self) -> bytes | End | Error | str:
        """The next item, or how the stream ended."""
        while not self._items:
            if self._ended is not None:
                return self._ended
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()


def _no_answer(method: str, reason: str, *, is_write: bool) -> UnavailableError:
    kind = OutcomeUnknownError if is_write else UnavailableError
    return kind(f"no answer to {method}: {reason}")
