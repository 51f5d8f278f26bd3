"""What breaks, breaks for real: daemons, hosts and engines end, and the swarm converges again.

Deadlines are about ten times what is expected: these tests say what must happen, not how fast.
"""

import signal
import subprocess

import pytest

from tests.real.swarm import COMMAND_S, SLEEP, RealSwarm

pytestmark = pytest.mark.real

#: From the leader's death to the next accepted write.
WRITE_S = 20.0
#: From a host's death until its tasks run elsewhere.
REPLACED_S = 40.0


@pytest.fixture
def swarm(hosts: RealSwarm) -> RealSwarm:
    """Hosts without a swarm: each test forms its own, and breaks it."""
    hosts.reset()
    return hosts


def test_a_workers_daemon_is_killed_and_back_and_no_container_notices(swarm: RealSwarm) -> None:
    """An upgrade of swarmd, or the kernel's out-of-memory killer."""
    swarm.form(managers=1)
    _create(swarm, 6)
    before = swarm.settled("sleeper", 6)
    started = swarm.containers("sleeper")
    swarm.daemons[3].end(signal.SIGKILL)
    swarm.start(3)
    # Only a worker that has a session again takes part in this.
    swarm.docker(1, "service", "scale", "--detach", "sleeper=12")
    after = swarm.settled("sleeper", 12)
    assert sum(task.place == 3 for task in after) == 4
    assert set(before) < set(after), "no task has moved"
    assert started.items() < swarm.containers("sleeper").items(), "no container has restarted"
    assert len(_all_tasks(swarm)) == 12, "no task was replaced on the way"


def test_the_leaders_daemon_is_killed_and_nothing_acknowledged_is_lost(swarm: RealSwarm) -> None:
    swarm.form(managers=3)
    leader = swarm.leader(1)
    other, third = (number for number in swarm.numbers if number != leader)
    acknowledged = [_write(swarm, leader, f"before{index}") for index in range(5)]
    # Under way when the leader dies: it may be lost, unless it is acknowledged.
    writing = subprocess.Popen(swarm.docker_command(other, *_service("during")))
    swarm.daemons[leader].end(signal.SIGKILL)
    attempts = iter(range(1000))
    write = lambda: _write(swarm, other, f"after{next(attempts)}")  # noqa: E731  a fresh name each
    acknowledged.append(swarm.eventually("a write is accepted again", write, WRITE_S))
    if writing.wait(COMMAND_S) == 0:
        acknowledged.append("during")
    assert set(acknowledged) <= _services(swarm, other)

    swarm.start(leader)
    swarm.eventually("it is a manager again", lambda: _reachable(swarm, other) == 3)
    # Of three managers, one may be away: the one that was restarted makes the majority now.
    swarm.daemons[third].end(signal.SIGKILL)
    acknowledged.append(
        swarm.eventually("a write with its vote", lambda: _write(swarm, leader, "voted"), WRITE_S)
    )
    assert set(acknowledged) <= _services(swarm, leader)


@pytest.mark.parametrize("managers", [2, 3])
def test_a_host_loses_its_power_and_its_tasks_run_elsewhere(
    swarm: RealSwarm, managers: int
) -> None:
    """With two managers a worker's host, with three the leader's."""
    swarm.form(managers=managers)
    victim = 3 if managers == 2 else swarm.leader(1)
    witness = next(number for number in swarm.numbers if number != victim)
    _create(swarm, 6)
    before = swarm.settled("sleeper", 6)
    staying = {task for task in before if task.place != victim}
    assert len(staying) == 4
    swarm.lab.poweroff(swarm.host(victim))

    def is_replaced() -> bool:
        running = swarm.running("sleeper", by=witness)
        return len(running) == 6 and all(task.place != victim for task in running)

    swarm.eventually("its tasks run elsewhere", is_replaced, REPLACED_S)
    after = swarm.settled("sleeper", 6, by=witness)
    assert staying <= set(after), "the others go on"
    assert swarm.node_states(witness)[swarm.host(victim)] == "Down"

    swarm.lab.poweron(swarm.host(victim))
    swarm.start(victim)
    swarm.eventually("it is back", lambda: _state(swarm, witness, victim) == "Ready")
    assert swarm.settled("sleeper", 6, by=witness) == after, "nothing moves because it is back"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_stops_and_starts_under_its_swarmd(
    swarm: RealSwarm, number: signal.Signals
) -> None:
    """An upgrade of the engine, or its crash."""
    swarm.form(managers=2)
    _create(swarm, 6)
    before = swarm.settled("sleeper", 6)
    daemon = swarm.daemons[3].pid()
    swarm.lab.stop_engine(swarm.host(3), number)
    swarm.lab.start_engine(swarm.host(3))
    swarm.docker(1, "service", "scale", "--detach", "sleeper=7")
    after = swarm.settled("sleeper", 7)
    staying = {task for task in before if task.place != 3}
    assert staying <= set(after), "other hosts notice nothing"
    assert swarm.daemons[3].pid() == daemon, "swarmd goes on"
    # The node is of use: what is created for it alone runs.
    here = ("--constraint", f"node.hostname=={swarm.host(3)}")
    swarm.docker(1, "service", "create", "--name", "here", "--detach", *here, *SLEEP)
    assert [task.place for task in swarm.settled("here", 1)] == [3]


def test_an_engine_that_stays_away_loses_its_tasks_and_comes_back_without_them(
    swarm: RealSwarm,
) -> None:
    """A crash that is found in the morning: the containers lived on, and nobody could stop them."""
    swarm.form(managers=2)
    _create(swarm, 6)
    before = swarm.settled("sleeper", 6)
    daemon = swarm.daemons[3].pid()
    swarm.lab.stop_engine(swarm.host(3), signal.SIGKILL)
    swarm.eventually("the node is down", lambda: _state(swarm, 1, 3) == "Down", REPLACED_S)

    def is_replaced() -> bool:
        running = swarm.running("sleeper")
        return len(running) == 6 and all(task.place != 3 for task in running)

    swarm.eventually("its tasks run elsewhere", is_replaced, REPLACED_S)
    after = swarm.running("sleeper")
    assert {task for task in before if task.place != 3} <= set(after), "the others go on"
    # A record while it is away, for it alone: it is waited for.
    here = ("--constraint", f"node.hostname=={swarm.host(3)}")
    swarm.docker(1, "service", "create", "--name", "here", "--detach", *here, *SLEEP)

    swarm.lab.start_engine(swarm.host(3))
    swarm.eventually("the node is back", lambda: _state(swarm, 1, 3) == "Ready")
    assert [task.place for task in swarm.settled("here", 1)] == [3]
    assert swarm.settled("sleeper", 6) == after, "nothing moves back, and nothing old runs on"
    assert swarm.daemons[3].pid() == daemon, "swarmd goes on"


def _create(swarm: RealSwarm, replicas: int) -> None:
    create = ("service", "create", "--detach", "--name", "sleeper")
    swarm.docker(1, *create, "--replicas", str(replicas), *SLEEP)


def _service(name: str) -> tuple[str, ...]:
    """A service that is a record and nothing else."""
    return ("service", "create", "--detach", "--name", name, "--replicas", "0", "busybox")


def _write(swarm: RealSwarm, number: int, name: str) -> str:
    """The name of a service that a manager acknowledged."""
    swarm.docker(number, *_service(name))
    return name


def _services(swarm: RealSwarm, number: int) -> set[str]:
    return set(swarm.docker(number, "service", "ls", "--format", "{{.Name}}").split())


def _reachable(swarm: RealSwarm, number: int) -> int:
    shown = swarm.docker(number, "node", "ls", "--format", "{{.ManagerStatus}}").split()
    return sum(word in ("Leader", "Reachable") for word in shown)


def _state(swarm: RealSwarm, number: int, of: int) -> str:
    return swarm.node_states(number)[swarm.host(of)]


def _all_tasks(swarm: RealSwarm) -> list[dict[str, object]]:
    return swarm.get(1, "/tasks")
