"""`/swarm`: found, join, leave, inspect, change.

Founding, joining and leaving are about this node and are answered here; the rest is the leader's.
"""

import ipaddress
from collections.abc import Mapping

from swarmd.api import decide_swarm, respond
from swarmd.api.cluster import Call, CallHandler, Cluster
from swarmd.api.message import Handler, Request, Response
from swarmd.api.read import read_json, read_object_version
from swarmd.ca.tokens import SECRET_BYTES, join_token, new_secret
from swarmd.errors import (
    BadRequestError,
    ConflictError,
    InvalidArgumentError,
    UnavailableError,
    UnsupportedError,
)
from swarmd.wire.codec import decode
from swarmd.wire.swarm import (
    JoinRequest,
    SpecChange,
    UnlockRequest,
    cluster_info,
    decode_init,
    decode_update,
)

_IN_SWARM = (
    'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join '
    "another one."
)
_NOT_IN_SWARM = "This node is not part of a swarm"
_LEAVING = "You are attempting to leave the swarm on a node that is participating as a manager. "
_LAST = (
    "Removing the last manager erases all current state of the swarm. Use `--force` to ignore this "
    "message. "
)
_RESTORE = (
    "The only way to restore a swarm that has lost consensus is to reinitialize it with "
    "`--force-new-cluster`. Use `--force` to suppress this message."
)
_PORTS = range(1024, 49152)
_MAX_SUBNET_SIZE = 29


# ---- on the leader


async def inspect(call: Call) -> Response:
    """The swarm's settings and join tokens."""
    cluster = call.view.cluster
    if cluster is None:
        raise UnavailableError("this manager has not caught up yet")
    tokens = {
        "Worker": join_token(cluster.root_certificate, cluster.join_secrets.worker),
        "Manager": join_token(cluster.root_certificate, cluster.join_secrets.manager),
    }
    info = cluster_info(cluster, call.cluster.root_facts())
    return respond.json({**info, "JoinTokens": tokens})


async def update(call: Call) -> Response:
    """Changed settings; new join tokens if asked for.  There is no unlock key to rotate yet."""
    request = call.request
    version = read_object_version(request, "swarm")
    change = read_json(request, decode_update, SpecChange({}))
    secrets = {
        role: new_secret(call.cluster.token(SECRET_BYTES)) if request.flag(flag) else ""
        for role, flag in (("worker", "rotateWorkerToken"), ("manager", "rotateManagerToken"))
    }
    await call.write(decide_swarm.update(version, change, **secrets))
    return respond.empty()


async def unlock_key(call: Call) -> Response:
    """Empty, as in a swarm whose managers are not locked."""
    del call
    return respond.json({"UnlockKey": ""})


HANDLERS: Mapping[str, CallHandler] = {
    "swarm_inspect": inspect,
    "swarm_update": update,
    "swarm_unlock_key": unlock_key,
}


# ---- on the node that was asked


class Membership:
    """Handlers of what makes this node part of a swarm, and of what ends it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def handlers(self) -> Mapping[str, Handler]:
        """By route name."""
        return {
            "swarm_init": self.init,
            "swarm_join": self.join,
            "swarm_leave": self.leave,
            "swarm_unlock": self.unlock,
        }

    async def init(self, request: Request) -> Response:
        """Found a swarm; the answer is this node's id."""
        asked = read_json(request, decode_init, decode_init(b"{}"))
        self._require_outside()
        if asked.force_new_cluster:
            raise UnsupportedError("founding a swarm anew from an old state is not supported yet")
        if asked.auto_lock_managers:
            raise UnsupportedError("locking managers (autolock) is not supported yet")
        decide_swarm.check_spec(asked.spec)
        if asked.data_path_port and asked.data_path_port not in _PORTS:
            raise InvalidArgumentError(
                f"Datapath port number is not in valid range (1024-49151) : {asked.data_path_port}"
            )
        _check_pools(asked.default_addr_pool, asked.subnet_size)
        return respond.json(await self._cluster.init(asked))

    async def join(self, request: Request) -> Response:
        """Join the swarm of the managers named, in the role that the token is for."""
        asked = read_json(request, lambda body: decode(body, JoinRequest), JoinRequest())
        self._require_outside()
        if not asked.remote_addrs:
            raise BadRequestError("at least 1 RemoteAddr is required to join")
        if not asked.join_token:
            raise BadRequestError("A valid join token is necessary to join this cluster")
        await self._cluster.join(asked)
        return respond.empty()

    async def leave(self, request: Request) -> Response:
        """Leave; a manager only by force, because it may take the swarm's state with it."""
        standing = self._cluster.standing()
        if standing.state == "inactive":
            raise UnavailableError(_NOT_IN_SWARM)
        if standing.is_manager and not request.flag("force"):
            raise UnavailableError(_LEAVING + self._what_is_lost())
        await self._cluster.leave()
        return respond.empty()

    async def unlock(self, request: Request) -> Response:
        """No swarm is locked yet."""
        read_json(request, lambda body: decode(body, UnlockRequest), UnlockRequest())
        if self._cluster.standing().state == "inactive":
            raise UnavailableError(_NOT_IN_SWARM)
        raise ConflictError("swarm is not locked")

    def _require_outside(self) -> None:
        if self._cluster.standing().state != "inactive":
            raise UnavailableError(_IN_SWARM)

    def _what_is_lost(self) -> str:
        """What Docker says of the managers that would remain."""
        statuses = self._cluster.manager_statuses().values()
        reachable = sum(status.is_reachable for status in statuses)
        unreachable = len(statuses) - reachable
        if len(statuses) <= 1:
            return _LAST
        if reachable - 2 <= unreachable:
            return (
                f"Removing this node leaves {reachable - 1} managers out of {len(statuses)}. "
                "Without a Raft quorum your swarm will be inaccessible. " + _RESTORE
            )
        return "Doing so may lose the consensus of your cluster. " + _RESTORE


def _check_pools(pools: tuple[str, ...], size: int) -> None:
    """Raise unless every pool is CIDR and holds at least one subnet of that size."""
    if size > _MAX_SUBNET_SIZE or size < 0:
        raise InvalidArgumentError(f"subnet size is out of range: {size}")
    for pool in pools:
        try:
            network = ipaddress.ip_network(pool)
        except ValueError:
            raise InvalidArgumentError(f'invalid CIDR: "{pool}"') from None
        if network.version != 4:
            raise UnsupportedError("IPv6 address pools are not supported yet")
        if size and network.prefixlen > size:
            raise InvalidArgumentError(
                f"invalid CIDR: {pool} is smaller than the subnets of size {size} to be cut from it"
            )
