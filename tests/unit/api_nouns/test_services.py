"""Services over the API: what is stored, what is shown, what is refused in which words."""

from typing import Any

import msgspec
import pytest

from swarmd.engine.version import ApiVersion
from swarmd.model.node import NodeState
from swarmd.store.entry import PutNode
from tests.unit.api_nouns.parts import Api, request, service, worker

RPC = "rpc error: code = "


async def inspected(api: Api, reference: str, **query: object) -> dict[str, Any]:
    found = await api.get("service_inspect", reference, **query)
    assert isinstance(found, dict)
    return found


async def test_a_created_service_is_shown_as_docker_shows_it(api: Api) -> None:
    """The JSON of the reference's appendix, from `docker service create -p 8080:80 ...`."""
    ports = [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}]
    spec = service(EndpointSpec={"Mode": "vip", "Ports": ports})
    identity = await api.create(spec)
    await api.cluster.settle()
    shown = await inspected(api, identity)
    assert shown["ID"] == identity
    assert len(identity) == 25
    assert shown["CreatedAt"].startswith("2026-11-21T05:49:43.")
    assert shown["Spec"] == {
        "Name": "web",
        "Labels": {"a": "b"},
        "TaskTemplate": {
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
            "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": 2}},
        "EndpointSpec": {"Mode": "vip", "Ports": ports},
    }
    assert shown["Endpoint"]["Spec"] == {"Mode": "vip", "Ports": ports}
    assert shown["Endpoint"]["Ports"] == ports
    (vip,) = shown["Endpoint"]["VirtualIPs"]
    assert vip["NetworkID"] == "ingressid"
    assert vip["Addr"].endswith("/24")
    assert "PreviousSpec" not in shown
    assert "ServiceStatus" not in shown


async def test_counts_are_shown_if_they_are_asked_for(api: Api) -> None:
    await api.create(service())
    await api.create(service("all", None))
    before = await api.get("service_list", status="true")
    await api.cluster.settle()
    after = await api.get("service_list", status="true")
    plain = await api.get("service_list")
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert isinstance(plain, list)
    assert [s["ServiceStatus"]["DesiredTasks"] for s in before] == [2, 0]
    counts = {"RunningTasks": 2, "DesiredTasks": 2, "CompletedTasks": 0}
    assert after[0]["ServiceStatus"] == counts
    assert after[1]["ServiceStatus"]["RunningTasks"] == 1
    assert "ServiceStatus" not in plain[0]


async def test_a_global_service_wants_nothing_of_a_node_that_is_down(api: Api) -> None:
    await api.cluster.commit(PutNode(record=worker("n2")))
    await api.create(service("all", None))
    await api.cluster.settle()
    node = api.cluster.tables.node("n2")
    assert node is not None
    down = msgspec.structs.replace(node.status, state=NodeState.DOWN)
    await api.cluster.commit(PutNode(record=msgspec.structs.replace(node, status=down)))
    shown = await api.get("service_list", status="1")
    assert isinstance(shown, list)
    assert shown[0]["ServiceStatus"]["DesiredTasks"] == 1


async def test_a_repeated_request_is_one_service(api: Api) -> None:
    """The client retries after a time-out; the first try had been carried out."""
    first = await api.create(service(), headers={"x-swarmd-request-id": "r1"})
    again = await api.create(service(), headers={"x-swarmd-request-id": "r1"})
    assert first == again
    assert len(api.cluster.tables.services()) == 1


async def test_a_service_without_a_name_gets_one(api: Api) -> None:
    first = await api.create(service(""))
    second = await api.create(service(""))
    names = [(await inspected(api, identity))["Spec"]["Name"] for identity in (first, second)]
    assert names[0] != names[1]
    assert all(name.count("_") == 1 for name in names)


async def test_an_update_keeps_the_spec_before_and_clears_the_status(api: Api) -> None:
    identity = await api.create(service())
    await api.cluster.settle()
    seen = await inspected(api, "web")
    changed = service(UpdateConfig={"Parallelism": 1, "MaxFailureRatio": 0}, Labels={})
    answer = await api.ask(
        "service_update", id="web", body=changed, query={"version": str(seen["Version"]["Index"])}
    )
    assert (answer.status, answer.body) == (200, b'{"Warnings":null}\n')
    shown = await inspected(api, identity)
    assert shown["PreviousSpec"] == seen["Spec"]
    assert shown["Spec"]["Labels"] == {}
    assert shown["Spec"]["UpdateConfig"] == {
        "Parallelism": 1,
        "FailureAction": "pause",
        "MaxFailureRatio": 0,
        "Order": "stop-first",
    }
    assert shown["Version"]["Index"] > seen["Version"]["Index"]


async def test_a_status_report_between_read_and_write_does_no_harm(api: Api) -> None:
    """Tasks report all the time; swarmkit would answer "update out of sequence" here."""
    await api.create(service())
    seen = await inspected(api, "web")
    await api.cluster.settle()
    version = str(seen["Version"]["Index"])
    answer = await api.ask("service_update", id="web", body=service(), query={"version": version})
    assert answer.status == 200
    late = await api.refused("service_update", id="web", body=service(), query={"version": version})
    assert late == (500, RPC + "Unknown desc = update out of sequence")


async def test_credentials_are_kept_and_never_shown(api: Api) -> None:
    identity = await api.create(service(), headers={"x-registry-auth": "c2VjcmV0"})
    shown = await api.ask("service_inspect", id=identity)
    assert b"c2VjcmV0" not in (shown.body if isinstance(shown.body, bytes) else b"")
    for headers, kept in (({}, "c2VjcmV0"), ({"x-registry-auth": "b3RoZXI="}, "b3RoZXI=")):
        version = str(api.cluster.tables.index)
        query = {"version": version, "registryAuthFrom": "spec"}
        await api.ask("service_update", id="web", body=service(), query=query, headers=headers)
        found = api.cluster.tables.service(identity)
        assert found is not None
        assert found.registry_auth == kept


async def test_a_removed_service_is_gone_and_its_tasks_are_on_their_way(api: Api) -> None:
    await api.create(service())
    await api.cluster.settle()
    assert (await api.ask("service_remove", id="web")).status == 200
    assert await api.refused("service_inspect", id="web") == (404, "service web not found")
    await api.cluster.settle()
    assert await api.get("task_list") == []
    assert not list(api.cluster.tables.all_specs())


async def test_networks_are_named_and_stored_by_id(api: Api) -> None:
    created = await api.nouns.networks.create(request(body={"Name": "net1", "Driver": "overlay"}))
    assert created.status == 201
    template = {"ContainerSpec": {"Image": "busybox"}, "Networks": [{"Target": "net1"}]}
    await api.create(service(TaskTemplate=template))
    shown = await inspected(api, "web")
    (network,) = shown["Spec"]["TaskTemplate"]["Networks"]
    assert network["Target"] == api.cluster.tables.id_by_name("network", "net1")


async def test_networks_in_their_old_place_are_moved(api: Api) -> None:
    """API below 1.25: `Networks` beside the task template."""
    await api.nouns.networks.create(request(body={"Name": "net1", "Driver": "overlay"}))
    await api.create(service(Networks=[{"Target": "net1"}]))
    shown = await inspected(api, "web")
    assert "Networks" not in shown["Spec"]
    assert len(shown["Spec"]["TaskTemplate"]["Networks"]) == 1


async def test_defaults_are_filled_in_when_asked_for(api: Api) -> None:
    await api.create(service())
    shown = await inspected(api, "web", insertDefaults="true")
    template = shown["Spec"]["TaskTemplate"]
    assert template["ContainerSpec"]["StopGracePeriod"] == 10_000_000_000
    assert template["RestartPolicy"] == {
        "Condition": "any",
        "Delay": 5_000_000_000,
        "MaxAttempts": 0,
    }
    assert shown["Spec"]["UpdateConfig"] == {
        "Parallelism": 1,
        "FailureAction": "pause",
        "Monitor": 5_000_000_000,
        "MaxFailureRatio": 0,
        "Order": "stop-first",
    }


async def test_an_old_client_s_unknown_fields_are_dropped(api: Api) -> None:
    container = {"Image": "busybox", "OomScoreAdj": 5, "Privileges": {"NoNewPrivileges": True}}
    template = {"ContainerSpec": container}
    await api.create(service("old", TaskTemplate=template), version=ApiVersion(1, 43))
    await api.create(service("new", TaskTemplate=template), version=ApiVersion(1, 51))
    old, new = [
        (await inspected(api, name))["Spec"]["TaskTemplate"]["ContainerSpec"]
        for name in ("old", "new")
    ]
    assert (old.get("OomScoreAdj"), old["Privileges"]["NoNewPrivileges"]) == (None, False)
    assert (new["OomScoreAdj"], new["Privileges"]["NoNewPrivileges"]) == (5, True)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["web", "all"]),
        ({"name": ["we"]}, ["web"]),
        ({"name": ["we", "al"]}, ["web", "all"]),
        ({"mode": ["global"]}, ["all"]),
        ({"mode": ["bogus"]}, []),
        ({"label": ["a"]}, ["web", "all"]),
        ({"label": ["a=b", "x"]}, []),
        ({"label": {"a=c": True}}, []),
        ({"runtime": ["plugin"]}, []),
        ({"id": ["nope"]}, []),
    ],
)
async def test_lists_are_filtered(api: Api, filters: object, names: list[str]) -> None:
    await api.create(service())
    await api.create(service("all", None))
    shown = await api.get("service_list", filters=filters)
    assert isinstance(shown, list)
    assert [one["Spec"]["Name"] for one in shown] == names


def task_template(**container: object) -> dict[str, object]:
    return {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", **container}}}


PORT = {"TargetPort": 80, "PublishedPort": 8080}


@pytest.mark.parametrize(
    ("spec", "status", "message"),
    [
        (
            service("web"),
            409,
            RPC + "AlreadyExists desc = name conflicts with an existing object: service web "
            "already exists",
        ),
        (
            service("Web"),
            409,
            RPC + "AlreadyExists desc = name conflicts with an existing object: service Web "
            "already exists",
        ),
        (
            service("a b"),
            400,
            RPC + "InvalidArgument desc = name must be valid as a DNS name component",
        ),
        (
            service("b", EndpointSpec={"Ports": [PORT]}),
            400,
            RPC + "InvalidArgument desc = port '8080' is already in use by service 'web' "
            "({id}) as an ingress port",
        ),
        (
            service("b", EndpointSpec={"Ports": [{**PORT, "PublishMode": "host"}]}),
            400,
            RPC + "InvalidArgument desc = port '8080' is already in use by service 'web' "
            "({id}) as an ingress port",
        ),
        (
            service(
                "b", TaskTemplate={"ContainerSpec": {"Image": "x"}, "Networks": [{"Target": "n"}]}
            ),
            500,
            "network n not found",
        ),
        (
            service(
                "b",
                TaskTemplate={
                    "ContainerSpec": {"Image": "x"},
                    "Networks": [{"Target": "ingress"}],
                },
            ),
            400,
            RPC + "InvalidArgument desc = Service cannot be explicitly attached to the ingress "
            'network "ingress"',
        ),
        (
            service(
                "b",
                TaskTemplate={
                    "ContainerSpec": {"Image": "x"},
                    "Placement": {"Constraints": ["node.role=manager"]},
                },
            ),
            500,
            RPC + "Unknown desc = constraint expected one operator from ==, !=",
        ),
        (
            service(
                "b", TaskTemplate={"ContainerSpec": {"Image": "x"}, "PluginSpec": {"Name": "p"}}
            ),
            400,
            "mismatched Runtime and *Spec fields",
        ),
        (service("b", TaskTemplate={}), 400, "mismatched Runtime and *Spec fields"),
        (
            service("b", Mode={"Replicated": {"Replicas": "two"}}),
            400,
            "invalid JSON: Expected `int | null`, got `str` - at `$.Mode.Replicated.Replicas`",
        ),
        (b"{", 400, "invalid JSON: Input data was truncated"),
        (b"{} {}", 400, "unexpected content after JSON"),
    ],
)
async def test_a_create_is_refused_in_docker_s_words(
    api: Api, spec: object, status: int, message: str
) -> None:
    identity = await api.create(service(EndpointSpec={"Ports": [PORT]}))
    refusal = await api.refused("service_create", body=spec)
    assert refusal == (status, message.replace("{id}", identity))
    assert len(api.cluster.tables.services()) == 1


async def test_two_host_published_ports_do_not_conflict(api: Api) -> None:
    """They are on different nodes, or the scheduler finds none."""
    ports = {"Ports": [{**PORT, "PublishMode": "host"}]}
    await api.create(service("a", EndpointSpec=ports))
    await api.create(service("b", EndpointSpec=ports))
    refusal = await api.refused("service_create", body=service("c", EndpointSpec={"Ports": [PORT]}))
    assert refusal[1].endswith("as a host-published port")


@pytest.mark.parametrize(
    ("spec", "query", "status", "message"),
    [
        (
            service(),
            {"version": ""},
            400,
            "invalid service version '': strconv.ParseUint: parsing \"\": invalid syntax",
        ),
        (
            service(),
            {"version": "1"},
            500,
            RPC + "Unknown desc = update out of sequence",
        ),
        (
            service("other"),
            {},
            501,
            RPC + "Unimplemented desc = renaming services is not supported",
        ),
        (
            service(replicas=None),
            {},
            501,
            RPC + "Unimplemented desc = service mode change is not allowed",
        ),
        (service(), {"rollback": "bogus"}, 500, "unrecognized rollback option bogus"),
        (service(), {"registryAuthFrom": "x"}, 500, "unsupported registryAuthFrom value"),
        (
            service(),
            {"registryAuthFrom": "previous-spec"},
            500,
            "service does not have a previous spec",
        ),
    ],
)
async def test_an_update_is_refused_in_docker_s_words(
    api: Api, spec: object, query: dict[str, str], status: int, message: str
) -> None:
    await api.create(service())
    asked = {"version": str(api.cluster.tables.index), **query}
    assert await api.refused("service_update", id="web", body=spec, query=asked) == (
        status,
        message,
    )


async def test_a_rollback_is_refused_and_not_ignored(api: Api) -> None:
    await api.create(service())
    query = {"version": str(api.cluster.tables.index), "rollback": "previous"}
    status, message = await api.refused("service_update", id="web", body=service(), query=query)
    assert status == 501
    assert "not supported yet" in message


async def test_an_ambiguous_prefix_is_no_service(api: Api) -> None:
    first = await api.create(service("a"), headers={"x-swarmd-request-id": "1"})
    names = "bcdefghijklmnopqrstuvwxyz"
    others = [
        await api.create(service(n), headers={"x-swarmd-request-id": f"{n}{i}"})
        for i in range(2)
        for n in (f"{c}{i}" for c in names)
    ]
    twin = next(one for one in [*others, first] if sum(o[0] == one[0] for o in others) > 1)
    status, message = await api.refused("service_inspect", id=twin[0])
    assert status == 400
    assert message.startswith(f"service {twin[0]} is ambiguous (")


async def test_what_docker_fills_in_is_shown_to_who_asks_for_defaults(api: Api) -> None:
    """`docker service inspect` does; a spec that says nothing says nothing itself."""
    bare = {"Name": "bare", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}}
    identity = await api.create(bare)
    as_given = (await inspected(api, "bare"))["Spec"]
    assert "EndpointSpec" not in as_given
    assert "Resources" not in as_given["TaskTemplate"]
    filled = (await inspected(api, identity, insertDefaults="true"))["Spec"]["TaskTemplate"]
    assert (filled["Resources"], filled["Placement"]) == ({}, {})
    assert filled["ContainerSpec"]["DNSConfig"] == {}


async def test_options_that_say_nothing_are_taken_out(api: Api) -> None:
    mount = {"Type": "bind", "Source": "/x", "Target": "/y", "BindOptions": {}}
    container = {"Image": "busybox", "Mounts": [mount], "Isolation": "weird"}
    update = {"Parallelism": 1, "Monitor": 0}
    await api.create(service("web", TaskTemplate={"ContainerSpec": container}, UpdateConfig=update))
    spec = (await inspected(api, "web"))["Spec"]
    shown = spec["TaskTemplate"]["ContainerSpec"]
    assert shown["Mounts"] == [{"Type": "bind", "Source": "/x", "Target": "/y"}]
    assert shown["Isolation"] == "default"
    assert "Monitor" not in spec["UpdateConfig"]


@pytest.mark.parametrize(
    ("container", "status", "message"),
    [
        (
            {"Mounts": [{"Type": "bind", "Target": "/y", "BindOptions": {"Propagation": "foo"}}]},
            400,
            'invalid MountPropagation: "foo"',
        ),
        (
            {"Privileges": {"Seccomp": {"Mode": "foo"}}},
            400,
            'rpc error: code = InvalidArgument desc = ContainerSpec: invalid Seccomp mode: "foo"',
        ),
        (
            {"Privileges": {"AppArmor": {"Mode": "foo"}}},
            400,
            'rpc error: code = InvalidArgument desc = ContainerSpec: invalid AppArmor mode: "foo"',
        ),
    ],
)
async def test_words_that_nobody_knows_are_refused(
    api: Api, container: dict[str, object], status: int, message: str
) -> None:
    template = {"ContainerSpec": {"Image": "busybox", **container}}
    refused = await api.refused("service_create", body=service(TaskTemplate=template))
    assert refused == (status, message)


async def test_of_the_engines_networks_services_join_two(api: Api) -> None:
    template = {"ContainerSpec": {"Image": "busybox"}, "Networks": [{"Target": "none"}]}
    refused = await api.refused("service_create", body=service(TaskTemplate=template))
    assert refused == (500, "network none not found")
