"""Networks of the cluster in Docker's JSON: as users inspect them, and as tasks carry them.

The two forms differ: `GET /networks/{id}` has the engine's shape ("Id", "IPAM"), a task's
`NetworksAttachments` the cluster's ("ID", "IPAMOptions").
Source: moby api/types/network, api/types/swarm/network.go, daemon/cluster/convert/network.go.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

from swarmd.errors import BadRequestError, UnsupportedError
from swarmd.model.base import Labels
from swarmd.model.network import IPAMConfig, Network, NetworkSpec
from swarmd.ports import Timestamp
from swarmd.wire.codec import decode
from swarmd.wire.ipam import Subnet, ipam_configs
from swarmd.wire.times import rfc3339

VXLAN_IDS = "com.docker.network.driver.overlay.vxlanid_list"
MTU = "com.docker.network.driver.mtu"
ENABLE_IPV4_SINCE = (1, 48)


def prefixed(address: str, network: Network) -> str:
    """`10.0.1.3` → `10.0.1.3/24`: with the length of the subnet that holds it."""
    if len(network.subnets) == 1:
        return f"{address}/{network.subnets[0].subnet.partition('/')[2]}"
    ip = ipaddress.ip_address(address)
    for config in network.subnets:
        subnet = ipaddress.ip_network(config.subnet, strict=False)
        if ip in subnet:
            return f"{address}/{subnet.prefixlen}"
    return f"{address}/{ip.max_prefixlen}"


# ---- reading


class _Ipam(msgspec.Struct, frozen=True):
    driver: str | None = msgspec.field(name="Driver", default=None)
    options: dict[str, str] | None = msgspec.field(name="Options", default=None)
    config: tuple[Subnet, ...] | None = msgspec.field(name="Config", default=None)


class _From(msgspec.Struct, frozen=True):
    network: str = msgspec.field(name="Network", default="")


class _Create(msgspec.Struct, frozen=True):
    """`POST /networks/create`."""

    name: str = msgspec.field(name="Name", default="")
    driver: str = msgspec.field(name="Driver", default="")
    enable_ipv4: bool | None = msgspec.field(name="EnableIPv4", default=None)
    enable_ipv6: bool | None = msgspec.field(name="EnableIPv6", default=None)
    ipam: _Ipam | None = msgspec.field(name="IPAM", default=None)
    internal: bool = msgspec.field(name="Internal", default=False)
    attachable: bool = msgspec.field(name="Attachable", default=False)
    ingress: bool = msgspec.field(name="Ingress", default=False)
    config_only: bool = msgspec.field(name="ConfigOnly", default=False)
    config_from: _From | None = msgspec.field(name="ConfigFrom", default=None)
    options: dict[str, str] | None = msgspec.field(name="Options", default=None)
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)


def decode_create(body: bytes) -> NetworkSpec:
    """What a user asks for.  Raises msgspec.DecodeError, BadRequestError, UnsupportedError."""
    asked = decode(body, _Create)
    _refuse(asked)
    ipam = asked.ipam or _Ipam()
    return NetworkSpec(
        name=asked.name,
        labels=asked.labels or {},
        driver=asked.driver or "overlay",
        options=asked.options or {},
        internal=asked.internal,
        attachable=asked.attachable,
        ingress=asked.ingress,
        ipam_configs=ipam_configs(ipam.config or ()),
    )


def _refuse(asked: _Create) -> None:
    """Raise for what no network of the cluster can do yet."""
    ipam = asked.ipam or _Ipam()
    refused = {
        "configuration-only networks": asked.config_only
        or bool((asked.config_from or _From()).network),
        f"the IPAM driver {ipam.driver}": ipam.driver not in (None, "", "default"),
        "IPAM options": bool(ipam.options),
        "IPv6": bool(asked.enable_ipv6),
    }
    if asked.enable_ipv4 is False:
        raise BadRequestError("IPv4 cannot be disabled in a Swarm scoped network")
    for what, is_asked in refused.items():
        if is_asked:
            raise UnsupportedError(f"{what} in networks of the swarm: not supported yet")


# ---- writing


def _options(network: Network) -> Labels:
    """The user's, and the VXLAN's number once there is one."""
    given = {VXLAN_IDS: str(network.vni)} if network.vni else {}
    return {**given, **network.spec.options}


def encode(network: Network, version: tuple[int, int]) -> bytes:
    """As `GET /networks/{id}` shows it on a node without containers in it."""
    spec = network.spec
    document: dict[str, Any] = {
        "Name": spec.name,
        "Id": network.id,
        "Created": rfc3339(network.meta.created_at),
        "Scope": "swarm",
        "Driver": spec.driver,
        "EnableIPv4": True,
        "EnableIPv6": spec.enable_ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": _configs(network)},
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": spec.ingress,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": None,
        "Options": _options(network),
        "Labels": spec.labels or None,
    }
    return _for_version(document, version)


def encode_predefined(name: str, created_at: Timestamp, version: tuple[int, int]) -> bytes:
    """One of the engines' own networks as Docker's swarm shows it to who is to attach a service.

    Docker gives it an id; here the name does, which is what specs and engines know it by.
    """
    document: dict[str, Any] = {
        "Name": name,
        "Id": name,
        "Created": rfc3339(created_at),
        "Scope": "swarm",
        "Driver": name,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "", "Options": None, "Config": []},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": None,
        "Options": None,
        "Labels": {"com.docker.swarm.predefined": "true"},
    }
    return _for_version(document, version)


def _for_version(document: dict[str, Any], version: tuple[int, int]) -> bytes:
    if version < ENABLE_IPV4_SINCE:
        del document["EnableIPv4"]
    return msgspec.json.encode(document)


def _configs(network: Network) -> list[dict[str, str]]:
    return [_config(config) for config in network.subnets or network.spec.ipam_configs]


def _config(config: IPAMConfig) -> dict[str, str]:
    parts = {"Subnet": config.subnet, "IPRange": config.ip_range, "Gateway": config.gateway}
    return {name: part for name, part in parts.items() if part}


def attached(network: Network) -> msgspec.Raw:
    """The network inside a task's `NetworksAttachments`."""
    spec, meta = network.spec, network.meta
    document = {
        "ID": network.id,
        "Version": {"Index": meta.version},
        "CreatedAt": rfc3339(meta.created_at),
        "UpdatedAt": rfc3339(meta.updated_at),
        "Spec": {
            "Name": spec.name,
            "Labels": spec.labels,
            "DriverConfiguration": _driver(spec),
            **({"Internal": True} if spec.internal else {}),
            **({"Attachable": True} if spec.attachable else {}),
            **({"Ingress": True} if spec.ingress else {}),
            "IPAMOptions": {
                "Driver": {},
                **({"Configs": list(map(_config, spec.ipam_configs))} if spec.ipam_configs else {}),
            },
            "Scope": "swarm",
        },
        "DriverState": {"Name": spec.driver, "Options": _options(network)},
        "IPAMOptions": {"Driver": {"Name": "default"}, "Configs": _configs(network)},
    }
    return msgspec.Raw(msgspec.json.encode(document))


def _driver(spec: NetworkSpec) -> Mapping[str, object]:
    if spec.ingress:
        return {}
    return {"Name": spec.driver, **({"Options": spec.options} if spec.options else {})}
