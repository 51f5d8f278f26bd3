"""Three managers under random work while daemons, engines and hosts end at random.

The choices come from a seed, the moments do not: a failure shows what was done, not how to have it
again.  That is what the simulator is for; this shows that the simulator's machines are like real
ones.
"""

import random
import signal
import time
from collections.abc import Callable, Sequence

import pytest

from tests.real.swarm import SLEEP, WEB, DockerError, RealSwarm

pytestmark = pytest.mark.real

SECONDS = 40.0
SERVICES = 6
MOST_REPLICAS = 8
PORTS = range(8000, 8100)
ANSWERS = 12
#: Sockets of a daemon, many times over: what leaks grows with each end of a peer.
MOST_DESCRIPTORS = 150


class Chaos:
    """What was done, and what must be there in the end because it was acknowledged."""

    def __init__(self, swarm: RealSwarm, seed: int) -> None:
        self._swarm = swarm
        self._random = random.Random(seed)
        self._ports = iter(PORTS)
        self.done: list[str] = []
        #: service → replicas, or None for a global one
        self.wanted: dict[str, int | None] = {}
        self.published: dict[str, int] = {}
        #: services whose last change was not acknowledged
        self.unsure: set[str] = set()

    def run(self, seconds: float) -> None:
        """All of it."""
        work: Sequence[Callable[[], None]] = (
            *(self._create,) * 5,
            *(self._scale,) * 5,
            *(self._update,) * 4,
            *(self._remove, self._kill, self._kill, self._end),
            *(self._break_engine, self._power),
        )
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._random.choice(work)()
            time.sleep(self._random.random())

    # -- a user

    def _write(self, service: str, *argv: str) -> bool:
        """Whether a manager acknowledged it."""
        self.unsure.add(service)
        number = self._random.choice(self._swarm.numbers)
        self.done.append(f"on host {number}: {' '.join(argv)}")
        try:
            self._swarm.docker(number, *argv)
        except DockerError as error:
            self.done.append(str(error))
            return False
        self.unsure.discard(service)
        return True

    def _create(self) -> None:
        if len(self.wanted) == SERVICES:
            return
        name = f"s{len(self.done)}"
        create = ("service", "create", "--detach", "--name", name)
        kind = self._random.choice(("replicated", "global", "published"))
        port, replicas = next(self._ports), self._random.randint(1, MOST_REPLICAS)
        match kind:
            case "global":
                is_done = self._write(name, *create, "--mode", "global", *SLEEP)
            case "replicated":
                is_done = self._write(name, *create, "--replicas", str(replicas), *SLEEP)
            case _:
                serve = (*SLEEP[:-1], WEB)
                way = ("--replicas", "3", "--publish", f"{port}:80")
                is_done = self._write(name, *create, *way, *serve)
        if is_done:
            self.wanted[name] = {"global": None, "replicated": replicas}.get(kind, 3)
            if kind == "published":
                self.published[name] = port

    def _scale(self) -> None:
        names = [n for n, r in self.wanted.items() if r is not None and n not in self.published]
        if names:
            name, replicas = self._random.choice(names), self._random.randint(0, MOST_REPLICAS)
            if self._write(name, "service", "scale", "--detach", f"{name}={replicas}"):
                self.wanted[name] = replicas

    def _update(self) -> None:
        if self.wanted:
            name = self._random.choice(sorted(self.wanted))
            change = ("--env-add", f"CHANGE={len(self.done)}", "--update-parallelism", "2")
            self._write(name, "service", "update", "--detach", *change, name)

    def _remove(self) -> None:
        if self.wanted:
            name = self._random.choice(sorted(self.wanted))
            if self._write(name, "service", "rm", name):
                del self.wanted[name]
                self.published.pop(name, None)

    # -- fate

    def _victim(self, fate: str) -> int:
        number = self._random.choice(self._swarm.numbers)
        self.done.append(f"host {number}: {fate}")
        return number

    def _kill(self) -> None:
        number = self._victim("its daemon is killed")
        self._swarm.daemons[number].end(signal.SIGKILL)
        time.sleep(self._random.uniform(0, 3))
        self._swarm.start(number)

    def _end(self) -> None:
        number = self._victim("its daemon is restarted")
        self._swarm.daemons[number].end()
        self._swarm.start(number)

    def _break_engine(self) -> None:
        how = self._random.choice((signal.SIGTERM, signal.SIGKILL))
        host = self._swarm.host(self._victim(f"its engine ends by {how.name}"))
        self._swarm.lab.stop_engine(host, how)
        time.sleep(self._random.uniform(0, 5))
        self._swarm.lab.start_engine(host)

    def _power(self) -> None:
        number = self._victim("it loses its power")
        self._swarm.lab.poweroff(self._swarm.host(number))
        time.sleep(self._random.uniform(0, 8))
        self._swarm.lab.poweron(self._swarm.host(number))
        self._swarm.start(number)


def test_whatever_breaks_all_that_was_acknowledged_runs_and_nothing_else(
    hosts: RealSwarm,
) -> None:
    hosts.reset()
    hosts.form(managers=3)
    chaos = Chaos(hosts, seed=1)
    chaos.run(SECONDS)
    story = "\n".join(chaos.done)
    shown = set(hosts.docker(1, "service", "ls", "--format", "{{.Name}}").split())
    assert chaos.wanted.keys() - chaos.unsure <= shown, story
    assert shown <= chaos.wanted.keys() | chaos.unsure, story
    sure = {name: replicas for name, replicas in chaos.wanted.items() if name not in chaos.unsure}
    for name, replicas in sure.items():
        hosts.settled(name, len(hosts.numbers) if replicas is None else replicas)
    for name in chaos.published.keys() - chaos.unsure:
        for number in hosts.numbers:
            for address in (*map(hosts.ip, hosts.numbers), "127.0.0.1"):
                _await_replicas(hosts, number, f"{address}:{chaos.published[name]}")
    for number, daemon in hosts.daemons.items():
        assert "Traceback" not in daemon.log_path.read_text(), f"host {number}\n{story}"
        assert daemon.descriptors() < MOST_DESCRIPTORS, f"host {number}\n{story}"


def _await_replicas(swarm: RealSwarm, number: int, address: str) -> None:
    """Asked from one host, each of a service's three replicas answers, and nobody refuses."""
    ip, port = address.split(":")

    def are_all_well() -> bool:
        answers = {swarm.asked(number, ip, int(port)) for _ in range(ANSWERS)}
        return len(answers) == 3 and "" not in answers

    swarm.eventually(f"three answers from {address} on host {number}", are_all_well)
