"""Nodes come, change their role and go, by the unmodified docker CLI."""

import pytest

from tests.real.swarm import SLEEP, DockerError, RealSwarm

pytestmark = pytest.mark.real


@pytest.fixture
def swarm(hosts: RealSwarm) -> RealSwarm:
    """A manager and two workers, for one test that changes them."""
    hosts.reset()
    hosts.form(managers=1)
    return hosts


def test_a_node_is_promoted_leads_and_is_demoted(swarm: RealSwarm) -> None:
    create = ("service", "create", "--detach", "--name", "sleeper", "--replicas", "3")
    swarm.docker(1, *create, *SLEEP)
    before = swarm.settled("sleeper", 3)
    swarm.docker(1, "node", "promote", swarm.host(2), swarm.host(3))
    swarm.eventually("both are managers", lambda: _managers(swarm, 3) == {1, 2, 3})
    swarm.docker(2, "service", "create", "--detach", "--name", "mine", "--replicas", "0", "busybox")

    swarm.docker(2, "node", "demote", swarm.host(1))
    swarm.eventually("another leads", lambda: _managers(swarm, 2) == {2, 3})
    with pytest.raises(DockerError, match="This node is not a swarm manager"):
        swarm.docker(1, "node", "ls")
    assert "mine" in swarm.docker(3, "service", "ls", "--format", "{{.Name}}").split()
    swarm.docker(2, "node", "demote", swarm.host(3))
    swarm.eventually("one is left", lambda: _managers(swarm, 2) == {2})
    with pytest.raises(DockerError, match="last manager of the swarm"):
        swarm.docker(2, "node", "demote", swarm.host(2))
    assert swarm.settled("sleeper", 3, by=2) == before, "no task has noticed"


def test_a_node_leaves_without_a_trace_and_is_removed(swarm: RealSwarm) -> None:
    swarm.docker(1, "network", "create", "-d", "overlay", "net")
    way = ("--network", "net", "--publish", "8080:80")
    create = ("service", "create", "--detach", "--name", "sleeper", "--replicas", "3")
    swarm.docker(1, *create, *way, *SLEEP)
    assert {task.place for task in swarm.settled("sleeper", 3)} == {1, 2, 3}
    with pytest.raises(DockerError, match="is not down and can't be removed"):
        swarm.docker(1, "node", "rm", swarm.host(3))
    assert swarm.docker(3, "swarm", "leave").strip() == "Node left the swarm."

    def has_moved() -> bool:
        running = swarm.running("sleeper")
        return len(running) == 3 and all(task.place != 3 for task in running)

    swarm.eventually("its task runs elsewhere", has_moved)
    swarm.eventually("it is down", lambda: swarm.node_states(1)[swarm.host(3)] == "Down")
    swarm.docker(1, "node", "rm", swarm.host(3))
    assert set(swarm.node_states(1)) == {swarm.host(1), swarm.host(2)}
    assert not swarm.containers("sleeper", [3])
    assert swarm.docker(3, "info", "--format", "{{.Swarm.LocalNodeState}}").strip() == "inactive"
    networks = swarm.docker(3, "network", "ls", "--format", "{{.Name}}").split()
    assert networks == ["bridge", "host", "none"]
    assert [name.split("@")[0] for name in _links(swarm)] == ["docker0", "eth0", "lo"]
    assert "swarmd" not in swarm.lab.run(swarm.host(3), ["nft", "list", "tables"])

    swarm.join(3, swarm.token("worker"))
    swarm.eventually("it is back", lambda: len(swarm.node_states(1)) == 3)
    swarm.docker(1, "service", "scale", "--detach", "sleeper=6")
    assert 3 in {task.place for task in swarm.settled("sleeper", 6)}


def test_the_last_manager_leaves_only_by_force(swarm: RealSwarm) -> None:
    with pytest.raises(DockerError, match="You are attempting to leave the swarm on a node that"):
        swarm.docker(1, "swarm", "leave")
    swarm.docker(1, "swarm", "leave", "--force")
    assert swarm.docker(1, "info", "--format", "{{.Swarm.LocalNodeState}}").strip() == "inactive"
    swarm.docker(1, "swarm", "init", "--advertise-addr", swarm.ip(1))
    assert set(swarm.node_states(1)) == {swarm.host(1)}


def _managers(swarm: RealSwarm, by: int) -> set[int]:
    """Managers that answer, as one of them shows it."""
    form = "{{.Hostname}} {{.ManagerStatus}}"
    lines = [line.split() for line in swarm.docker(by, "node", "ls", "--format", form).splitlines()]
    names = [line[0] for line in lines if line[1:] in (["Leader"], ["Reachable"])]
    return {int(name.removeprefix(swarm.lab.prefix)) for name in names}


def _links(swarm: RealSwarm) -> list[str]:
    """Network interfaces of host 3."""
    lines = swarm.lab.run(swarm.host(3), ["ip", "-br", "link"]).splitlines()
    return sorted(line.split()[0] for line in lines)
