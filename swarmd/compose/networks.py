"""Networks of a stack: which are made, under which names, and how services take part in them.

Network `front` of stack `shop` is `shop_front`, unless it says its own name; services are called by
their short name in it.  Only networks that a service uses are made.  Services that name none share
`default`, which need not be declared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.compose import model
from swarmd.compose.containers import NAMESPACE_LABEL, given
from swarmd.compose.document import Json, Place
from swarmd.compose.load import Loaded

#: Networks of each node's own, which exist everywhere and have no aliases.
PREDEFINED_NETWORKS = ("bridge", "host", "none", "default")

_DEFAULT_NETWORK = "default"


@dataclass(frozen=True, slots=True)
class StackNetwork:
    """A network that services of the stack use."""

    full_name: str
    is_external: bool
    #: the NetworkCreate; of no use for an external one
    body: Mapping[str, Json]
    #: where it is declared
    at: Place


def stack_networks(loaded: Loaded, stack: str) -> Sequence[StackNetwork]:
    """The networks of a stack, by their names in the files."""
    return [_stack_network(loaded, stack, name) for name in used_networks(loaded.model)]


def _stack_network(loaded: Loaded, stack: str, name: str) -> StackNetwork:
    network = loaded.model["networks"].get(name, {})
    full_name = _network_name(name, network, stack)
    return StackNetwork(
        full_name,
        bool(network.get("external")),
        _network_create(full_name, network, stack),
        loaded.place("networks", name),
    )


def used_networks(compose: model.Model) -> Sequence[str]:
    """Names of the networks in which some service takes part, sorted."""
    return sorted({name for one in compose["services"].values() for name in _networks_of(one)})


def attachments(loaded: Loaded, stack: str, service_name: str) -> list[Json]:
    """The service's part in its networks, sorted by target.  Raises ComposeError."""
    compose = loaded.model
    declared = compose["networks"]
    found: dict[str, Json] = {}
    for name, own in _networks_of(compose["services"][service_name]).items():
        if name not in declared and name != _DEFAULT_NETWORK:
            raise loaded.place("services", service_name, "networks", name).error(
                f'service {service_name}: undefined network "{name}"'
            )
        target = _network_name(name, declared.get(name, {}), stack)
        options = own or {}
        aliases = [*options.get("aliases", [])]
        if target not in PREDEFINED_NETWORKS:
            aliases.append(service_name)
        found[target] = given(
            {"Target": target, "Aliases": aliases, "DriverOpts": options.get("driver_opts")}
        )
    return [found[target] for target in sorted(found)]


def _networks_of(service: model.Service) -> Mapping[str, model.ServiceNetwork | None]:
    return service.get("networks") or {_DEFAULT_NETWORK: None}


def _network_name(name: str, network: model.Network, stack: str) -> str:
    return network.get("name") or f"{stack}_{name}"


def _network_create(full_name: str, network: model.Network, stack: str) -> dict[str, Json]:
    ipam = network.get("ipam", {})
    pools: list[Json] = [
        given(
            {
                "Subnet": pool.get("subnet"),
                "IPRange": pool.get("ip_range"),
                "Gateway": pool.get("gateway"),
            }
        )
        for pool in ipam.get("config", [])
    ]
    addresses: dict[str, Json] = {
        "Driver": ipam.get("driver"),
        "Config": pools,
        "Options": ipam.get("options"),
    }
    spec: dict[str, Json] = {
        "Name": full_name,
        "Driver": network.get("driver") or "overlay",
        "Options": network.get("driver_opts"),
        "EnableIPv6": network.get("enable_ipv6"),
        "Internal": network.get("internal"),
        "Attachable": network.get("attachable"),
        "IPAM": given(addresses),
        "Labels": {**network.get("labels", {}), NAMESPACE_LABEL: stack},
    }
    return given(spec)
