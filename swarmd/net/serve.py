"""The answering end of RPC on one Connection.

A handler is a coroutine function (one answer) or an async generator function (a stream).  Each call
runs in a task of its own, within `serve`; each is permitted or refused by `permit` first, so that
no handler can be reached that nobody thought about.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing

from swarmd.errors import (
    InvalidArgumentError,
    SwarmError,
    UnavailableError,
    UnsupportedError,
    WireError,
)
from swarmd.net.rpc import (
    Call,
    Cancel,
    Credit,
    End,
    Item,
    Reply,
    Window,
    check_payload,
    decode_question,
    encode,
    error_of,
)
from swarmd.ports import Connection, Peer

log = logging.getLogger(__name__)

#: Answers with one payload, or with a stream of them.
Handler = Callable[[Peer, bytes], Awaitable[bytes] | AsyncGenerator[bytes, None]]
#: The present handler of a method; None if this node does not answer it now.
Find = Callable[[str], Handler | None]
#: Raises NotPermittedError if the peer may not call the method.
Permit = Callable[[str, Peer], None]

#: A node has one session, a few writes and log streams; this is far more, and still bounded.
MOST_CALLS = 1024


async def serve(connection: Connection, find: Find, permit: Permit) -> None:
    """Answer calls until the connection ends; the handlers still running are cancelled then.

    `find` is asked at every call: a connection outlives the role of the node that answers on it.
    A SwarmError that a handler raises is the caller's answer; any other error is a bug: logged
    here, "internal error" there.  The connection is closed when this returns.
    """
    server = _Server(connection, find, permit)
    try:
        async with asyncio.TaskGroup() as group:
            try:
                await server.read(group)
            finally:
                server.cancel_all()
    finally:
        connection.close()


class _Server:
    """One connection's calls."""

    def __init__(self, connection: Connection, find: Find, permit: Permit) -> None:
        self._connection = connection
        self._find = find
        self._permit = permit
        #: id → the task that answers it
        self._tasks: dict[int, asyncio.Task[None]] = {}
        #: id → credit of a stream
        self._pacers: dict[int, _Pacer] = {}

    async def read(self, group: asyncio.TaskGroup) -> None:
        """Start, cancel and pace calls as the caller says."""
        while True:
            try:
                question = decode_question(await self._connection.receive())
            except (ConnectionError, WireError) as error:
                log.debug("rpc ended", extra={"peer": self._connection.peer, "reason": str(error)})
                return
            match question:
                case Call():
                    self._begin(question, group)
                case Cancel(id=call_id):
                    if call_id in self._tasks:
                        self._tasks[call_id].cancel()
                case Credit(id=call_id, size_bytes=size_bytes):
                    if call_id in self._pacers:
                        self._pacers[call_id].granted(size_bytes)

    def cancel_all(self) -> None:
        """Nobody waits for the answers any more."""
        for task in self._tasks.values():
            task.cancel()

    def _begin(self, call: Call, group: asyncio.TaskGroup) -> None:
        if len(self._tasks) >= MOST_CALLS or call.id in self._tasks:
            refusal = UnavailableError(f"{len(self._tasks)} calls are open on this connection")
            self._connection.send(encode(error_of(call.id, refusal)))
            return
        task = group.create_task(self._answer(call))
        self._tasks[call.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(call.id))

    async def _answer(self, call: Call) -> None:
        try:
            handler = self._permitted(call.method)
            result = handler(self._connection.peer, call.payload)
            if call.is_stream:
                await self._answer_stream(call, result)
            else:
                payload = check_payload(await _once(call.method, result))
                self._connection.send(encode(Reply(id=call.id, payload=payload)))
            await self._connection.drain()
        except SwarmError as error:
            self._connection.send(encode(error_of(call.id, error)))
        except ConnectionError as error:
            log.debug("answer not sent", extra={"method": call.method, "reason": str(error)})
        except Exception:
            # The last frame above a handler: its bug must not end its neighbours' calls.
            log.exception("handler failed", extra={"method": call.method})
            failure = SwarmError(f"internal error in {call.method}")
            self._connection.send(encode(error_of(call.id, failure)))

    async def _answer_stream(
        self, call: Call, items: Awaitable[bytes] | AsyncGenerator[bytes, None]
    ) -> None:
        if not isinstance(items, AsyncGenerator):
            if isinstance(items, Coroutine):
                items.close()
            raise InvalidArgumentError(f"{call.method} answers once, not with a stream")
        pacer = self._pacers[call.id] = _Pacer()
        try:
            async with aclosing(items):
                async for item in items:
                    self._connection.send(encode(Item(id=call.id, payload=check_payload(item))))
                    await self._connection.drain()
                    await pacer.sent(len(item))
            self._connection.send(encode(End(id=call.id)))
        finally:
            del self._pacers[call.id]

    def _permitted(self, method: str) -> Handler:
        self._permit(method, self._connection.peer)
        handler = self._find(method)
        if handler is None:
            raise UnsupportedError(f"this node does not answer {method}")
        return handler


async def _once(method: str, result: Awaitable[bytes] | AsyncGenerator[bytes, None]) -> bytes:
    if isinstance(result, AsyncGenerator):
        raise InvalidArgumentError(f"{method} answers with a stream")
    return await result


class _Pacer:
    """Makes a stream wait for its reader."""

    def __init__(self) -> None:
        self._window = Window()
        self._opened = asyncio.Event()

    def granted(self, size_bytes: int) -> None:
        self._window.granted(size_bytes)
        if self._window.is_open:
            self._opened.set()

    async def sent(self, size_bytes: int) -> None:
        """Count an item; returns when the next may follow."""
        self._window.sent(size_bytes)
        while not self._window.is_open:
            self._opened.clear()
            await self._opened.wait()
