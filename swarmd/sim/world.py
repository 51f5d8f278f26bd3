"""The world: hosts with their disks, clocks and engines, the network between, and daemons that live.

Everything that happens follows from the seed.  A life of a daemon is a `Process`: the real `Daemon`
on simulated ports.  The world also keeps what must be seen from outside: who led in which term, what
state each manager had at which index (`checkers`), and the trace.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from swarmd.agent.description import NodeFacts
from swarmd.daemon.daemon import Daemon
from swarmd.daemon.node import NodeSettings
from swarmd.daemon.ports import Ports
from swarmd.errors import StateError
from swarmd.lib.tasks import leaves
from swarmd.ports import Container
from swarmd.raft.interface import RaftConfig
from swarmd.sim.chance import SimClock, SimRandom
from swarmd.sim.crypto import SimCrypto
from swarmd.sim.disk import SimDisk
from swarmd.sim.engine import EngineState, SimEngine
from swarmd.sim.host import Host, Process
from swarmd.sim.kernel import SimKernel
from swarmd.sim.loop import SimLoop
from swarmd.sim.net import Fabric, SimNetwork
from swarmd.sim.trace import Trace
from swarmd.store.apply import Touched
from swarmd.store.view import View

#: Small files: the simulated disk keeps each byte twice.
RAFT = RaftConfig(journal_step_bytes=1 << 15, segment_bytes=1 << 20)

#: systemd's pause before it starts a daemon again that has ended (packaging/swarmd.service).
RESTART_S = 2.0


class Machine:
    """A host, its engine, and the daemon that runs on it at the moment."""

    def __init__(self, host: Host, engine: EngineState) -> None:
        self.host, self.engine = host, engine
        self.daemon: Daemon | None = None
        #: virtual time since which the daemon has run undisturbed
        self.undisturbed_since = 0.0
        self.lives = 0
        #: the daemon has found that it can run here
        self.is_up = False
        #: it was asked to leave the swarm: its containers go
        self.is_leaving = False

    @property
    def name(self) -> str:
        """As the trace calls it: `h1`, `h2`."""
        return self.host.name

    @property
    def node_id(self) -> str:
        """Of the node that its daemon is at the moment; empty if it is none."""
        node = self.daemon.node if self.daemon else None
        return node.identity.node_id if node else ""


class World:
    """All of it."""

    def __init__(self, loop: SimLoop, seed: int, count: int) -> None:
        self.loop, self.seed = loop, seed
        self.chance = Random(f"world {seed}")
        self.trace = Trace(loop.time)
        #: what was violated, first first
        self.violations: list[str] = []
        self.fabric = Fabric(loop, Random(f"net {seed}"), self.trace)
        self.machines = [self._machine(number) for number in range(1, count + 1)]
        #: called with each new life
        self.on_life: Callable[[Machine], None] = lambda _machine: None
        #: called when an engine creates, starts or removes a container
        self.on_act: Callable[[Machine, str, Container], None] = lambda *_: None
        #: called with each state that nobody had yet: (before, after, what was touched)
        self.on_newer: list[Callable[[View | None, View, Sequence[Touched] | None], None]] = []

    def _machine(self, number: int) -> Machine:
        name = f"h{number}"
        clock = SimClock(self.loop)
        host = Host(name, f"10.77.0.{10 + number}", clock)
        host.world_host = self._host_at
        engine = EngineState(name, clock, Random(f"engine {self.seed} {name}"), host.kernel)
        machine = Machine(host, engine)
        engine.on_act = lambda what, container: self._acted(machine, what, container)
        return machine

    def _host_at(self, address: str) -> Host:
        return next(m.host for m in self.machines if m.host.address == address)

    def _acted(self, machine: Machine, what: str, container: Container) -> None:
        self.trace("engine", machine.name, what, container.name)
        self.on_act(machine, what, container)

    def violate(self, what: str) -> None:
        """An invariant does not hold."""
        self.violations.append(f"{self.loop.now:.3f} s: {what}")

    # ---- lives

    def start(self, machine: Machine) -> None:
        """A daemon begins on a host that has power."""
        daemon, process = self.begin(machine), machine.host.process
        assert process is not None
        process.spawn(self._live(machine, daemon, process))
        self.on_life(machine)

    def begin(self, machine: Machine) -> Daemon:
        """A new life that whoever calls this runs."""
        host = machine.host
        machine.lives += 1
        process = host.process = Process(host)
        random = SimRandom(f"{self.seed} {host.name} {machine.lives}")
        chance = Random(f"disk {self.seed} {host.name} {machine.lives}")
        kernel = SimKernel(host.kernel, lambda: process.is_alive)
        ports = Ports(
            clock=host.clock,
            random=random,
            crypto=SimCrypto(random.token),
            disk=SimDisk(host.disk, lambda: process.is_alive, chance),
            network=SimNetwork(self.fabric, process),
            engine=SimEngine(machine.engine, lambda: process.is_alive),
            kernel=kernel,
            resolver_sockets=kernel.listen,
        )
        settings = NodeSettings(facts=NodeFacts(hostname=host.name), raft=RAFT)
        machine.daemon = Daemon(ports, settings)
        machine.is_up = machine.is_leaving = False
        machine.undisturbed_since = self.loop.now
        self.trace("start", host.name)
        return machine.daemon

    async def _live(self, machine: Machine, daemon: Daemon, process: Process) -> None:
        """A life; a daemon that ends by itself is started again, as systemd does."""
        try:
            await daemon.start()
            machine.is_up = True
            await daemon.run()
        except (StateError, OSError, ExceptionGroup) as error:
            if not all(isinstance(leaf, StateError | OSError) for leaf in leaves(error)):
                raise
            self.trace("ended", machine.name, *map(str, leaves(error)))
        self.loop.call_soon(self._ended, machine, process)

    def _ended(self, machine: Machine, process: Process) -> None:
        if machine.host.process is process:
            self.kill(machine)
            self.loop.call_later(RESTART_S, self._start_again, machine)

    def _start_again(self, machine: Machine) -> None:
        if machine.host.process is None and machine.host.has_power:
            self.start(machine)

    def kill(self, machine: Machine, *, power: bool = False) -> None:
        """Kill -9 of the daemon, or a power failure of its host."""
        host, process = machine.host, machine.host.process
        if process is None:
            return
        self.trace("kill", host.name, power)
        if power:
            host.has_power = False
            host.kernel.crash()
            self.fabric.lost_power(host.name)
            machine.engine.stop(containers_die=True)
        process.kill()
        host.kernel.resolvers.clear()
        self.fabric.killed(process)
        host.process, machine.daemon = None, None
        if power:
            host.disk.crash(self.chance)

    def revive(self, machine: Machine) -> None:
        """Power, engine and daemon again."""
        if machine.host.process is None:
            machine.host.has_power = True
            machine.engine.start()
            self.start(machine)

    def disturb(self) -> None:
        """Something was done to the network: nobody counts as undisturbed."""
        for machine in self.machines:
            machine.undisturbed_since = self.loop.now

    def live(self) -> list[Machine]:
        """Machines whose daemon runs."""
        return [machine for machine in self.machines if machine.daemon is not None]

    async def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait for something; whether it came in time."""
        end = self.loop.now + within_s
        while not holds():
            if self.loop.now >= end or self.violations:
                return holds()
            await asyncio.sleep(0.1)
        return True
