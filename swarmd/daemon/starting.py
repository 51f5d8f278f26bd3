"""What must hold before a daemon touches anything: its engine answers, its ports are free.

A daemon that is refused here has changed nothing, so whoever started it (systemd) may start it again
until it holds.  An engine that goes away later is waited for: the agent sees to that.
"""

import asyncio
import logging
from collections.abc import Callable

from swarmd.daemon.addresses import gossip_address
from swarmd.errors import EngineError, StateError
from swarmd.ports import (
    Address,
    Connection,
    Credentials,
    Engine,
    EngineInfo,
    Network,
    Seconds,
)

log = logging.getLogger(__name__)

#: A dockerd that starts together with swarmd answers within this on an idle machine; on a busier one
#: swarmd is started again.
ENGINE_S: Seconds = 6.0
AGAIN_S: Seconds = 0.5

SWARM_MODE = (
    "the engine beside swarmd is itself in swarm mode: run `docker swarm leave` on the engine's own "
    "socket, or give swarmd another engine"
)


async def reach(engine: Engine) -> EngineInfo:
    """What the engine says of itself.  Raises StateError if it has said nothing in time."""
    reason = f"the engine did not answer within {ENGINE_S:g} s"
    try:
        async with asyncio.timeout(ENGINE_S):
            while True:
                try:
                    return await engine.info()
                except EngineError as error:
                    if str(error) != reason:
                        log.warning(
                            "engine not reached", extra={"reason": error, "tried_for_s": ENGINE_S}
                        )
                    reason = str(error)
                await asyncio.sleep(AGAIN_S)
    except TimeoutError:
        raise StateError(
            f"{reason}: start or mend the engine, or name another one with --engine"
        ) from None


def is_in_swarm_mode(info: EngineInfo) -> bool:
    """Whether the engine has a swarm of its own, or has begun to join one."""
    return info.swarm_state not in ("inactive", "")


async def check_ports(
    network: Network, listen: Address, credentials: Callable[[], Credentials]
) -> None:
    """Bind the node's two ports and let them go.  Raises StateError that names the taken one."""
    gossip = gossip_address(listen)
    try:
        (await network.listen(listen, credentials, _hang_up)).close()
    except OSError as error:
        raise StateError(_taken("TCP", listen, error)) from error
    try:
        (await network.open_datagrams(gossip, lambda _data, _origin: None)).close()
    except OSError as error:
        raise StateError(_taken("UDP", gossip, error)) from error


async def _hang_up(connection: Connection) -> None:
    connection.close()


def _taken(protocol: str, address: Address, error: OSError) -> str:
    return (
        f"cannot listen on {protocol} {address} for the swarm's other nodes: {error}; "
        "end what has the port, or, if this machine's address has changed, leave the swarm and join anew"
    )
