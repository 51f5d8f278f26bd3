"""`swarmd daemon`: the real ports, the API's sockets, signals."""

import asyncio
import gc
import logging
import platform
import signal
from pathlib import Path

import uvloop

import swarmd
from swarmd.agent.description import NodeFacts
from swarmd.api.front import Front
from swarmd.api.info import SwarmInfo
from swarmd.api.merged import Merged
from swarmd.api.merged_events import MergedEvents
from swarmd.api.merged_networks import MergedNetworks
from swarmd.api.server import Server
from swarmd.api.upstream import Upstream
from swarmd.ca.crypto import X509Crypto
from swarmd.config import DaemonConfig
from swarmd.daemon.daemon import Daemon
from swarmd.daemon.logs import set_up
from swarmd.daemon.node import NodeSettings
from swarmd.daemon.ports import Ports
from swarmd.dns.sockets import listen
from swarmd.dns.upstreams import upstreams
from swarmd.engine.client import DockerEngine
from swarmd.errors import InvalidArgumentError, StateError, SwarmError
from swarmd.lib.tasks import leaves
from swarmd.model.spec import DiscreteResource, GenericResource, NamedResource
from swarmd.net.clock import SystemClock, SystemRandom
from swarmd.net.disk import FileDisk
from swarmd.net.kernel import LinuxKernel
from swarmd.net.streams import TLSNetwork

log = logging.getLogger(__name__)

GOODBYE_S = 3.0


def main(config: DaemonConfig) -> int:
    """Run until SIGTERM or SIGINT; the exit status.  What keeps it from running is logged."""
    set_up(config.log_level, config.log_format)
    try:
        uvloop.run(run(config))
    except (SwarmError, OSError, ExceptionGroup) as error:
        for leaf in leaves(error):
            if not isinstance(leaf, SwarmError | OSError):
                raise
            where = {"state_dir": config.state_dir, "engine": config.engine}
            log.error(str(leaf), extra=where)  # noqa: TRY400  a sentence for the operator, no trace
        return 1
    return 0


async def run(config: DaemonConfig) -> None:
    """The daemon on this machine, until a signal."""
    engine_path = _socket_path(config.engine)
    settings = NodeSettings(
        facts=NodeFacts(
            hostname=platform.node(),
            generic_resources=generic_resources(config.node_generic_resources),
        ),
        upstreams=upstreams(_resolv_conf()),
    )
    disk = FileDisk(Path(config.state_dir))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    upstream = Upstream(engine_path)
    await upstream.open()
    try:
        async with DockerEngine(engine_path) as engine:
            ports = Ports(
                clock=SystemClock(),
                random=SystemRandom(),
                crypto=X509Crypto(),
                disk=disk,
                network=TLSNetwork(),
                engine=engine,
                kernel=LinuxKernel(),
                resolver_sockets=listen,
            )
            daemon = Daemon(
                ports, settings, default_advertise_address=config.swarm_default_advertise_addr
            )
            if await _has_started(daemon, stop):
                await _serve(config, daemon, upstream, stop)
    finally:
        await upstream.close()
        disk.close()


async def _has_started(daemon: Daemon, stop: asyncio.Event) -> bool:
    """False if the signal came first.  Raises what `start` raises."""
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(daemon.start())

        async def stopped() -> None:
            await stop.wait()
            starting.cancel()

        stopping = group.create_task(stopped())
        await asyncio.wait([starting])
        stopping.cancel()
    return not starting.cancelled()


async def _serve(
    config: DaemonConfig, daemon: Daemon, upstream: Upstream, stop: asyncio.Event
) -> None:
    merged = Merged(upstream, SwarmInfo(daemon), release=swarmd.__version__)
    networks = MergedNetworks(upstream, daemon.nouns.networks)
    events = MergedEvents(upstream, daemon.nouns.events, SystemClock().wall)
    front = Front(
        merged.handlers(), networks.handlers(), events.handlers(), daemon.nouns.handlers()
    )
    async with asyncio.TaskGroup() as group:
        # The node touches its files and the machine only when all sockets are bound.
        async with Server(config.hosts, front, upstream):
            running = group.create_task(daemon.run())
            calm_collector()
            log.info("serving", extra={"hosts": ",".join(config.hosts), "engine": config.engine})
            await stop.wait()
            log.info("stopping")
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await daemon.goodbye()
            except TimeoutError:
                log.info("stopped without a goodbye")
        running.cancel()


def _resolv_conf() -> str:
    try:
        return Path("/etc/resolv.conf").read_text()
    except OSError:
        return ""


def calm_collector() -> None:
    """Keep the collector from holding the loop.

    What start-up made lives as long as the process, and records are not tracked: neither need be
    looked at.  A collection costs what it looks at, so the young are looked at in small portions and
    the old, a tenth of a second at 100,000 tasks, seldom.
    """
    gc.freeze()
    gc.set_threshold(5_000, 10, 1_000)


def _socket_path(engine: str) -> str:
    if not engine.startswith("unix://"):
        raise StateError(f"--engine {engine}: give the engine's socket as unix:///path")
    return engine.removeprefix("unix://")


def generic_resources(flags: tuple[str, ...]) -> tuple[GenericResource, ...]:
    """`gpu=2` is a count; `gpu=a` and `gpu=b` name units.  Raises InvalidArgumentError."""
    found = []
    for flag in flags:
        kind, is_pair, value = flag.partition("=")
        if not (kind and is_pair and value):
            raise InvalidArgumentError(f"--node-generic-resource {flag}: give it as NAME=VALUE")
        if value.isdecimal():
            discrete = DiscreteResource(kind=kind, value=int(value))
            found.append(GenericResource(discrete_resource_spec=discrete))
        else:
            named = NamedResource(kind=kind, value=value)
            found.append(GenericResource(named_resource_spec=named))
    return tuple(found)
