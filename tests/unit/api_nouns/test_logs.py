"""Logs over the API: frames, lines, and the last word about what is missing."""

import msgspec
import pytest

from swarmd.engine.version import NEWEST_API, ApiVersion
from swarmd.model.assignment import LogBatch, LogMessage
from swarmd.model.ids import TaskID
from swarmd.model.node import NodeState
from swarmd.model.task import TaskState, TaskStatus
from swarmd.store.entry import PatchTask, PutNode
from tests.unit.api_nouns.parts import START, Api, body_of, frames, service, worker

INCOMPLETE = (
    "Error grabbing logs: warning: incomplete log stream. some logs could not be retrieved for the "
    "following reasons: "
)


async def running(api: Api, replicas: int = 1, **container: object) -> list[TaskID]:
    template = {"ContainerSpec": {"Image": "busybox", **container}}
    await api.create(service(replicas=replicas, TaskTemplate=template))
    await api.cluster.settle()
    return [task.id for task in api.cluster.tables.tasks()]


def batch(*lines: tuple[TaskID, bytes], ended: tuple[TaskID, ...] = ()) -> LogBatch:
    messages = tuple(
        LogMessage(task_id=task_id, stream=1, timestamp=START + 5, data=data)
        for task_id, data in lines
    )
    return LogBatch(subscription_id="s", messages=messages, ended=ended)


async def read(
    api: Api, name: str = "service_logs", identity: str = "web", **query: object
) -> list[tuple[int, bytes]]:
    answer = await api.ask(name, id=identity, query={"stdout": "1", **query})
    assert answer.status == 200
    return list(frames(await body_of(answer)))


async def test_lines_come_in_frames_until_all_tasks_have_ended(api: Api) -> None:
    one, two = await running(api, 2)
    api.cluster.batches = [
        batch((one, b"hello\n")),
        LogBatch(subscription_id="s"),
        batch((two, b"world\n"), ended=(one, two)),
        batch((two, b"never read\n")),
    ]
    assert await read(api) == [(1, b"hello\n"), (1, b"world\n")]


async def test_the_cli_s_lines_say_whose_they_are(api: Api) -> None:
    """It always asks for details, and makes its prefix out of them."""
    (one,) = await running(api)
    api.cluster.batches = [batch((one, b"hello\n"), ended=(one,))]
    ((_, line),) = await read(api, details="1", timestamps="1")
    service_id = next(iter(api.cluster.tables.services()))
    assert line.decode() == (
        "2026-11-21T05:49:43.000000005Z com.docker.swarm.node.id=n1,"
        f"com.docker.swarm.service.id={service_id},com.docker.swarm.task.id={one} hello\n"
    )


async def test_what_was_asked_for_reaches_the_agents(api: Api) -> None:
    (one,) = await running(api)
    api.cluster.batches = [batch(ended=(one,))]
    await read(api, stderr="1", tail="5", since="1795240183.5")
    (options,) = api.cluster.log_options
    assert (options.stdout, options.stderr, options.tail) == (True, True, "5")
    assert (options.since, options.follow) == ("1795240183.5", False)


async def test_without_follow_only_tasks_that_ran_are_read(api: Api) -> None:
    (one,) = await running(api)
    await api.cluster.commit(PutNode(record=worker("n2")))
    api.cluster.batches = [batch(ended=(one,))]
    await read(api)
    assert api.cluster.selected == [one]


async def test_a_service_that_never_ran_has_an_empty_log(api: Api) -> None:
    await api.create(service())
    assert await read(api) == []
    assert api.cluster.log_options == []


async def test_a_task_of_its_own_that_has_no_node_yet_is_named(api: Api) -> None:
    await api.create(
        service(
            TaskTemplate={
                "ContainerSpec": {"Image": "x"},
                "Placement": {"Constraints": ["node.role==worker"]},
            },
            replicas=1,
        )
    )
    await api.cluster.settle()
    (task,) = api.cluster.tables.tasks()
    reason = f"task {task.id} has not been scheduled\n"
    assert await read(api, "task_logs", task.id) == [(3, (INCOMPLETE + reason).encode())]


async def test_a_node_that_cannot_be_asked_is_named_at_the_end(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    tasks = await running(api, 2)
    node = worker("n2")
    down = msgspec.structs.replace(node.status, state=NodeState.DOWN)
    await api.cluster.commit(PutNode(record=msgspec.structs.replace(node, status=down)))
    here = next(t for t in tasks if (task := api.cluster.tables.task(t)) and task.node_id == "n1")
    api.cluster.batches = [batch((here, b"x\n"), ended=(here,))]
    assert await read(api) == [
        (1, b"x\n"),
        (3, (INCOMPLETE + "node n2 is not available\n").encode()),
    ]


async def test_what_an_agent_could_not_read_is_named_at_the_end(api: Api) -> None:
    (one,) = await running(api)
    failed = LogBatch(subscription_id="s", ended=(one,), errors={one: "no such container"})
    api.cluster.batches = [failed]
    assert await read(api) == [(3, (INCOMPLETE + "no such container\n").encode())]


async def test_a_follower_is_told_when_the_leader_goes(api: Api) -> None:
    (one,) = await running(api)
    api.cluster.batches = [batch((one, b"x\n"), ended=(one,))]
    line, error = await read(api, follow="1")
    assert line == (1, b"x\n")
    assert error[0] == 3
    assert b"The swarm does not have a leader" in error[1]


async def test_following_one_task_ends_with_it(api: Api) -> None:
    (one,) = await running(api)
    api.cluster.batches = [batch((one, b"x\n"), ended=(one,)), batch((one, b"y\n"))]
    assert await read(api, "task_logs", one, follow="1") == [(1, b"x\n")]


async def test_a_terminal_s_log_has_no_frames(api: Api) -> None:
    (one,) = await running(api, TTY=True)
    api.cluster.batches = [batch((one, b"x\r\n"), ended=(one,))]
    answer = await api.ask("service_logs", id="web", query={"stdout": "1"})
    assert answer.headers["Content-Type"] == "application/vnd.docker.raw-stream"
    assert await body_of(answer) == b"x\r\n"


@pytest.mark.parametrize(
    ("version", "content_type"),
    [
        (NEWEST_API, "application/vnd.docker.multiplexed-stream"),
        (ApiVersion(1, 41), "application/vnd.docker.raw-stream"),
    ],
)
async def test_the_content_type_says_multiplexed_since_1_42(
    api: Api, version: ApiVersion, content_type: str
) -> None:
    (one,) = await running(api)
    api.cluster.batches = [batch(ended=(one,))]
    answer = await api.ask("service_logs", id="web", query={"stdout": "1"}, version=version)
    assert answer.headers["Content-Type"] == content_type
    await body_of(answer)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "Bad parameters: you must choose at least one stream"),
        ({"stdout": "1", "tail": "x"}, 'tail value must be a positive integer or "all"'),
        ({"stdout": "1", "tail": "-1"}, "negative tail values not supported"),
        ({"stdout": "1", "since": "yesterday"}, "could not parse since timestamp: yesterday"),
    ],
)
async def test_nonsense_is_refused_in_docker_s_words(
    api: Api, query: dict[str, str], message: str
) -> None:
    await running(api)
    assert await api.refused("service_logs", id="web", query=query) == (500, message)


async def test_a_task_that_never_had_a_container_is_not_asked_for_lines(api: Api) -> None:
    """An image that cannot be pulled leaves a row of them behind; nobody misses their logs."""
    (one,) = await running(api)
    rejected = TaskStatus(state=TaskState.REJECTED, err="No such image: nope:1")
    await api.cluster.commit(PatchTask(id=one, status=rejected))
    assert await read(api) == []


async def test_a_task_that_ended_is_still_read(api: Api) -> None:
    """Its container is kept with the slot's history."""
    (one,) = await running(api)
    ended = TaskStatus(state=TaskState.FAILED, err="task: non-zero exit (1)")
    await api.cluster.commit(PatchTask(id=one, status=ended))
    api.cluster.batches = [batch((one, b"last words\n"), ended=(one,))]
    assert await read(api) == [(1, b"last words\n")]
