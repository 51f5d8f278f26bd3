"""The swarm itself over the API, and what `/info` says of it."""

from typing import Any

import pytest

from swarmd.api.info import SwarmInfo
from swarmd.ca.tokens import parse_token
from swarmd.model.assignment import ManagerAddress
from swarmd.model.ids import NodeID
from swarmd.model.node import Availability
from swarmd.store.entry import PutNode
from swarmd.wire.errors import NOT_IN_SWARM
from swarmd.wire.node import ManagerStatus
from swarmd.wire.swarm import InitRequest, JoinRequest, Standing
from tests.unit.api_nouns.parts import Api, FakeCluster, manager

INVALID = "rpc error: code = InvalidArgument desc = "


async def inspected(api: Api) -> dict[str, Any]:
    found = await api.get("swarm_inspect")
    assert isinstance(found, dict)
    return found


async def test_the_swarm_is_shown_as_docker_shows_it(api: Api) -> None:
    shown = await inspected(api)
    tokens = shown.pop("JoinTokens")
    assert parse_token(tokens["Worker"]).secret == "w" * 25
    assert parse_token(tokens["Manager"]).secret == "m" * 25
    for key in ("CreatedAt", "UpdatedAt"):
        assert shown.pop(key)
    assert shown == {
        "ID": "cluster",
        "Version": {"Index": 1},
        "Spec": {
            "Name": "default",
            "Labels": {},
            "Orchestration": {"TaskHistoryRetentionLimit": 5},
            "Raft": {
                "SnapshotInterval": 10000,
                "KeepOldSnapshots": 0,
                "LogEntriesForSlowFollowers": 500,
                "ElectionTick": 10,
                "HeartbeatTick": 1,
            },
            "Dispatcher": {"HeartbeatPeriod": 5_000_000_000},
            "CAConfig": {"NodeCertExpiry": 7_776_000_000_000_000},
            "TaskDefaults": {},
            "EncryptionConfig": {"AutoLockManagers": False},
        },
        "TLSInfo": {
            "TrustRoot": "ROOT",
            "CertIssuerSubject": "c3ViamVjdA==",
            "CertIssuerPublicKey": "a2V5",
        },
        "RootRotationInProgress": False,
        "DataPathPort": 4789,
        "DefaultAddrPool": ["10.0.0.0/8"],
        "SubnetSize": 24,
    }


async def update(api: Api, spec: object, **flags: object) -> None:
    query = {"version": str(api.cluster.tables.index), **flags}
    answer = await api.ask("swarm_update", body=spec, query=query)
    assert answer.status == 200, answer


async def test_an_update_changes_what_it_names(api: Api) -> None:
    """Other clients than the CLI send only a part; zeros set nothing."""
    await update(api, {"Name": "default", "Labels": {"a": "b"}, "Dispatcher": {}})
    await update(api, {"Orchestration": {"TaskHistoryRetentionLimit": 2}})
    spec = (await inspected(api))["Spec"]
    assert spec["Labels"] == {"a": "b"}
    assert spec["Orchestration"] == {"TaskHistoryRetentionLimit": 2}
    assert spec["Dispatcher"] == {"HeartbeatPeriod": 5_000_000_000}
    await update(api, {"Name": "", "Labels": {}})
    assert (await inspected(api))["Spec"]["Labels"] == {}


async def test_no_history_and_no_old_snapshots_are_settings_as_well(api: Api) -> None:
    """`docker swarm update --task-history-limit 0 --max-snapshots 0`: pointers in Docker's spec."""
    for history, snapshots in ((3, 4), (0, 0)):
        raft = {"KeepOldSnapshots": snapshots, "SnapshotInterval": 0}
        await update(api, {"Orchestration": {"TaskHistoryRetentionLimit": history}, "Raft": raft})
        spec = (await inspected(api))["Spec"]
        assert spec["Orchestration"]["TaskHistoryRetentionLimit"] == history
        assert spec["Raft"]["KeepOldSnapshots"] == snapshots
        assert spec["Raft"]["SnapshotInterval"] == 10000
    await update(api, {"Orchestration": {"TaskHistoryRetentionLimit": None}})
    assert (await inspected(api))["Spec"]["Orchestration"]["TaskHistoryRetentionLimit"] == 0


async def test_the_whole_spec_comes_back_as_it_was_sent(api: Api) -> None:
    """What the docker CLI does: it changes one field of what it read."""
    before = await inspected(api)
    await update(api, before["Spec"])
    assert (await inspected(api))["Spec"] == before["Spec"]


@pytest.mark.parametrize(
    ("flag", "changed", "kept"),
    [("rotateWorkerToken", "Worker", "Manager"), ("rotateManagerToken", "Manager", "Worker")],
)
async def test_a_join_token_is_rotated_alone(api: Api, flag: str, changed: str, kept: str) -> None:
    before = (await inspected(api))["JoinTokens"]
    await update(api, {"Name": "default"}, **{flag: "true"})
    after = (await inspected(api))["JoinTokens"]
    assert after[changed] != before[changed]
    assert after[kept] == before[kept]


@pytest.mark.parametrize(
    ("spec", "status", "message"),
    [
        ({"Name": "other"}, 400, 'swarm spec must be named "default"'),
        (
            {"CAConfig": {"NodeCertExpiry": 1}},
            400,
            INVALID + "minimum certificate expiry time is: 1h0m0s",
        ),
        (
            {"Dispatcher": {"HeartbeatPeriod": -1}},
            400,
            INVALID + "heartbeat time period cannot be a negative duration",
        ),
        (
            {"Raft": {"LogEntriesForSlowFollowers": -1}},
            400,
            "the settings of raft cannot be negative",
        ),
        (
            {"EncryptionConfig": {"AutoLockManagers": True}},
            501,
            "rpc error: code = Unimplemented desc = locking managers (autolock) is not supported yet",
        ),
        (
            {"CAConfig": {"ForceRotate": 1}},
            501,
            (
                "rpc error: code = Unimplemented desc = rotating the root certificate is not supported "
                "yet"
            ),
        ),
        (
            {"CAConfig": {"ExternalCAs": [{"Protocol": "cfssl", "URL": "https://x"}]}},
            501,
            (
                "rpc error: code = Unimplemented desc = external CAs and own signing certificates are "
                "not supported yet"
            ),
        ),
        ([], 400, "invalid JSON: Expected `object`, got `array`"),
    ],
)
async def test_an_update_is_refused_in_docker_s_words(
    api: Api, spec: object, status: int, message: str
) -> None:
    query = {"version": str(api.cluster.tables.index)}
    assert await api.refused("swarm_update", body=spec, query=query) == (status, message)


async def test_an_update_of_something_older_is_refused(api: Api) -> None:
    query = {"version": "0"}
    status, message = await api.refused("swarm_update", body={}, query=query)
    assert (status, message.rpartition("= ")[2]) == (500, "update out of sequence")


async def test_a_node_without_a_swarm_says_how_to_get_into_one() -> None:
    api = Api(FakeCluster())
    for name in ("swarm_inspect", "node_list", "service_create", "secret_list", "task_logs"):
        assert await api.refused(name) == (503, NOT_IN_SWARM)


async def test_founding_takes_the_cli_s_request() -> None:
    api = Api(FakeCluster())
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": "eth0",
        "DataPathAddr": "",
        "DataPathPort": 0,
        "DefaultAddrPool": None,
        "ForceNewCluster": False,
        "Spec": {
            "Labels": None,
            "Orchestration": {"TaskHistoryRetentionLimit": 3},
            "Raft": {"ElectionTick": 0, "HeartbeatTick": 0},
            "Dispatcher": {"HeartbeatPeriod": 5_000_000_000},
            "CAConfig": {"NodeCertExpiry": 7_776_000_000_000_000},
            "TaskDefaults": {},
            "EncryptionConfig": {"AutoLockManagers": False},
        },
        "AutoLockManagers": False,
        "Availability": "drain",
        "SubnetSize": 0,
    }
    assert await api.get("swarm_init") == "n1"
    answer = await api.ask("swarm_init", body=body)
    assert answer.body == b'"n1"\n'
    plain, asked = api.cluster.requests
    assert isinstance(plain, InitRequest)
    assert isinstance(asked, InitRequest)
    assert (plain.spec.name, plain.spec.orchestration.task_history_retention_limit) == (
        "default",
        5,
    )
    assert asked.availability is Availability.DRAIN
    assert asked.spec.orchestration.task_history_retention_limit == 3
    assert asked.spec.raft.election_tick == 10


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (
            {"DataPathPort": 80},
            400,
            INVALID + "Datapath port number is not in valid range (1024-49151) : 80",
        ),
        ({"SubnetSize": 30}, 400, INVALID + "subnet size is out of range: 30"),
        ({"DefaultAddrPool": ["x"]}, 400, INVALID + 'invalid CIDR: "x"'),
        ({"Availability": "x"}, 400, 'invalid Availability: "x"'),
        ({"Spec": {"Name": "x"}}, 400, 'swarm spec must be named "default"'),
    ],
)
async def test_a_swarm_is_not_founded_on_nonsense(body: object, status: int, message: str) -> None:
    api = Api(FakeCluster())
    assert await api.refused("swarm_init", body=body) == (status, message)
    assert api.cluster.requests == []


async def test_joining_takes_the_cli_s_request() -> None:
    api = Api(FakeCluster())
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": "",
        "DataPathAddr": "",
        "RemoteAddrs": ["10.1.0.1:2377"],
        "JoinToken": "SWMTKN-1-x",
        "Availability": "active",
    }
    answer = await api.ask("swarm_join", body=body)
    assert (answer.status, answer.body) == (200, b"")
    assert api.cluster.requests == [
        JoinRequest(
            listen_addr="0.0.0.0:2377",
            remote_addrs=("10.1.0.1:2377",),
            join_token="SWMTKN-1-x",
        )
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "at least 1 RemoteAddr is required to join"),
        ({"RemoteAddrs": ["x"]}, "A valid join token is necessary to join this cluster"),
    ],
)
async def test_joining_needs_an_address_and_a_token(body: object, message: str) -> None:
    api = Api(FakeCluster())
    assert await api.refused("swarm_join", body=body) == (400, message)


async def test_a_node_in_a_swarm_does_not_enter_another(api: Api) -> None:
    for name in ("swarm_init", "swarm_join"):
        status, message = await api.refused(name, body={})
        assert status == 503
        assert message.startswith("This node is already part of a swarm.")


async def test_the_last_manager_leaves_by_force_only(api: Api) -> None:
    status, message = await api.refused("swarm_leave")
    assert status == 503
    assert message.startswith("You are attempting to leave the swarm on a node that is")
    assert "Removing the last manager erases all current state" in message
    assert api.cluster.requests == []
    assert (await api.ask("swarm_leave", query={"force": "1"})).status == 200
    assert api.cluster.requests == ["leave"]


@pytest.mark.parametrize(
    ("reachable", "count", "words"),
    [
        (2, 3, "Removing this node leaves 1 managers out of 3."),
        (3, 3, "Doing so may lose the consensus of your cluster."),
        (2, 2, "Removing this node leaves 1 managers out of 2."),
        (5, 5, "Doing so may lose the consensus of your cluster."),
    ],
)
async def test_a_manager_that_leaves_is_told_what_remains(
    api: Api, reachable: int, count: int, words: str
) -> None:
    api.cluster.managers = {
        NodeID(f"n{i}"): ManagerStatus(is_leader=i == 0, is_reachable=i < reachable)
        for i in range(count)
    }
    _, message = await api.refused("swarm_leave")
    assert words in message
    assert message.endswith("Use `--force` to suppress this message.")


async def test_a_worker_leaves_at_once(api: Api) -> None:
    api.cluster.said = Standing(state="active", node_id="n1")
    assert (await api.ask("swarm_leave")).status == 200


async def test_who_is_in_no_swarm_cannot_leave_one() -> None:
    api = Api(FakeCluster())
    assert await api.refused("swarm_leave") == (503, "This node is not part of a swarm")


async def test_nothing_is_locked(api: Api) -> None:
    assert await api.get("swarm_unlock_key") == {"UnlockKey": ""}
    refusal = await api.refused("swarm_unlock", body={"UnlockKey": "SWMKEY-1-x"})
    assert refusal == (409, "swarm is not locked")


async def test_secrets_and_configs_are_none_and_cannot_be_made(api: Api) -> None:
    """`docker stack rm` lists them."""
    assert await api.get("secret_list", filters={"label": ["x"]}) == []
    assert await api.get("config_list") == []
    assert (await api.refused("secret_create", body={}))[0] == 501
    assert await api.refused("config_inspect", id="c") == (404, "config c not found")


# ---- info


def test_a_node_outside_has_an_inactive_section() -> None:
    info = SwarmInfo(FakeCluster())
    assert info.state() == "inactive"
    assert info.section() == {
        "NodeID": "",
        "NodeAddr": "",
        "LocalNodeState": "inactive",
        "ControlAvailable": False,
        "Error": "",
        "RemoteManagers": None,
    }


async def test_a_manager_tells_of_the_cluster_and_warns_of_two_managers(api: Api) -> None:
    await api.cluster.commit(PutNode(record=manager("n2")))
    info = SwarmInfo(api.cluster)
    section = info.section()
    assert isinstance(section, dict)
    assert info.state() == "active/manager"
    assert (section["Nodes"], section["Managers"]) == (2, 2)
    assert section["Cluster"]["ID"] == "cluster"
    assert "JoinTokens" not in section["Cluster"]
    (warning,) = section["Warnings"]
    assert warning.startswith("WARNING: Running Swarm in a two-manager configuration.")


def test_a_worker_tells_of_its_managers() -> None:
    cluster = FakeCluster()
    managers = (
        ManagerAddress(node_id=NodeID("b"), address="10.0.0.2:2377"),
        ManagerAddress(node_id=NodeID("a"), address="10.0.0.1:2377"),
    )
    cluster.said = Standing(state="active", node_id="w", managers=managers)
    info = SwarmInfo(cluster)
    section = info.section()
    assert isinstance(section, dict)
    assert info.state() == "active/worker"
    assert section["RemoteManagers"] == [
        {"NodeID": "a", "Addr": "10.0.0.1:2377"},
        {"NodeID": "b", "Addr": "10.0.0.2:2377"},
    ]
    assert "Cluster" not in section
