"""Nodes in Docker's JSON.  Source: moby api/types/swarm/node.go, daemon/cluster/convert/node.go."""

from typing import Any

import msgspec

from swarmd.model.node import Node, NodeDescription, NodeSpec
from swarmd.wire.codec import decode, to_docker
from swarmd.wire.times import rfc3339


class ManagerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the leader sees of a manager."""

    is_leader: bool
    is_reachable: bool


def decode_spec(body: bytes) -> NodeSpec:
    """Raises msgspec.DecodeError, or BadRequestError for an unknown role or availability."""
    return decode(body, NodeSpec)


def encode(node: Node, manager: ManagerStatus | None) -> bytes:
    """What a client inspects; `manager` is None for a worker."""
    meta = node.meta
    document: dict[str, Any] = {
        "ID": node.id,
        "Version": {"Index": meta.version},
        "CreatedAt": rfc3339(meta.created_at),
        "UpdatedAt": rfc3339(meta.updated_at),
        "Spec": to_docker(node.spec),
        "Description": _description(node.description or NodeDescription()),
        "Status": _status(node),
    }
    if node.member is not None:
        document["ManagerStatus"] = _manager(node.member.address, manager)
    return msgspec.json.encode(document)


def _description(description: NodeDescription) -> dict[str, Any]:
    """Docker shows every part, also of a node that has not described itself yet."""
    engine = description.engine
    document: dict[str, Any] = {
        "Hostname": description.hostname,
        "Platform": {
            "Architecture": description.platform.architecture,
            "OS": description.platform.os,
        },
        "Resources": {
            "NanoCPUs": description.resources.nano_cpus,
            "MemoryBytes": description.resources.memory_bytes,
        },
        "Engine": {
            "EngineVersion": engine.engine_version,
            **({"Labels": engine.labels} if engine.labels else {}),
            "Plugins": to_docker(engine.plugins),
        },
        "TLSInfo": to_docker(description.tls_info) if description.tls_info else {},
    }
    if description.resources.generic_resources:
        generic = to_docker(description.resources.generic_resources)
        document["Resources"]["GenericResources"] = generic
    return document


def _status(node: Node) -> dict[str, str]:
    message = node.status.message
    if not message and not node.status.engine_reachable:
        message = "engine not reachable"
    parts = {"State": node.status.state.value, "Message": message, "Addr": node.status.addr}
    return {name: part for name, part in parts.items() if part}


def _manager(address: str, status: ManagerStatus | None) -> dict[str, Any]:
    reachability = "unknown"
    if status is not None:
        reachability = "reachable" if status.is_reachable else "unreachable"
    leader = {"Leader": True} if status is not None and status.is_leader else {}
    return {**leader, "Reachability": reachability, "Addr": address}
