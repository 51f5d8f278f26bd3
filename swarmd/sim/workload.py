"""Clients: they create, scale, update and remove services through the API below HTTP."""

import json
from random import Random

import msgspec

from swarmd.api.message import Request, Response
from swarmd.engine.version import ApiVersion
from swarmd.errors import NotFoundError, SwarmError
from swarmd.sim.world import World

NAMES = ("alpha", "beta", "gamma", "delta")
API = ApiVersion(1, 51)
#: Reserved by each task: a node of 8 GiB has room for one task of each service and one more.
MEMORY_BYTES = 1600 << 20


class _Found(msgspec.Struct, rename="pascal"):
    """What a client reads of a service."""

    version: dict[str, int]


class Wish(msgspec.Struct, frozen=True):
    """What a client was told will be: replicas, None = a global service, absent = removed."""

    replicas: int | None
    #: the value of MARK in its containers' environment
    mark: int = 0
    is_removed: bool = False


class Workload:
    """The clients of one world, and what they were told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = Random(f"workload {world.seed}")
        #: name → what was acknowledged last; names whose last request had no answer are left out
        self.wishes: dict[str, Wish] = {}
        self.answered = 0
        #: services about which a request is under way: one client each
        self._busy: set[str] = set()
        self._number = 0

    async def once(self) -> None:
        """One request of one client at a random manager."""
        chance = self._chance
        idle = [name for name in NAMES if name not in self._busy]
        if not idle:
            return
        name = chance.choice(idle)
        self._busy.add(name)
        try:
            await self._request(name)
        finally:
            self._busy.discard(name)

    async def _request(self, name: str) -> None:
        chance = self._chance
        wish = self.wishes.pop(name, None)
        replicas = chance.choice((1, 2, 3, 5, 5, None))
        try:
            if wish is not None and not wish.is_removed and chance.random() < 0.25:
                await self._ask("service_remove", "DELETE", name)
                self.wishes[name] = Wish(None, is_removed=True)
            elif wish is not None and not wish.is_removed:
                await self._update(name, wish.replicas if wish.replicas is None else replicas or 2)
            elif wish is not None:
                await self._create(name, replicas)
            else:
                await self._settle(name, replicas)
            self.answered += 1
        except (SwarmError, LookupError) as error:
            self._world.trace("refused", name, type(error).__name__)

    async def _settle(self, name: str, replicas: int | None) -> None:
        """Nobody knows whether the service is there: remove it if it is, and begin anew."""
        try:
            await self._ask("service_remove", "DELETE", name)
        except NotFoundError:
            self._world.trace("not there", name)
        await self._create(name, replicas)

    async def _create(self, name: str, replicas: int | None) -> None:
        wish = Wish(replicas, self._mark())
        await self._ask("service_create", "POST", "", _spec(name, wish))
        self.wishes[name] = wish

    async def _update(self, name: str, replicas: int | None) -> None:
        response = await self._ask("service_inspect", "GET", name)
        assert isinstance(response.body, bytes)
        found = msgspec.json.decode(response.body, type=_Found)
        wish = Wish(replicas, self._mark())
        version = str(found.version["Index"])
        await self._ask("service_update", "POST", name, _spec(name, wish), version=version)
        self.wishes[name] = wish

    def _mark(self) -> int:
        """Now and then the same as before: an update that only scales."""
        self._number += 1
        return self._number // 3

    async def _ask(
        self, handler: str, method: str, name: str, body: bytes = b"", **query: str
    ) -> Response:
        """The answer; LookupError if nobody can be asked, or for a refusal in HTTP."""
        daemons = [
            m.daemon for m in self._world.live() if m.daemon and m.daemon.standing().is_manager
        ]
        if not daemons:
            raise LookupError("no manager")
        daemon = self._chance.choice(daemons)
        request = Request(
            method=method,
            target=f"/services/{name}",
            params={"id": name},
            version=API,
            query=query,
            headers={"content-type": "application/json"},
            body=body,
        )
        return await daemon.nouns.handlers()[handler](request)


def _spec(name: str, wish: Wish) -> bytes:
    mode = {"Global": {}} if wish.replicas is None else {"Replicated": {"Replicas": wish.replicas}}
    ports = [{"TargetPort": 80, "PublishedPort": 8000 + NAMES.index(name)}]
    return json.dumps(
        {
            "Name": name,
            "TaskTemplate": {
                "ContainerSpec": {"Image": "busybox", "Env": [f"MARK={wish.mark}"]},
                "Resources": {"Reservations": {"MemoryBytes": MEMORY_BYTES}},
                "RestartPolicy": {"Condition": "any", "Delay": 500_000_000},
            },
            "Mode": mode,
            "UpdateConfig": {"Parallelism": 2, "Monitor": 500_000_000, "FailureAction": "continue"},
            "EndpointSpec": {"Ports": ports},
        }
    ).encode()
