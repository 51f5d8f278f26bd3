"""Clients that create, change and remove services and networks."""

import json
from random import Random

import msgspec

from swarmd.errors import ConflictError, NotFoundError, SwarmError
from swarmd.sim.client import Client, UnansweredError
from swarmd.sim.wishes import ServiceWish, Wishes
from swarmd.sim.world import World

NAMES = ("alpha", "beta", "gamma", "delta")
NETWORKS = ("front", "back")
CONSTRAINTS = ("node.role==worker", "node.labels.zone==east", "node.hostname!=h2")
#: A node has 8 GiB and 4 CPUs.
MEMORY_BYTES = (0, 1600 << 20, 3000 << 20)
NANO_CPUS = (0, 1_000_000_000, 2_000_000_000)
REPLICAS = (1, 2, 3, 5, 5, None)


class Workload:
    """The clients of services and networks."""

    def __init__(self, world: World, client: Client, wishes: Wishes) -> None:
        self._world, self._client, self._wishes = world, client, wishes
        self._chance = Random(f"workload {world.seed}")
        #: objects about which a request is under way: one client each
        self._busy: set[str] = set()
        self._number = 0

    async def once(self) -> None:
        """One request about an object that nobody else is asking about."""
        chance = self._chance
        idle = [name for name in (*NAMES, *NAMES, *NETWORKS) if name not in self._busy]
        if not idle:
            return
        name = chance.choice(idle)
        self._busy.add(name)
        try:
            await (self._network(name) if name in NETWORKS else self._service(name))
        except (SwarmError, UnansweredError) as error:
            self._world.trace("refused", name, type(error).__name__, str(error))
        finally:
            self._busy.discard(name)

    # ---- services

    async def _service(self, name: str) -> None:
        wishes = self._wishes.services
        if name not in wishes:
            wishes[name] = None
            await self._create(name)
            return
        match wishes[name]:
            case None:
                await self._settle(name)
            case ServiceWish(is_removed=True):
                await self._create(name)
            case ServiceWish() as wish if self._chance.random() < 0.2:
                gone = msgspec.structs.replace(wish, is_removed=True)
                await self._wish(name, gone, "service_remove", "DELETE")
            case ServiceWish() as wish:
                await self._update(name, wish)

    async def _settle(self, name: str) -> None:
        """Nobody knows whether the service is there: remove it if it is, and begin anew."""
        try:
            await self._client.write("service_remove", "DELETE", name)
        except NotFoundError:
            self._world.trace("not there", name)
        await self._create(name)

    async def _create(self, name: str) -> None:
        wish = ServiceWish(replicas=self._chance.choice(REPLICAS), mark=0)
        await self._wish(name, self._shaped(name, wish), "service_create", "POST")

    async def _update(self, name: str, wish: ServiceWish) -> None:
        """Now and then the same as before: an update that only scales."""
        version = await self._client.version("service_inspect", name)
        if wish.replicas is not None:
            replicas = self._chance.choice(REPLICAS) or 4
            wish = msgspec.structs.replace(wish, replicas=replicas)
        if self._chance.random() < 0.6:
            wish = self._shaped(name, wish)
        await self._wish(name, wish, "service_update", "POST", version=version)

    def _shaped(self, name: str, wish: ServiceWish) -> ServiceWish:
        """What else its tasks are to be, drawn anew."""
        chance, position = self._chance, NAMES.index(name)
        self._number += 1
        is_dnsrr = chance.random() < 0.2
        return msgspec.structs.replace(
            wish,
            mark=self._number,
            constraint=chance.choice(("", "", "", *CONSTRAINTS)),
            memory_bytes=chance.choice(MEMORY_BYTES),
            nano_cpus=chance.choice(NANO_CPUS),
            # Two services may want the same one, but not one that a third publishes everywhere.
            host_port=9000 + position // 2 if chance.random() < 0.25 else 0,
            published_port=0 if is_dnsrr else 8000 + position,
            network=chance.choice(("", *(n for n in NETWORKS if self._wishes.networks.get(n)))),
            is_dnsrr=is_dnsrr,
        )

    async def _wish(
        self, name: str, wish: ServiceWish, handler: str, method: str, **query: str
    ) -> None:
        """Ask for it, and be owed it from the acknowledgement on."""
        before = self._wishes.services[name]
        reference = "" if handler == "service_create" else name
        body = b"" if wish.is_removed else _spec(name, wish)
        self._wishes.services[name] = None
        try:
            await self._client.write(handler, method, reference, body, **query)
        except SwarmError:
            self._wishes.services[name] = before
            raise
        self._wishes.services[name] = wish

    # ---- networks

    async def _network(self, name: str) -> None:
        before = self._wishes.networks.get(name, False)
        self._wishes.networks[name] = None
        body = json.dumps({"Name": name, "Driver": "overlay"}).encode()
        try:
            if before:
                await self._client.write("cluster_network_remove", "DELETE", name)
            else:
                await self._client.write("cluster_network_create", "POST", "", body)
        except ConflictError:
            self._wishes.networks[name] = True
            raise
        except SwarmError:
            self._wishes.networks[name] = before
            raise
        self._wishes.networks[name] = not before


def _spec(name: str, wish: ServiceWish) -> bytes:
    mode = {"Global": {}} if wish.replicas is None else {"Replicated": {"Replicas": wish.replicas}}
    reserved = {"MemoryBytes": wish.memory_bytes, "NanoCPUs": wish.nano_cpus}
    ports: list[dict[str, object]] = []
    if wish.published_port:
        ports.append({"TargetPort": 80, "PublishedPort": wish.published_port})
    if wish.host_port:
        ports.append({"TargetPort": 90, "PublishedPort": wish.host_port, "PublishMode": "host"})
    return json.dumps(
        {
            "Name": name,
            "TaskTemplate": {
                "ContainerSpec": {"Image": "busybox", "Env": [f"MARK={wish.mark}"]},
                "Resources": {"Reservations": reserved},
                "RestartPolicy": {"Condition": "any", "Delay": 500_000_000},
                "Placement": {"Constraints": [wish.constraint] if wish.constraint else []},
                "Networks": [{"Target": wish.network}] if wish.network else [],
            },
            "Mode": mode,
            "UpdateConfig": {"Parallelism": 2, "Monitor": 500_000_000, "FailureAction": "continue"},
            "EndpointSpec": {"Mode": "dnsrr" if wish.is_dnsrr else "vip", "Ports": ports},
        }
    ).encode()
