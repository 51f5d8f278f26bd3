"""Requests to a follower: forwarded, asked again, answered once."""

import asyncio

import msgspec
import pytest

from swarmd.api.leader import LEADERLESS_S
from swarmd.errors import (
    NoLeaderError,
    NotFoundError,
    OutcomeUnknownError,
    PreconditionError,
    UnavailableError,
)
from swarmd.model.assignment import LogBatch, LogMessage
from tests.unit.api_nouns.parts import Api, FakeCluster, body_of, frames, request, service
from tests.virtual import in_virtual_time


@pytest.fixture
async def follower(api: Api) -> Api:
    """A manager that does not lead; `api` is the leader's."""
    cluster = FakeCluster(first_token=1000)
    cluster.said = api.cluster.said
    cluster.leads = False
    cluster.leader = api.nouns
    return Api(cluster)


async def test_a_write_is_carried_out_by_the_leader_and_then_seen_here(
    api: Api, follower: Api
) -> None:
    identity = await follower.create(service())
    assert api.cluster.tables.service(identity) is not None
    assert follower.cluster.waited == [api.cluster.tables.index]


async def test_a_read_is_the_leader_s_and_waits_for_nothing(api: Api, follower: Api) -> None:
    await api.create(service())
    assert await follower.get("service_list") == await api.get("service_list")
    assert follower.cluster.waited == []


async def test_a_refusal_is_the_leader_s_too(api: Api, follower: Api) -> None:
    await api.create(service())
    assert await follower.refused("service_create", body=service()) == await api.refused(
        "service_create", body=service()
    )
    assert await follower.refused("node_inspect", id="x") == (404, "node x not found")


async def test_refusals_keep_their_class_for_prune(api: Api, follower: Api) -> None:
    """It goes on past networks that are in use."""
    ports = {"Ports": [{"TargetPort": 80, "PublishedPort": 80}]}
    await api.create(service(EndpointSpec=ports))
    with pytest.raises(PreconditionError):
        await follower.nouns.networks.remove("ingressid", request())
    with pytest.raises(NotFoundError):
        await follower.nouns.networks.remove("nope", request())


async def test_what_an_handler_reads_travels_with_the_request(api: Api, follower: Api) -> None:
    identity = await follower.create(service(), headers={"x-registry-auth": "YQ=="})
    found = api.cluster.tables.service(identity)
    assert found is not None
    assert found.registry_auth == "YQ=="


async def test_a_long_answer_comes_in_pieces(api: Api, follower: Api) -> None:
    env = [f"A{i}={'x' * 1000}" for i in range(400)]
    await api.create(service(TaskTemplate={"ContainerSpec": {"Image": "x", "Env": env}}))
    answer = await follower.ask("service_list")
    assert isinstance(answer.body, bytes)
    assert len(answer.body) > 400_000
    assert msgspec.json.decode(answer.body)[0]["Spec"]["Name"] == "web"


async def test_logs_flow_through_a_follower(api: Api, follower: Api) -> None:
    await api.create(service(replicas=1))
    await api.cluster.settle()
    (task,) = api.cluster.tables.tasks()
    message = LogMessage(task_id=task.id, stream=2, timestamp=1, data=b"hello\n")
    api.cluster.batches = [LogBatch(subscription_id="s", messages=(message,), ended=(task.id,))]
    answer = await follower.ask("service_logs", id="web", query={"stderr": "1"})
    assert not isinstance(answer.body, bytes)
    assert frames(await body_of(answer)) == [(2, b"hello\n")]


@pytest.mark.parametrize(
    "failure",
    [NoLeaderError(), UnavailableError("no answer"), OutcomeUnknownError("no answer")],
)
async def test_an_answer_that_was_lost_is_asked_for_again(
    api: Api, follower: Api, failure: Exception
) -> None:
    """The leader died after it had committed; its successor knows the request."""
    follower.cluster.failures = [failure]
    await follower.create(service())
    assert len(api.cluster.tables.services()) == 1


async def test_a_leader_that_loses_office_meanwhile_asks_its_successor(api: Api) -> None:
    api.cluster.failures = [NoLeaderError()]
    await api.create(service())
    assert len(api.cluster.tables.services()) == 1


async def test_a_retry_after_an_unknown_outcome_is_not_a_second_write(
    api: Api, follower: Api
) -> None:
    """The leader carries it out and the connection breaks: it gets the same request once more."""
    follower.cluster.lost_answers = 1
    identity = await follower.create(service())
    assert list(api.cluster.tables.services()) == [identity]
    assert follower.cluster.waited == [api.cluster.tables.index]


@in_virtual_time
async def test_without_a_leader_the_client_hears_it_after_ten_seconds() -> None:
    """Too few managers are online."""
    cluster = FakeCluster()
    await cluster.found()
    cluster.leads = False
    loop = asyncio.get_running_loop()
    began = loop.time()
    status, message = await Api(cluster).refused("service_list")
    assert status == 500
    assert "The swarm does not have a leader." in message
    assert LEADERLESS_S <= loop.time() - began < LEADERLESS_S + 1
