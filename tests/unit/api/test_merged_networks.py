"""Networks of the cluster and of the engine behind one set of paths."""

import aiohttp
import msgspec
import pytest

from swarmd.errors import PreconditionError
from tests.unit.api.parts import Swarm
from tests.unit.engine.fake import FakeEngine, says

OVERLAY = {"Id": "n1", "Name": "web", "Scope": "swarm", "Driver": "overlay", "Labels": {"a": "b"}}
INGRESS = {"Id": "i1", "Name": "ingress", "Scope": "swarm", "Driver": "overlay", "Ingress": True}
OWN = {"Id": "o1", "Name": "mine", "Scope": "local", "Driver": "bridge"}
STANDS = {
    "Id": "b1",
    "Name": "swarmd-n1",
    "Scope": "local",
    "Driver": "bridge",
    "Labels": {"swarmd.network": "n1"},
}


@pytest.fixture(autouse=True)
def networks(engine: FakeEngine, swarm: Swarm) -> None:
    """A manager with two cluster networks, whose engine has one of its own and one bridge."""
    swarm.networks = [dict(OVERLAY), dict(INGRESS)]
    engine.on("GET /networks", lambda: says(msgspec.json.encode([OWN, STANDS])))


async def names(client: aiohttp.ClientSession, **filters: list[str]) -> list[str]:
    query = {"filters": msgspec.json.encode(filters).decode()} if filters else {}
    async with client.get("/networks", params=query) as answer:
        return [network["Name"] for network in await answer.json()]


async def refusal(client: aiohttp.ClientSession, request_line: str, **body: object) -> str:
    """Status and message."""
    method, path = request_line.split(" ")
    async with client.request(method, path, json=body or None) as answer:
        return f"{answer.status} {(await answer.json())['message']}"


async def test_a_list_has_the_clusters_and_the_engines_but_no_bridges(
    client: aiohttp.ClientSession,
) -> None:
    assert await names(client) == ["web", "ingress", "mine"]
    assert await names(client, driver=["overlay"], name=["web"]) == ["web", "mine"]


async def test_a_worker_lists_its_engines_networks(
    client: aiohttp.ClientSession, swarm: Swarm
) -> None:
    swarm.networks = None
    assert await names(client) == ["mine"]


@pytest.mark.parametrize("reference", ["n1", "web"])
async def test_a_cluster_network_shows_the_containers_that_are_here(
    reference: str, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("GET /networks/b1", lambda: says('{"Id":"b1","Containers":{"c":{"Name":"web.1"}}}'))
    async with client.get(f"/networks/{reference}") as answer:
        assert await answer.json() == {**OVERLAY, "Containers": {"c": {"Name": "web.1"}}}


async def test_a_cluster_network_is_found_by_scope_without_asking_the_engine(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    """What the CLI asks when a service names a network."""
    async with client.get("/networks/web?scope=swarm") as answer:
        assert await answer.json() == OVERLAY
    assert engine.paths() == []


async def test_the_engines_networks_are_inspected_and_removed_by_the_engine(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("GET /networks/o1", lambda: says('{"Id":"o1"}'))
    engine.on("DELETE /networks/o1", lambda: says("", 204))
    async with client.get("/networks/mine?verbose=1") as answer:
        assert await answer.json() == {"Id": "o1"}
    assert engine.asked[-1].query == {"verbose": "1"}
    async with client.delete("/networks/o") as answer:
        assert answer.status == 204


async def test_what_nobody_has_is_the_engines_to_refuse(
    client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("GET /networks/nope", lambda: says('{"message":"network nope not found"}', 404))
    assert await refusal(client, "GET /networks/nope") == "404 network nope not found"


async def test_a_cluster_network_is_removed_by_the_cluster(
    client: aiohttp.ClientSession, swarm: Swarm
) -> None:
    async with client.delete("/networks/web") as answer:
        assert answer.status == 204
    assert swarm.removed == ["n1"]


@pytest.mark.parametrize(
    "request_line",
    [
        "DELETE /networks/swarmd-n1",
        "DELETE /networks/b1",
        "POST /networks/b1/connect",
        "POST /networks/swarmd-n1/disconnect",
    ],
)
async def test_the_bridge_of_a_cluster_network_is_not_the_users_to_change(
    request_line: str, client: aiohttp.ClientSession
) -> None:
    said = await refusal(client, request_line)
    assert said.startswith("403 network swarmd-n1 is this node's bridge of cluster network n1")


@pytest.mark.parametrize(
    ("spec", "is_cluster"),
    [
        ({"Driver": "overlay"}, True),
        ({"Driver": "bridge", "Scope": "swarm"}, True),
        ({"Driver": "overlay", "Ingress": True}, True),
        ({"driver": "overlay", "Scope": None, "Labels": None, "Ingress": None}, True),
        ({"Driver": "overlay", "ConfigOnly": True}, False),
        ({"Driver": "bridge"}, False),
        ({}, False),
    ],
)
async def test_scope_and_driver_decide_whose_a_new_network_is(
    spec: dict[str, object], is_cluster: bool, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("POST /networks/create", lambda: says('{"Id":"engines"}', 201))
    async with client.post("/networks/create", json={"Name": "new", **spec}) as answer:
        created = (await answer.json())["Id"]
    assert created == ("id-of-new" if is_cluster else "engines")


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 100_000, b'{"Name": "\xff"}', b'{"x": 1%s}' % (b"0" * 30)]
)
@pytest.mark.parametrize("path", ["/networks/create", "/networks/o1/connect", "/containers/create"])
async def test_a_body_that_cannot_be_read_is_the_engines_to_refuse(
    client: aiohttp.ClientSession, engine: FakeEngine, path: str, body: bytes
) -> None:
    engine.on(f"POST {path}", lambda: says(b'{"message":"invalid JSON"}', status=400))
    async with client.post(path, data=body, headers={"Content-Type": "application/json"}) as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "invalid JSON"})


async def test_a_new_network_may_not_take_a_cluster_networks_name_or_our_label(
    client: aiohttp.ClientSession,
) -> None:
    said = await refusal(client, "POST /networks/create", Name="web")
    assert said == "409 network with name web already exists"
    labels = {"swarmd.network": "n1"}
    said = await refusal(client, "POST /networks/create", Name="x", Labels=labels)
    assert said == "400 label swarmd.network is swarmd's own: leave it out"


async def test_a_cluster_network_may_not_take_the_name_of_one_of_the_engine(
    client: aiohttp.ClientSession,
) -> None:
    """`docker run --network mine` would mean another network than it did."""
    said = await refusal(client, "POST /networks/create", Name="mine", Driver="overlay")
    assert said == "409 network with name mine already exists"


async def test_an_overlay_of_one_engine_is_refused(client: aiohttp.ClientSession) -> None:
    spec = {"Name": "x", "Driver": "overlay", "Scope": "local"}
    said = await refusal(client, "POST /networks/create", **spec)
    assert said == "403 cannot downgrade network scope for overlay networks"


async def test_an_overlay_needs_a_manager(client: aiohttp.ClientSession, swarm: Swarm) -> None:
    swarm.networks = None
    said = await refusal(client, "POST /networks/create", Name="x", Driver="overlay")
    assert said.startswith("403 This node is not a swarm manager.")


@pytest.mark.parametrize(
    "body",
    [
        {"HostConfig": {"NetworkMode": "web"}},
        {
            "HostConfig": {"NetworkMode": "default"},
            "NetworkingConfig": {"EndpointsConfig": {"n1": {}}},
        },
        {
            "HostConfig": None,
            "NetworkingConfig": {"EndpointsConfig": {"mine": {}, "ingress": None}},
        },
    ],
)
async def test_a_plain_container_that_asks_for_a_cluster_network_is_refused_in_words(
    body: dict[str, object], client: aiohttp.ClientSession
) -> None:
    said = await refusal(client, "POST /containers/create", **body)
    assert said.startswith("403 network ")
    assert "is not supported yet" in said
    assert "is not supported yet" in await refusal(
        client, "POST /networks/web/connect", Container="c"
    )


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        (b'{"Image":"x","HostConfig":{"NetworkMode":"mine"}}', True),
        (b'{"Image":"x","HostConfig":{"NetworkMode":"bridge"},"New":[1.50]}', False),
        (b'{"HostConfig":{"NetworkMode":"container:abc"}}', False),
        (b'{"HostConfig":{"NetworkMode":7}}', False),
        (b"no json", False),
        (b"", False),
    ],
)
async def test_any_other_container_is_created_by_the_engine_byte_for_byte(
    body: bytes, asks: bool, client: aiohttp.ClientSession, engine: FakeEngine
) -> None:
    engine.on("POST /containers/create", lambda: says('{"Id":"c"}', 201))
    headers = {"Content-Type": "application/json"}
    url = "/v1.43/containers/create?name=c"
    async with client.post(url, data=body, headers=headers) as answer:
        assert answer.status == 201
    assert (engine.asked[-1].body, engine.asked[-1].query) == (body, {"name": "c"})
    assert engine.paths() == ["GET /v1.43/networks"] * asks + ["POST /v1.43/containers/create"]


async def test_a_prune_spares_bridges_and_what_is_in_use(
    client: aiohttp.ClientSession, engine: FakeEngine, swarm: Swarm
) -> None:
    engine.on("POST /networks/prune", lambda: says('{"NetworksDeleted":["mine"]}'))
    async with client.post("/networks/prune") as answer:
        assert await answer.json() == {"NetworksDeleted": ["mine", "web"]}
    assert msgspec.json.decode(engine.asked[-1].query["filters"]) == {"label!": ["swarmd.network"]}
    assert swarm.removed == ["n1"]  # and not ingress
    swarm.refusal = PreconditionError("network n1 is in use by service s")
    async with client.post("/networks/prune") as answer:
        assert await answer.json() == {"NetworksDeleted": ["mine"]}


@pytest.mark.parametrize("filters", ['{"until":["1h"]}', '{"label":["z"]}', '{"label!":["a=b"]}'])
async def test_a_prune_takes_only_what_its_filters_say(
    filters: str, client: aiohttp.ClientSession, engine: FakeEngine, swarm: Swarm
) -> None:
    engine.on("POST /networks/prune", lambda: says('{"NetworksDeleted":null}'))
    async with client.post("/networks/prune", params={"filters": filters}) as answer:
        assert await answer.json() == {"NetworksDeleted": None}
    assert swarm.removed == []
