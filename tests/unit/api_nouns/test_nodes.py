"""Nodes over the API."""

from typing import Any

import msgspec
import pytest

from swarmd.model.ids import NodeID
from swarmd.model.node import Node, NodeState, Role
from swarmd.store.entry import PutNode
from swarmd.wire.node import ManagerStatus
from tests.unit.api_nouns.parts import Api, manager, worker

PRECONDITION = "rpc error: code = FailedPrecondition desc = "


async def inspected(api: Api, reference: str) -> dict[str, Any]:
    found = await api.get("node_inspect", reference)
    assert isinstance(found, dict)
    return found


async def test_a_manager_is_shown_as_docker_shows_it(api: Api) -> None:
    shown = await inspected(api, "n1")
    for key in ("CreatedAt", "UpdatedAt"):
        assert shown.pop(key).startswith("2026-11-21T05:49:43")
    assert shown == {
        "ID": "n1",
        "Version": {"Index": 1},
        "Spec": {"Labels": {}, "Role": "manager", "Availability": "active"},
        "Description": {
            "Hostname": "host-n1",
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": 4_000_000_000, "MemoryBytes": 8 << 30},
            "Engine": {"EngineVersion": "28.5.1", "Labels": {"rack": "a"}, "Plugins": []},
            "TLSInfo": {},
        },
        "Status": {"State": "ready", "Addr": "10.1.0.1"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": "10.1.0.1:2377"},
    }


async def test_a_worker_has_no_manager_status(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    assert "ManagerStatus" not in await inspected(api, "host-n2")


async def test_a_node_that_did_not_describe_itself_yet_has_every_part(api: Api) -> None:
    """Clients read `Description.Hostname` without asking whether there is one."""
    fresh = msgspec.structs.replace(worker("n2"), description=None)
    await api.cluster.commit(PutNode(record=fresh))
    shown = await inspected(api, "n2")
    assert shown["Description"]["Hostname"] == ""
    assert shown["Description"]["Platform"] == {"Architecture": "", "OS": ""}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["n1", "n2"]),
        ({"role": ["Manager"]}, ["n1"]),
        ({"role": ["manager", "worker"]}, ["n1", "n2"]),
        ({"name": ["host-n2"]}, ["n2"]),
        ({"name": ["host-"]}, ["n1", "n2"]),
        ({"id": ["n1"]}, ["n1"]),
        ({"label": ["rack=a"]}, ["n1", "n2"]),
        ({"node.label": ["rack"]}, []),
        ({"membership": ["accepted"]}, ["n1", "n2"]),
        ({"membership": ["pending"]}, []),
    ],
)
async def test_lists_are_filtered(api: Api, filters: object, names: list[str]) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    shown = await api.get("node_list", filters=filters)
    assert isinstance(shown, list)
    assert [node["ID"] for node in shown] == names


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"role": ["boss"]}, "Invalid role filter: 'boss'"),
        ({"membership": ["x"]}, "Invalid membership filter: 'x'"),
    ],
)
async def test_unknown_words_in_filters_are_refused(
    api: Api, filters: object, message: str
) -> None:
    assert await api.refused("node_list", query={"filters": filters}) == (500, message)


async def update(api: Api, name: str, **spec: object) -> None:
    body = {"Labels": {}, "Role": "worker", "Availability": "active", **spec}
    answer = await api.ask("node_update", id=name, body=body, query=_version(api))
    assert (answer.status, answer.body) == (200, b""), answer


def _version(api: Api) -> dict[str, object]:
    return {"version": str(api.cluster.tables.index)}


async def test_an_operator_changes_labels_availability_and_role(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    await update(api, "n2", Labels={"zone": "a"}, Role="Manager", Availability="drain")
    shown = await inspected(api, "n2")
    assert shown["Spec"] == {
        "Labels": {"zone": "a"},
        "Role": "manager",
        "Availability": "drain",
    }
    node = api.cluster.tables.node("n2")
    assert node is not None
    # Granted only when the leader has come to it.
    assert node.role is Role.WORKER


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Role": "boss", "Availability": "active"}, 'invalid Role: "boss"'),
        ({"Role": "worker", "Availability": "off"}, 'invalid Availability: "off"'),
        (None, 'invalid Role: ""'),
    ],
)
async def test_unknown_words_are_refused(api: Api, body: object, message: str) -> None:
    refusal = await api.refused("node_update", id="n1", body=body, query=_version(api))
    assert refusal == (400, message)


async def demote(api: Api, name: str) -> tuple[int, str]:
    body = {"Role": "worker", "Availability": "active"}
    return await api.refused("node_update", id=name, body=body, query=_version(api))


async def test_the_last_manager_stays_one(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    message = "attempting to demote the last manager of the swarm"
    assert await demote(api, "n1") == (400, PRECONDITION + message)


async def test_a_demotion_that_would_cost_the_quorum_is_refused(api: Api) -> None:
    """Three managers, one of them away: without another one the last cannot commit."""
    for name, is_reachable in (("n2", True), ("n3", False)):
        await api.cluster.commit(PutNode(record=manager(name)))
        status = ManagerStatus(is_leader=False, is_reachable=is_reachable)
        api.cluster.managers[NodeID(name)] = status
    message = "can't remove member from the raft: this would result in a loss of quorum"
    assert await demote(api, "n2") == (400, PRECONDITION + message)
    await update(api, "n3")


async def with_state(api: Api, name: str, state: NodeState) -> None:
    node = api.cluster.tables.node(name)
    assert node is not None
    status = msgspec.structs.replace(node.status, state=state)
    await api.cluster.commit(PutNode(record=msgspec.structs.replace(node, status=status)))


async def test_a_node_that_is_down_is_removed_and_its_certificate_refused(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    await with_state(api, "n2", NodeState.DOWN)
    assert (await api.ask("node_remove", id="host-n2")).status == 200
    assert api.cluster.tables.node("n2") is None
    record = api.cluster.tables.cluster
    assert record is not None
    (removed,) = record.removed
    assert removed.node_id == "n2"
    assert removed.until == worker("n2").certificate_expires_at


async def test_who_was_removed_is_forgotten_when_the_certificate_has_ended(api: Api) -> None:
    gone: Node = msgspec.structs.replace(
        worker("n2"), certificate_expires_at=api.cluster.now + 1000
    )
    await api.cluster.commit(PutNode(record=gone), PutNode(record=worker("n3")))
    await api.ask("node_remove", id="n2", query={"force": "1"})
    api.cluster.now += 2000
    await api.ask("node_remove", id="n3", query={"force": "1"})
    record = api.cluster.tables.cluster
    assert record is not None
    assert [one.node_id for one in record.removed] == ["n3"]


@pytest.mark.parametrize("force", ["", "1"])
async def test_a_manager_is_demoted_before_it_is_removed(api: Api, force: str) -> None:
    refusal = await api.refused("node_remove", id="n1", query={"force": force})
    assert refusal == (
        400,
        PRECONDITION + "node n1 is a cluster manager and is a member of the raft cluster. It must "
        "be demoted to worker before removal",
    )


async def test_a_node_that_is_there_is_removed_by_force_only(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    message = "node n2 is not down and can't be removed"
    assert await api.refused("node_remove", id="n2") == (400, PRECONDITION + message)
    assert (await api.ask("node_remove", id="n2", query={"force": "true"})).status == 200
