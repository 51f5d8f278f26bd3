"""What the README shows, on three hosts with current engines, by the unmodified docker CLI."""

from pathlib import Path

import pytest

from tests.real.swarm import SLEEP, WEB, DockerError, RealSwarm

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "compose-examples"
#: What `stack services` must show of each example, on three nodes.
REPLICAS = {
    "web": {"web_web": "3/3"},
    "web-backend": {"shop_web": "2/2", "shop_backend": "3/3"},
    "global": {"agents_agent": "3/3"},
    "placement": {
        "places_front": "4/4",
        "places_control": "1/1",
        "places_single": "3/3 (max 1 per node)",
        "places_nowhere": "0/1",
    },
}
STACKS = {"web": "web", "web-backend": "shop", "global": "agents", "placement": "places"}


def test_both_managers_show_the_same_nodes(swarm: RealSwarm) -> None:
    form = "{{.ID}} {{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}"
    swarm.eventually("the second votes", lambda: "Reachable" in swarm.docker(1, "node", "ls"))
    first = swarm.docker(1, "node", "ls", "--format", form).splitlines()
    assert sorted(line.split(maxsplit=1)[1].strip() for line in first) == [
        f"{swarm.host(1)} Ready Active Leader",
        f"{swarm.host(2)} Ready Active Reachable",
        f"{swarm.host(3)} Ready Active",
    ]
    assert swarm.docker(2, "node", "ls", "--format", form).splitlines() == first


def test_a_worker_says_that_it_is_no_manager(swarm: RealSwarm) -> None:
    with pytest.raises(DockerError, match="This node is not a swarm manager"):
        swarm.docker(3, "service", "ls")


def test_a_node_that_is_in_a_swarm_does_not_join_again(swarm: RealSwarm) -> None:
    with pytest.raises(DockerError, match="This node is already part of a swarm"):
        swarm.join(3, swarm.token("worker"))


def test_a_service_is_created_scaled_updated_and_removed(swarm: RealSwarm) -> None:
    """Each command returns only when the service has converged, as its progress display says."""
    swarm.docker(1, "service", "create", "--name", "sleeper", "--replicas", "3", *SLEEP)
    before = swarm.settled("sleeper", 3)
    assert {task.place for task in before} == {1, 2, 3}
    swarm.docker(2, "service", "scale", "sleeper=5")
    scaled = swarm.settled("sleeper", 5)
    assert set(before) < set(scaled), "those that ran go on"
    swarm.docker(1, "service", "update", "--env-add", "COLOUR=blue", "sleeper")
    updated = swarm.settled("sleeper", 5)
    assert not {task.task_id for task in scaled} & {task.task_id for task in updated}
    shown = swarm.docker(2, "service", "ps", "--format", "{{.CurrentState}}", "sleeper")
    assert sum(line.startswith("Running") for line in shown.splitlines()) == 5
    swarm.docker(2, "service", "rm", "sleeper")
    swarm.eventually("its containers are gone", lambda: not swarm.containers("sleeper"))


def test_the_logs_of_a_service_come_from_every_node(swarm: RealSwarm) -> None:
    talk = (
        "busybox",
        "sh",
        "-c",
        "echo here is $(hostname); trap 'exit 0' TERM; sleep 99999 & wait",
    )
    swarm.docker(1, "service", "create", "--detach", "--name", "talker", "--mode", "global", *talk)
    swarm.settled("talker", 3)
    hosts = [swarm.host(number) for number in swarm.numbers]
    swarm.eventually("a line of each node", lambda: _lines_by_node(swarm, 1) == hosts)
    assert _lines_by_node(swarm, 2) == hosts


@pytest.mark.parametrize("example", REPLICAS)
def test_a_compose_example_deploys_as_its_comment_says(swarm: RealSwarm, example: str) -> None:
    stack = STACKS[example]
    file = str(EXAMPLES / f"{example}.yml")
    swarm.docker(1, "stack", "deploy", "--detach=true", "-c", file, stack)
    form = "{{.Name}} {{.Replicas}}"

    def shown() -> dict[str, str]:
        lines = swarm.docker(2, "stack", "services", "--format", form, stack).splitlines()
        return dict(line.split(" ", 1) for line in lines)

    swarm.eventually(f"{REPLICAS[example]}", lambda: shown() == REPLICAS[example])


def test_a_published_port_is_answered_on_every_host_by_every_replica(swarm: RealSwarm) -> None:
    swarm.docker(1, "stack", "deploy", "--detach=false", "-c", str(EXAMPLES / "web.yml"), "web")
    replicas = {f"hello from {task.container_id[:12]}" for task in swarm.settled("web_web", 3)}
    for number in swarm.numbers:
        for address in (swarm.ip(number), "127.0.0.1"):
            _await_answers(swarm, number, address, 8080, replicas)


def test_a_port_of_mode_host_is_answered_where_a_task_runs_and_nowhere_else(
    swarm: RealSwarm,
) -> None:
    """A load balancer of one's own stands in front of the nodes."""
    publish = ("--publish", "mode=host,published=8090,target=80")
    create = ("service", "create", "--detach", "--name", "edge", "--replicas", "2", *publish)
    swarm.docker(1, *create, "busybox", "sh", "-c", WEB)
    tasks = {task.place: task.container_id[:12] for task in swarm.settled("edge", 2)}
    assert len(tasks) == 2, "two tasks cannot have one host's port"
    for number in swarm.numbers:
        for address in (swarm.ip(number), "127.0.0.1"):
            _await_answers(swarm, number, address, 8090, {tasks.get(number, "")})
    shown = swarm.docker(1, "service", "ps", "--format", "{{.Ports}}", "edge").split()
    assert shown == ["*:8090->80/tcp"] * 2

    # A fourth has no host left, says so, and takes the first that is.
    swarm.docker(1, "service", "scale", "--detach", "edge=4")
    swarm.settled("edge", 3)
    form = "{{.CurrentState}} {{.Error}}"
    waiting = swarm.eventually(
        "one waits",
        lambda: [line for line in _ps(swarm, "edge", form) if line.startswith("Pending")],
    )
    assert "host-mode port already in use on 3 nodes" in waiting[0]
    swarm.docker(1, "service", "scale", "--detach", "edge=3")
    swarm.docker(1, "service", "update", "--detach", "--force", "edge")
    swarm.eventually("all are new", lambda: not set(tasks.values()) & _short(swarm, "edge"))
    assert {task.place for task in swarm.settled("edge", 3)} == {1, 2, 3}


def test_a_service_finds_another_by_name_on_other_hosts(swarm: RealSwarm) -> None:
    file = str(EXAMPLES / "web-backend.yml")
    swarm.docker(1, "stack", "deploy", "--detach=false", "-c", file, "shop")
    webs = [task.container_id[:12] for task in swarm.settled("shop_web", 2)]
    backends = [task.container_id[:12] for task in swarm.settled("shop_backend", 3)]
    wanted = {f"web {web} asked backend {backend}" for web in webs for backend in backends}
    _await_answers(swarm, 3, "127.0.0.1", 8081, wanted)


def _await_answers(
    swarm: RealSwarm, number: int, address: str, port: int, wanted: set[str]
) -> None:
    """Returns when every wanted answer came; others may not come once the first of them has."""
    answers: set[str] = set()

    def are_all_in() -> bool:
        answers.add(swarm.asked(number, address, port))
        return wanted <= answers

    swarm.eventually(f"every answer from {address}:{port} on host {number}", are_all_in)
    assert answers <= wanted | {""}


def _ps(swarm: RealSwarm, service: str, form: str) -> list[str]:
    """A line of each task, nothing cut off."""
    argv = ("service", "ps", "--no-trunc", "--format", form, service)
    return swarm.docker(1, *argv).splitlines()


def _short(swarm: RealSwarm, service: str) -> set[str]:
    """Names of the containers of a service that run."""
    return {container_id[:12] for container_id in swarm.containers(service)}


def _lines_by_node(swarm: RealSwarm, manager: int) -> list[str]:
    """The nodes that a line of `talker` came from: `talker.0.<task>@<node>  | here is <host>`."""
    lines = swarm.docker(manager, "service", "logs", "talker").splitlines()
    assert all("here is" in line for line in lines)
    return sorted(line.split("@")[1].split()[0] for line in lines)
