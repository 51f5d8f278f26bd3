"""The cluster's networks, as the merged paths ask for them."""

from typing import Any

import msgspec
import pytest

from swarmd.api import respond
from swarmd.api.message import Response
from swarmd.engine.version import NEWEST_API, ApiVersion
from swarmd.errors import ConflictError, NotFoundError, PreconditionError, SwarmError
from swarmd.model.ids import ServiceID
from tests.unit.api_nouns.parts import Api, request, service

NET1 = {"Name": "net1", "Driver": "overlay", "Attachable": True, "Labels": {"k": "v"}}


async def listed(api: Api, version: ApiVersion = NEWEST_API) -> list[dict[str, Any]]:
    documents = await api.nouns.networks.list(request(version=version))
    return [msgspec.json.decode(document) for document in documents]


async def create(api: Api, body: object) -> str:
    answer = await api.nouns.networks.create(request(body=body))
    assert answer.status == 201
    assert isinstance(answer.body, bytes)
    document = msgspec.json.decode(answer.body)
    assert document["Warning"] == ""
    return str(document["Id"])


async def refusal(api: Api, body: object) -> Response:
    with pytest.raises(SwarmError) as raised:
        await api.nouns.networks.create(request(body=body))
    return respond.refusal(raised.value)


async def test_a_network_is_shown_as_docker_shows_it(api: Api) -> None:
    """The JSON of the reference's appendix: on a manager without a local endpoint."""
    identity = await create(api, NET1)
    await api.cluster.settle()
    _, shown = await listed(api)
    assert shown.pop("Created").startswith("2026-11-21T05:49:43")
    assert shown == {
        "Name": "net1",
        "Id": identity,
        "Scope": "swarm",
        "Driver": "overlay",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Options": None,
            "Config": [{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1"}],
        },
        "Internal": False,
        "Attachable": True,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": None,
        "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097"},
        "Labels": {"k": "v"},
    }


async def test_a_network_without_labels_shows_none(api: Api) -> None:
    await create(api, {"Name": "bare", "Driver": "overlay"})
    assert (await listed(api))[1]["Labels"] is None


async def test_what_is_null_is_as_good_as_absent(api: Api) -> None:
    """The SDK for Python writes out all that it does not set."""
    config = {"Subnet": "10.9.0.0/24", "IPRange": None, "Gateway": None, "AuxiliaryAddresses": None}
    nothing = dict.fromkeys(("Labels", "Options", "Ingress", "ConfigFrom", "EnableIPv6"))
    ipam = {"Driver": "default", "Config": [config], "Options": None}
    await create(api, {"Name": "n", "Driver": "overlay", "IPAM": ipam, **nothing})
    await api.cluster.settle()
    assert (await listed(api))[1]["IPAM"]["Config"] == [
        {"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}
    ]


async def test_who_looks_for_a_service_s_network_finds_the_engines_own(api: Api) -> None:
    """`docker service create --network host` asks for it in the scope of the swarm."""
    documents = await api.nouns.networks.list(request(query={"scope": "swarm"}))
    shown = [msgspec.json.decode(document) for document in documents]
    assert [network["Name"] for network in shown] == ["ingress", "host", "bridge"]
    assert shown[1]["Id"] == shown[1]["Driver"] == "host"
    assert shown[1]["Labels"] == {"com.docker.swarm.predefined": "true"}
    identity = await api.create(
        service(TaskTemplate={"ContainerSpec": {"Image": "i"}, "Networks": [{"Target": "host"}]})
    )
    assert api.cluster.view().services()[ServiceID(identity)].virtual_ips == ()


async def test_an_older_client_does_not_hear_of_ipv4(api: Api) -> None:
    (shown,) = await listed(api, ApiVersion(1, 47))
    assert "EnableIPv4" not in shown


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"Name": "ingress", "Driver": "overlay"}, 409, "network with name ingress already exists"),
        (
            {"Name": "a b", "Driver": "overlay"},
            400,
            "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component",
        ),
        (
            {"Name": "two", "Ingress": True},
            409,
            "ingress network (ingressid) is already present",
        ),
        (
            {"Name": "two", "Ingress": True, "Attachable": True},
            400,
            "rpc error: code = InvalidArgument desc = ingress network cannot be attachable",
        ),
        (
            {"Name": "two", "Ingress": True, "Driver": "bridge"},
            501,
            (
                "rpc error: code = Unimplemented desc = only overlay driver is currently supported for "
                "ingress network"
            ),
        ),
        (
            {"Name": "bridge", "Driver": "overlay"},
            403,
            "operation is not permitted on predefined bridge network ",
        ),
        (
            {"Name": "n", "IPAM": {"Config": [{"Subnet": "zz"}]}},
            400,
            "invalid network config:\ninvalid subnet zz: invalid CIDR block notation",
        ),
        (
            {"Name": "n", "IPAM": {"Config": [{"Subnet": "10.0.0.0/16"}]}},
            403,
            "Pool overlaps with other one on this address space",
        ),
        (
            {"Name": "n", "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.8.0.1"}]}},
            400,
            (
                "invalid network config:\ninvalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 "
                "doesn't contain this address"
            ),
        ),
        (
            {"Name": "n", "IPAM": {"Config": [{"Subnet": "10.9.0.5/24"}, {}]}},
            400,
            (
                "invalid network config:\n* invalid subnet 10.9.0.5/24: it should be 10.9.0.0/24\n"
                "* invalid subnet : invalid CIDR block notation"
            ),
        ),
        (
            {
                "Name": "n",
                "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "IPRange": "10.8.0.3/16"}]},
            },
            400,
            (
                "invalid network config:\n"
                "* invalid ip-range 10.8.0.3/16: CIDR block is bigger than its parent subnet "
                "10.9.0.0/24\n"
                "* invalid ip-range 10.8.0.3/16: parent subnet 10.9.0.0/24 doesn't contain ip-range\n"
                "* invalid ip-range 10.8.0.3/16: it should be 10.8.0.0/16"
            ),
        ),
        (
            {
                "Name": "n",
                "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "AuxiliaryAddresses": {"a": "x"}}]},
            },
            400,
            "invalid network config:\ninvalid auxiliary address a: invalid address",
        ),
        (
            {"Name": "n", "EnableIPv4": False},
            400,
            "IPv4 cannot be disabled in a Swarm scoped network",
        ),
        (
            {"Name": "n", "Options": {"com.docker.network.driver.mtu": "9k"}},
            400,
            (
                "rpc error: code = InvalidArgument desc = invalid value '9k' of "
                "com.docker.network.driver.mtu: it must be a number from 68 to 65535"
            ),
        ),
        (
            {"Name": "n", "Options": {"com.docker.network.driver.mtu": "67"}},
            400,
            (
                "rpc error: code = InvalidArgument desc = invalid value '67' of "
                "com.docker.network.driver.mtu: it must be a number from 68 to 65535"
            ),
        ),
        ({"Name": ""}, 400, "invalid name: name is empty"),
        ({"Name": 5}, 400, "invalid JSON: Expected `str`, got `int` - at `$.Name`"),
    ],
)
async def test_a_create_is_refused_in_docker_s_words(
    api: Api, body: object, status: int, message: str
) -> None:
    answer = await refusal(api, body)
    assert answer == respond.error(status, message)


@pytest.mark.parametrize(
    "body",
    [
        {"Name": "n", "EnableIPv6": True},
        {"Name": "n", "Driver": "macvlan"},
        {"Name": "n", "ConfigOnly": True},
        {"Name": "n", "ConfigFrom": {"Network": "x"}},
        {"Name": "n", "IPAM": {"Driver": "dhcp"}},
        {"Name": "n", "IPAM": {"Config": [{"Subnet": "fd00::/64"}]}},
        {"Name": "n", "Options": {"encrypted": ""}},
    ],
)
async def test_what_is_not_done_yet_is_refused_and_not_ignored(api: Api, body: object) -> None:
    answer = await refusal(api, body)
    assert answer.status == 501
    assert isinstance(answer.body, bytes)
    assert b"not supported yet" in answer.body


async def test_a_subnet_of_the_user_s_choice_is_used(api: Api) -> None:
    config = {"Subnet": "172.30.5.0/24", "Gateway": "172.30.5.254"}
    await create(api, {"Name": "n", "IPAM": {"Driver": "default", "Config": [config]}})
    await api.cluster.settle()
    _, shown = await listed(api)
    assert shown["IPAM"]["Config"] == [config]


async def test_a_network_in_use_stays(api: Api) -> None:
    identity = await create(api, NET1)
    template = {"ContainerSpec": {"Image": "busybox"}, "Networks": [{"Target": "net1"}]}
    service_id = await api.create(service(TaskTemplate=template, replicas=1))
    await api.cluster.settle()
    with pytest.raises(PreconditionError, match=f"{identity} is in use by service {service_id}"):
        await api.nouns.networks.remove(identity, request())
    alone = service(TaskTemplate={"ContainerSpec": {"Image": "busybox"}}, replicas=1)
    version = str(api.cluster.view().services()[ServiceID(service_id)].meta.version)
    await api.ask("service_update", id="web", body=alone, query={"version": version})
    with pytest.raises(PreconditionError, match=f"network {identity} is in use by task "):
        await api.nouns.networks.remove(identity, request())
    await api.ask("service_remove", id="web")
    assert (await api.nouns.networks.remove(identity, request())).status == 204
    with pytest.raises(NotFoundError):
        await api.nouns.networks.remove(identity, request())


async def test_the_ingress_network_stays_while_ports_are_published(api: Api) -> None:
    ports = {"Ports": [{"TargetPort": 80, "PublishedPort": 80}]}
    identity = await api.create(service(EndpointSpec=ports))
    with pytest.raises(PreconditionError, match=f"because service {identity} depends on it"):
        await api.nouns.networks.remove("ingressid", request())
    await api.ask("service_remove", id="web")
    assert (await api.nouns.networks.remove("ingressid", request())).status == 204
    status, message = await api.refused("service_create", body=service("b", EndpointSpec=ports))
    assert status == 400
    assert message.endswith("service needs ingress network, but no ingress network is present")


async def test_two_networks_of_one_name_are_refused_whatever_their_case(api: Api) -> None:
    await create(api, NET1)
    with pytest.raises(ConflictError):
        await api.nouns.networks.create(request(body={**NET1, "Name": "NET1"}))
