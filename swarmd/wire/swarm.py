"""The swarm itself in Docker's JSON: its settings, `init` and `join`, the `Swarm` of `/info`.

Source: moby api/types/swarm/swarm.go, daemon/cluster/convert/swarm.go.
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from swarmd.errors import UnsupportedError
from swarmd.model.assignment import ManagerAddress
from swarmd.model.base import Record
from swarmd.model.cluster import Cluster, ClusterSpec
from swarmd.model.node import Availability
from swarmd.ports import CertificateFacts
from swarmd.wire.codec import at_path, canonical, convert, parse, to_docker
from swarmd.wire.times import rfc3339

_TWO_MANAGERS = (
    "WARNING: Running Swarm in a two-manager configuration. This configuration provides no fault "
    "tolerance, and poses a high risk to lose control over the cluster. Refer to "
    "https://docs.docker.com/engine/swarm/admin_guide/ to configure the Swarm for fault-tolerance."
)


#: Pointers in Docker's spec: their zero is a value.
_MAY_BE_ZERO = ("TaskHistoryRetentionLimit", "KeepOldSnapshots")


class InitRequest(Record, frozen=True, kw_only=True):
    """`POST /swarm/init`; addresses and interfaces as the user gave them, or empty."""

    listen_addr: str = ""
    advertise_addr: str = ""
    data_path_addr: str = ""
    #: 0 = the default
    data_path_port: int = 0
    force_new_cluster: bool = False
    auto_lock_managers: bool = False
    availability: Availability = Availability.ACTIVE
    default_addr_pool: tuple[str, ...] = ()
    #: 0 = the default
    subnet_size: int = 0
    #: what the body says of `Spec` laid over the defaults
    spec: ClusterSpec


class JoinRequest(Record, frozen=True, kw_only=True):
    """`POST /swarm/join`."""

    listen_addr: str = ""
    advertise_addr: str = ""
    data_path_addr: str = ""
    remote_addrs: tuple[str, ...] = ()
    join_token: str = ""
    availability: Availability = Availability.ACTIVE


class UnlockRequest(Record, frozen=True, kw_only=True):
    """`POST /swarm/unlock`."""

    unlock_key: str = ""


class SpecChange(msgspec.Struct, frozen=True):
    """A body of `POST /swarm/update`: what it sets, to be laid over the present settings."""

    values: Mapping[str, Any]

    def over(self, spec: ClusterSpec) -> ClusterSpec:
        """The settings after it, as in Docker: most zeros set nothing; autolock is always set."""
        return convert(_laid_over(to_docker(spec), self.values), ClusterSpec)


def decode_init(body: bytes) -> InitRequest:
    """Raises msgspec.DecodeError, BadRequestError, UnsupportedError."""
    value = parse(body)
    if isinstance(value, dict):
        change = _change(value.get("Spec"))
        value = {**value, "Spec": to_docker(change.over(ClusterSpec(name="default", labels={})))}
    return convert(value, InitRequest)


def decode_update(body: bytes) -> SpecChange:
    """Raises msgspec.DecodeError, BadRequestError, UnsupportedError."""
    return _change(parse(body))


def _change(value: Any) -> SpecChange:
    """What a spec sets; decoded once against defaults, so that what is wrong is said now."""
    for path in ("CAConfig.ExternalCAs", "CAConfig.SigningCACert", "CAConfig.SigningCAKey"):
        if any(holder[key] for holder, key in at_path(value, path)):
            raise UnsupportedError(
                "external CAs and own signing certificates are not supported yet"
            )
    known = {} if value is None else canonical(value, ClusterSpec)
    if isinstance(known, dict):
        # Not what `canonical` filled in: these keep their present value if they were left out.
        given = {key.lower() for key, part in (value or {}).items() if part is not None}
        known = {key: part for key, part in known.items() if key.lower() in given}
    change = SpecChange(known)
    change.over(ClusterSpec(name="default", labels={}))
    return change


def _laid_over(base: Any, top: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(top, dict):
        return top
    out = dict(base)
    for key, part in top.items():
        if key == "Labels":
            out[key] = part
        elif part or isinstance(part, bool) or (key in _MAY_BE_ZERO and part is not None):
            out[key] = _laid_over(base.get(key), part)
    return out


# ---- writing


def cluster_info(cluster: Cluster, root: CertificateFacts) -> dict[str, Any]:
    """`ClusterInfo`: what `/swarm` and `/info` have in common."""
    return {
        "ID": cluster.id,
        "Version": {"Index": cluster.meta.version},
        "CreatedAt": rfc3339(cluster.meta.created_at),
        "UpdatedAt": rfc3339(cluster.meta.updated_at),
        "Spec": to_docker(cluster.spec),
        "TLSInfo": {
            "TrustRoot": cluster.root_certificate,
            "CertIssuerSubject": base64.b64encode(root.issuer_subject).decode(),
            "CertIssuerPublicKey": base64.b64encode(root.issuer_public_key).decode(),
        },
        "RootRotationInProgress": False,
        "DataPathPort": cluster.data_path_port,
        "DefaultAddrPool": list(cluster.default_addr_pool),
        "SubnetSize": cluster.subnet_size,
    }


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A node's part in a swarm, from memory."""

    #: inactive | pending | active | error | locked
    state: str = "inactive"
    #: it is active as a manager, and can answer for the cluster
    is_manager: bool = False
    error: str = ""
    node_id: str = ""
    node_address: str = ""
    managers: tuple[ManagerAddress, ...] = ()
    #: what a user of this node should know, each as the CLI prints it
    warnings: tuple[str, ...] = ()


def info_section(
    standing: Standing, cluster: Mapping[str, Any] | None, counts: tuple[int, int]
) -> dict[str, Any]:
    """`Swarm` of `/info`; `cluster` (ClusterInfo) and counts of (nodes, managers) are a manager's."""
    managers = sorted(standing.managers, key=lambda m: m.node_id)
    section: dict[str, Any] = {
        "NodeID": standing.node_id,
        "NodeAddr": standing.node_address,
        "LocalNodeState": standing.state,
        "ControlAvailable": standing.is_manager,
        "Error": standing.error,
        "RemoteManagers": [{"NodeID": m.node_id, "Addr": m.address} for m in managers] or None,
    }
    said = list(standing.warnings)
    if standing.is_manager and cluster is not None:
        nodes, manager_count = counts
        said += [_TWO_MANAGERS] if manager_count == 2 else []
        section |= {"Nodes": nodes, "Managers": manager_count, "Cluster": cluster}
    return section | ({"Warnings": said} if said else {})
