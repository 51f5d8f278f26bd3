"""A look at the node, and the carrying out of what a plan says, through the ports.

Nothing is decided here but what follows from a refusal: the engine keeps a network while containers
are attached, and does not make one whose subnet it uses elsewhere.  The other networks go on.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from swarmd.errors import EngineError
from swarmd.model.dataplane import DataPlane
from swarmd.model.devices import NETWORK_LABEL
from swarmd.model.ids import NetworkID
from swarmd.overlay.ends import attach_lines, ends_command
from swarmd.overlay.observe import FORWARDING, LINKS, NEIGHBOURS, Link, Observed, read
from swarmd.overlay.plan import NetworkWork, Work, plan
from swarmd.overlay.unlisted import conflict, unlisted_words
from swarmd.ports import Engine, Kernel

log = logging.getLogger(__name__)

#: The engine's own status for a subnet that is in use.
_FORBIDDEN = 403


class Outcome(msgspec.Struct, frozen=True):
    """What came of a plan."""

    standing: frozenset[NetworkID]
    #: networks that do not stand, and why; others wait for something that is still there
    refused: dict[NetworkID, EngineError]
    #: False: something that should be gone is still there
    is_tidy: bool


async def observe(engine: Engine, kernel: Kernel) -> Observed:
    """Raises EngineError or OSError, ValueError if a tool says what cannot be read."""
    networks = await engine.list_networks(NETWORK_LABEL)
    return read(
        networks,
        await kernel.output(*LINKS),
        await kernel.output(*NEIGHBOURS),
        await kernel.output(*FORWARDING),
    )


async def look_at_links(kernel: Kernel) -> Mapping[str, Link]:
    """By name, without the engine.  Raises OSError, ValueError if `ip` says what cannot be read."""
    return read((), await kernel.output(*LINKS), "", "").links


async def carry_out(engine: Engine, kernel: Kernel, work: Work) -> Outcome:
    """Raises OSError if the kernel refuses, and EngineError if the engine cannot be reached."""
    lines = list(work.orphans)
    is_tidy = True
    for removal in work.removals:
        if await _remove(engine, removal.engine_id):
            lines.extend(removal.links)
            is_tidy = is_tidy and not removal.leaves_bridge
        else:
            is_tidy = False
    refused: dict[NetworkID, EngineError] = {}
    standing = []
    for network in work.networks:
        try:
            await _make(engine, network)
        except EngineError as error:
            if error.is_unreachable:
                raise
            if network.refusal or is_tidy:
                refused[network.id] = error
            else:
                # A network that is on its way out may have its bridge's name or its subnet: a stack
                # that is removed and deployed again gets those of before.
                log.debug("network put off", extra={"network": network.id, "reason": str(error)})
        else:
            standing.append(network)
    lines.extend(_joined(network.links for network in standing))
    lines.extend(_joined(network.neighbours for network in standing))
    await kernel.ip(lines)
    if any(network.cut_off for network in standing):
        await _attach_again(kernel, standing)
    await kernel.bridge(_joined(network.forwarding for network in standing))
    for name, value in chain.from_iterable(network.sysctls for network in standing):
        await kernel.sysctl(name, value)
    return Outcome(frozenset(network.id for network in standing), refused, is_tidy)


async def leave(engine: Engine, kernel: Kernel) -> None:
    """Remove every overlay from this node: what carries our label or name, and nothing else.

    Raises EngineError if containers are still attached or the engine does not answer, OSError if
    the kernel refuses.
    """
    # A bridge that was made anew is left when its network goes, so there is a second time.
    for _ in range(2):
        work = plan(DataPlane(), await observe(engine, kernel))
        if (await carry_out(engine, kernel, work)).is_tidy:
            return
    raise EngineError(_FORBIDDEN, "containers are still attached to networks of the swarm")


async def _remove(engine: Engine, engine_id: str) -> bool:
    """False while the engine keeps it."""
    try:
        await engine.remove_network(engine_id)
    except EngineError as error:
        if error.is_unreachable:
            raise
        log.debug("network not removed", extra={"network": engine_id, "reason": str(error)})
        return False
    log.info("network removed", extra={"network": engine_id})
    return True


async def _make(engine: Engine, network: NetworkWork) -> None:
    if network.refusal:
        raise EngineError(_FORBIDDEN, network.refusal)
    for engine_id in network.removed:
        await engine.remove_network(engine_id)
    if network.body:
        await _create(engine, network.body)
        log.info("network made", extra={"network": network.id})


async def _create(engine: Engine, body: bytes) -> None:
    try:
        await engine.create_network(body)
    except EngineError as error:
        other = conflict(str(error))
        if other is None:
            raise
        is_listed = await engine.has_network(other.engine_id)
        words = other.words if is_listed else unlisted_words(other.engine_id)
        raise EngineError(error.status, words) from error


async def _attach_again(kernel: Kernel, networks: Sequence[NetworkWork]) -> None:
    """Ends of containers whose bridge somebody deleted."""
    links = await look_at_links(kernel)
    lines: list[str] = []
    for network in networks:
        for task in network.cut_off:
            try:
                listed = await kernel.output(*ends_command(task))
            except OSError as error:
                extra = {"task": task.task_id, "reason": str(error)}
                log.debug("container not looked into", extra=extra)
                continue
            lines += attach_lines(network.id, network.bridge, task, listed, links)
    if lines:
        log.warning("containers attached again", extra={"lines": len(lines)})
        await kernel.ip(lines)


def _joined(lines: Iterable[tuple[str, ...]]) -> list[str]:
    return list(chain.from_iterable(lines))
