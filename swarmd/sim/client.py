"""A client of the API below HTTP, which retries as a good client does: under the same request id.

It keeps what was acknowledged: whatever happens, each of these requests shows in every later state.
A retry of an answered request must get the first answer again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import msgspec

from swarmd.api.leader import REQUEST_ID_HEADER
from swarmd.api.message import Handler, Request, Response
from swarmd.daemon.daemon import Daemon
from swarmd.engine.version import ApiVersion
from swarmd.errors import SwarmError, UnavailableError
from swarmd.model.ids import RequestID, Version, id_from
from swarmd.sim.world import Machine, World
from swarmd.store.view import View

API = ApiVersion(1, 51)
#: How often a request of unknown outcome is sent again, and the longest pause before.
RETRIES = 3
PAUSE_S = 3.0
#: Part of the answered requests that are sent again all the same.
REPEATED = 0.15
#: Asked on behalf of a request about the engine's networks too, which has no one id.
NAMELESS = ("cluster_network_remove",)


class UnansweredError(Exception):
    """Nobody knows whether it was carried out."""


class Acknowledged(msgspec.Struct, frozen=True):
    """A write that a client was told of."""

    what: str
    request_id: RequestID
    index: Version

    def is_missing(self, view: View) -> bool:
        """Whether a state that should show it does not."""
        return view.index >= self.index and view.answered(self.request_id) != self.index


class _Found(msgspec.Struct, rename="pascal"):
    """What a client reads of an object."""

    version: dict[str, int]


class Client:
    """All clients of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = Random(f"client {world.seed}")
        self._count = 0
        #: requests that were answered
        self.answered = 0
        #: by request
        self.acknowledged: dict[RequestID, Acknowledged] = {}

    async def version(self, handler: str, reference: str) -> str:
        """To name in an update, as any manager tells it.  Raises SwarmError or UnansweredError."""
        response = await self._anywhere(handler, _request("GET", reference, b"", {}, ""))
        assert isinstance(response.body, bytes)
        return str(msgspec.json.decode(response.body, type=_Found).version["Index"])

    async def write(
        self, handler: str, method: str, reference: str, body: bytes = b"", **query: str
    ) -> None:
        """Returns when it was acknowledged, by whichever manager.

        Raises SwarmError if the first manager that was asked refused it: then nothing has happened;
        UnansweredError if it may have.
        """
        self._count += 1
        given = "" if handler in NAMELESS else f"{self._count}"
        request = _request(method, reference, body, query, given)
        first = await self._insist(handler, request)
        self.answered += 1
        if given and self._chance.random() < REPEATED:
            await self._repeat(handler, request, first)

    async def _insist(self, handler: str, request: Request) -> bytes:
        for attempt in range(RETRIES + 1):
            try:
                response = await self._anywhere(handler, request)
            except UnansweredError:
                await asyncio.sleep(self._chance.uniform(0.2, PAUSE_S))
            except SwarmError as error:
                if attempt:  # an earlier attempt may still arrive somewhere
                    raise UnansweredError(str(error)) from error
                raise
            else:
                assert isinstance(response.body, bytes)
                return response.body
        raise UnansweredError(handler)

    async def _repeat(self, handler: str, request: Request, first: bytes) -> None:
        """The answer got lost on its way to the client."""
        await asyncio.sleep(self._chance.uniform(0.0, PAUSE_S))
        what = f"{handler} {request.params['id']}"
        try:
            again = await self._anywhere(handler, request)
        except UnansweredError:
            return
        except SwarmError as error:
            self._world.violate(f"a retry of the acknowledged {what} was refused: {error}")
            return
        if again.body != first:
            self._world.violate(f"a retry of the acknowledged {what} was answered otherwise")

    async def _anywhere(self, handler: str, request: Request) -> Response:
        managers = [
            machine
            for machine in self._world.live()
            if machine.daemon and machine.daemon.standing().is_manager
        ]
        if not managers:
            raise UnansweredError("no manager")
        machine = self._chance.choice(managers)

        async def ask(daemon: Daemon) -> Response:
            response = await _handler(daemon, handler)(request)
            self._note(machine.name, daemon, handler, request)
            return response

        return await at(machine, ask)

    def _note(self, name: str, daemon: Daemon, handler: str, request: Request) -> None:
        """The manager that answers a write has applied it."""
        given = request.header(REQUEST_ID_HEADER)
        if not given or not daemon.standing().is_manager:
            return
        request_id = RequestID(id_from("request", request.principal, handler, given))
        index = daemon.view().answered(request_id)
        what = f"{handler} {request.params['id']} (request {given})"
        if index is None:
            self._world.violate(f"{name} acknowledged {what} and does not have it")
            return
        self.acknowledged[request_id] = Acknowledged(what, request_id, index)
        self._world.trace("acknowledged", name, what, index)


async def at(machine: Machine, ask: Callable[[Daemon], Awaitable[Response | None]]) -> Response:
    """The answer of one daemon, as a part of its process.

    Raises SwarmError for a refusal, UnansweredError if the daemon died or could not do it.
    """
    daemon, process = machine.daemon, machine.host.process
    if daemon is None or process is None:
        raise UnansweredError(f"{machine.name} does not run")
    outcome: list[Response | SwarmError] = []

    async def run() -> None:
        try:
            outcome.append(await ask(daemon) or Response())
        except SwarmError as error:
            outcome.append(error)

    await asyncio.wait([process.spawn(run())])
    match outcome:
        case [Response() as response]:
            return response
        case [UnavailableError() as error]:
            raise UnansweredError(str(error)) from error
        case [SwarmError() as error]:
            raise error
        case _:
            raise UnansweredError(f"{machine.name} died")


def _handler(daemon: Daemon, name: str) -> Handler:
    """The networks' are behind those that merge them with the engine's."""
    networks = daemon.nouns.networks
    match name:
        case "cluster_network_create":
            return networks.create
        case "cluster_network_remove":
            return lambda request: networks.remove(request.params["id"], request)
        case _:
            return daemon.nouns.handlers()[name]


def _request(
    method: str, reference: str, body: bytes, query: dict[str, str], request_id: str
) -> Request:
    named = {REQUEST_ID_HEADER: request_id} if request_id else {}
    return Request(
        method=method,
        target=f"/{reference}",
        params={"id": reference},
        version=API,
        query=query,
        headers={"content-type": "application/json", **named},
        body=body,
    )
