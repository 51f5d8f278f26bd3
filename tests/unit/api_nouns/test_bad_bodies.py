"""Whatever a client sends: an answer in Docker's form, and a leader and agents that can go on."""

import logging
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec
import pytest

from swarmd.api import respond
from swarmd.api.message import Response
from swarmd.api.routes import ROUTES, Kind
from swarmd.errors import SwarmError
from swarmd.model.ids import ClusterID, NetworkID, NodeID
from swarmd.model.network import Network, NetworkSpec
from swarmd.model.node import NodeDescription
from swarmd.store.entry import PutNetwork
from swarmd.wire.container import Place, TaskNetworks, container_request
from swarmd.wire.swarm import Standing
from tests.unit.api_nouns.bodies import INIT, JOIN, NETWORK, NODE, SERVICE, SWARM, spoilt
from tests.unit.api_nouns.parts import Api, FakeCluster, request, service, worker
from tests.unit.dispatcher.follower import data_plane

#: Docker gives the texts of its control API that have no code with 500, and clients know them so;
#: the same of a network that a service names.
KNOWN_500 = ("rpc error: code = Unknown desc = ", "network ")
PLACE = Place(
    cluster_id=ClusterID("cluster"),
    node_id=NodeID("n1"),
    description=worker("n1").description or NodeDescription(hostname=""),
    api_version=(1, 51),
)
#: Asked of a node that is in no swarm.
OUTSIDE = ("swarm_init", "swarm_join")
#: No JSON of an object.
NO_OBJECTS = [
    *(b"{", b"}", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"\0", b"{}{}", b'{"Name": "\xff"}'),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"-" * 1000, b'{"Name": 1e999}', b'{"\\ud800": 1}'),
]


async def founded(*, has_service: bool = False) -> Api:
    """A swarm of one with the network `net`, and a service `web` if the test wants one."""
    cluster = FakeCluster()
    await cluster.found()
    spec = NetworkSpec(name="net", labels={})
    await cluster.commit(PutNetwork(record=Network(id=NetworkID("netid"), spec=spec)))
    api = Api(cluster)
    if has_service:
        await api.create(service("web"))
    await cluster.settle()
    return api


async def ask(api: Api, name: str, body: Any) -> Response:
    """As a client that knows the newest version of what it updates."""
    if name == "cluster_network_create":
        try:
            return await api.nouns.networks.create(request(body=body))
        except SwarmError as error:
            return respond.refusal(error)
    api.cluster.said = Standing() if name in OUTSIDE else api.cluster.said
    view = api.cluster.view()
    node, cluster = view.node("n1"), view.cluster
    assert node is not None
    assert cluster is not None
    service = view.service(view.id_by_name("service", "web") or "")
    versions = {
        "swarm_update": ("", cluster.meta.version),
        "node_update": ("n1", node.meta.version),
        "service_update": ("web", service.meta.version if service else 0),
    }
    identity, version = versions.get(name, ("n1", 0))
    return await api.ask(name, id=identity, body=body, query={"version": version})


def check_form(answer: Response, what: str) -> None:
    """A refusal says why, and none is a bug of ours."""
    assert isinstance(answer.body, bytes)
    if answer.status < 400:
        return
    message = msgspec.json.decode(answer.body, type=dict[str, str])["message"]
    assert message, what
    assert answer.status != 500 or message.startswith(KNOWN_500), (what, message)


async def check_cluster(api: Api, what: str) -> None:
    """What was accepted, the leader can plan, the agents can carry out, and the API can show."""
    await api.cluster.settle()
    view = api.cluster.view()
    data_plane(view, NodeID("n1"))
    for task in view.tasks():
        try:
            container_request(task, view.spec_of(task), PLACE, TaskNetworks())
        except SwarmError:
            continue  # rejects the task, in words
    for name in ("service_list", "task_list", "node_list", "swarm_inspect"):
        answer = await api.ask(name)
        assert answer.status == 200, (what, answer)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("service_create", SERVICE),
        ("service_update", SERVICE),
        ("node_update", NODE),
        ("cluster_network_create", NETWORK),
        ("swarm_update", SWARM),
        ("swarm_init", INIT),
        ("swarm_join", JOIN),
    ],
)
async def test_a_spoilt_value_is_refused_or_taken_and_never_trips_anybody(
    name: str, body: Mapping[str, Any]
) -> None:
    """A script with a slip, a client of another version, somebody who tries what happens."""
    has_service = name == "service_update"
    api = await founded(has_service=has_service)
    answer = await ask(api, name, msgspec.json.encode(body))
    assert answer.status < 300, answer
    # An update reads what a create reads; what it adds shows in a part of the variants.
    for what, variant in islice(spoilt(dict(body)), 0, None, 7 if has_service else 1):
        if answer.status < 300:
            api = await founded(has_service=has_service)
        answer = await ask(api, name, variant)
        check_form(answer, what)
        if answer.status < 300 and name not in OUTSIDE:
            await check_cluster(api, what)


@pytest.mark.parametrize(
    "name", [r.name for r in ROUTES if r.kind is Kind.OURS and r.method == "POST"]
)
@pytest.mark.parametrize("body", NO_OBJECTS, ids=lambda b: repr(b[:8]))
async def test_what_is_no_json_of_an_object_is_refused_wherever_a_body_is_read(
    name: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    api = await founded()
    with caplog.at_level(logging.ERROR):
        check_form(await ask(api, name, body), name)
    assert not caplog.records
