"""What a node says of itself: the engine's facts and the daemon's, put together.

A pass.  While the engine has never answered, the node describes itself with what the daemon knows,
so that it is listed under its name.
"""

import msgspec

from swarmd.model.node import EngineDescription, NodeDescription, Plugin, Resources, TLSInfo
from swarmd.model.spec import GenericResource, Platform
from swarmd.ports import EngineInfo

#: swarmd brings it to every engine.
_OVERLAY = Plugin(type="Network", name="overlay")


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon knows of its node."""

    #: used until the engine has told its own
    hostname: str
    #: `--node-generic-resource`
    generic_resources: tuple[GenericResource, ...] = ()
    tls_info: TLSInfo | None = None
    #: address for VXLAN; empty = the node's address
    data_path_address: str = ""
    #: of the host's own links
    subnets: tuple[str, ...] = ()


def describe(info: EngineInfo | None, facts: NodeFacts) -> NodeDescription:
    """The description; plugins are sorted by type and name, as Docker shows them."""
    if info is None:
        return NodeDescription(
            hostname=facts.hostname,
            resources=Resources(generic_resources=facts.generic_resources),
            tls_info=facts.tls_info,
            data_path_address=facts.data_path_address,
            subnets=facts.subnets,
        )
    found = {Plugin(type=kind, name=name) for kind, name in info.plugins} | {_OVERLAY}
    return NodeDescription(
        hostname=info.hostname or facts.hostname,
        platform=Platform(architecture=info.architecture, os=info.os),
        resources=Resources(
            nano_cpus=info.nano_cpus,
            memory_bytes=info.memory_bytes,
            generic_resources=facts.generic_resources,
        ),
        engine=EngineDescription(
            engine_version=info.engine_version,
            labels=info.labels,
            plugins=tuple(sorted(found, key=lambda plugin: (plugin.type, plugin.name))),
        ),
        tls_info=facts.tls_info,
        data_path_address=facts.data_path_address,
        subnets=facts.subnets,
    )
