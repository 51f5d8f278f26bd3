"""Tasks over the API."""

from typing import Any

import msgspec
import pytest

from swarmd.model.task import TaskState, TaskStatus
from swarmd.store.entry import PatchTask, PutNode
from tests.unit.api_nouns.parts import Api, request, service, worker


async def listed(api: Api, **filters: list[str]) -> list[dict[str, Any]]:
    found = await api.get("task_list", filters=filters)
    assert isinstance(found, list)
    return found


async def test_a_running_task_is_shown_as_docker_shows_it(api: Api) -> None:
    """The JSON of the reference's appendix: a task with a place in the ingress network."""
    ports = {"Ports": [{"TargetPort": 80, "PublishedPort": 8080}]}
    identity = await api.create(service(replicas=1, EndpointSpec=ports))
    await api.cluster.settle()
    (task,) = await listed(api)
    shown = await api.get("task_inspect", task["ID"])
    assert shown == task
    (attachment,) = task.pop("NetworksAttachments")
    address = attachment["Addresses"][0]
    assert address.startswith("10.0.0.")
    assert address.endswith("/24")
    network = attachment["Network"]
    assert network["Spec"] == {
        "Name": "ingress",
        "Labels": {},
        "DriverConfiguration": {},
        "Ingress": True,
        "IPAMOptions": {"Driver": {}, "Configs": [{"Subnet": "10.0.0.0/24"}]},
        "Scope": "swarm",
    }
    assert network["DriverState"] == {
        "Name": "overlay",
        "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4096"},
    }
    for key in ("ID", "Version", "CreatedAt", "UpdatedAt"):
        assert task.pop(key)
    assert task == {
        "Labels": {},
        "Spec": {
            "ContainerSpec": {
                "Image": "busybox:latest",
                "Args": ["sleep", "3600"],
                "Init": False,
                "DNSConfig": {},
                "Isolation": "default",
            },
            "Resources": {"Limits": {}, "Reservations": {}},
            "Placement": {},
            "ForceUpdate": 0,
        },
        "ServiceID": identity,
        "Slot": 1,
        "NodeID": "n1",
        "Status": {
            "Timestamp": "2026-11-21T05:49:43Z",
            "State": "running",
            "Message": "started",
            "ContainerStatus": {"ContainerID": f"c-{shown_id(shown)}", "PID": 7, "ExitCode": 0},
            "PortStatus": {},
        },
        "DesiredState": "running",
        "Volumes": None,
    }


def shown_id(shown: object) -> str:
    assert isinstance(shown, dict)
    return str(shown["ID"])


async def test_a_task_that_failed_before_it_had_a_container_says_so(api: Api) -> None:
    await api.create(service(replicas=1))
    await api.cluster.settle()
    (task,) = await listed(api)
    other = TaskStatus(state=TaskState.REJECTED, message="preparing", err="No such image: x")
    await api.cluster.commit(PatchTask(id=task["ID"], status=other))
    (task,) = await listed(api)
    assert task["Status"]["ContainerStatus"] == {"ContainerID": "", "PID": 0, "ExitCode": 0}
    assert task["Status"]["Err"] == "No such image: x"


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 5),
        ({"service": ["web"]}, 3),
        ({"service": ["web", "all"]}, 5),
        ({"node": ["n2"]}, None),
        ({"node": ["host-n1", "n2"]}, 5),
        ({"service": ["all"], "node": ["n1"]}, 1),
        ({"name": ["web.1"]}, 1),
        ({"name": ["all.n2"]}, 1),
        ({"label": ["a=b"]}, 5),
        ({"label": ["x"]}, 0),
        ({"desired-state": ["running", "shutdown"]}, 5),
        ({"desired-state": ["Shutdown"]}, 0),
        ({"_up-to-date": ["true"]}, 5),
        ({"runtime": ["container"]}, 5),
        ({"runtime": ["plugin"]}, 0),
    ],
)
async def test_lists_are_filtered(
    api: Api, filters: dict[str, list[str]], count: int | None
) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    await api.create(service(replicas=3))
    await api.create(service("all", None))
    await api.cluster.settle()
    shown = await listed(api, **filters)
    if count is None:
        assert {task["NodeID"] for task in shown} == {"n2"}
    else:
        assert len(shown) == count


@pytest.mark.parametrize(
    ("filters", "status", "message"),
    [
        ({"service": ["nope"]}, 404, "service nope not found"),
        ({"node": ["nope"]}, 404, "node nope not found"),
        ({"desired-state": ["bogus"]}, 500, "Invalid desired-state filter: 'bogus'"),
        ({"bogus": ["x"]}, 400, "invalid filter 'bogus'"),
    ],
)
async def test_wrong_filters_are_refused(
    api: Api, filters: object, status: int, message: str
) -> None:
    assert await api.refused("task_list", query={"filters": filters}) == (status, message)


async def test_up_to_date_tasks_are_those_that_an_update_leaves(api: Api) -> None:
    """What `docker service update` polls for its progress bars."""
    await api.create(service(replicas=2))
    await api.cluster.settle()
    relabelled, with_env = service(Labels={}), service(TaskTemplate=WITH_ENV)
    for changed, clean in ((relabelled, 2), (with_env, 0)):
        query = {"version": str(api.cluster.tables.index)}
        answer = await api.ask("service_update", id="web", body=changed, query=query)
        assert answer.status == 200
        assert len(await listed(api, **{"_up-to-date": ["1"], "service": ["web"]})) == clean


WITH_ENV = {"ContainerSpec": {"Image": "busybox:latest", "Env": ["A=1"]}}


async def test_a_task_is_found_by_a_prefix_of_its_id(api: Api) -> None:
    await api.create(service(replicas=1))
    await api.cluster.settle()
    (task,) = await listed(api)
    assert shown_id(await api.get("task_inspect", task["ID"][:8])) == task["ID"]
    assert await api.refused("task_inspect", id="") == (404, "task  not found")


async def test_tasks_of_a_removed_service_are_still_listed(api: Api) -> None:
    """`docker stack rm` waits until they are gone, by the label of their service."""
    await api.create(service(replicas=1))
    await api.cluster.settle()
    await api.ask("service_remove", id="web")
    assert len(await listed(api, label=["a=b"])) == 1
    assert await listed(api, **{"_up-to-date": ["true"]}) == []


async def test_a_list_of_any_length_is_whole(api: Api) -> None:
    await api.create(service(replicas=600))
    await api.cluster.settle()
    answer = await api.nouns.handlers()["task_list"](request())
    assert isinstance(answer.body, bytes)
    assert len(msgspec.json.decode(answer.body)) == 600
