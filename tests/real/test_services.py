"""What a service's options do to real containers, by the unmodified docker CLI."""

from pathlib import Path

import pytest

from tests.real.registry import PASSWORD, USER, registry
from tests.real.swarm import SLEEP, DockerError, RealSwarm

pytestmark = pytest.mark.real


def test_an_image_is_pulled_with_the_credentials_that_came_with_the_service(
    swarm: RealSwarm, tmp_path: Path
) -> None:
    """And runs by the digest that its tag had when the service was made."""
    with registry(swarm, tmp_path) as address:
        image = f"{address}/private/tool:1"
        swarm.docker(1, "tag", "busybox", image)
        swarm.docker(1, "login", "-u", USER, "-p", PASSWORD, address)
        swarm.docker(1, "push", "-q", image)
        swarm.docker(1, "rmi", image)
        argv = ("service", "create", "--mode", "global", "--name", "tool")
        swarm.docker(1, *argv, "--with-registry-auth", image, *SLEEP[1:])
        running = swarm.settled("tool", 3)
        assert {task.place for task in running} == {1, 2, 3}
        shown = swarm.docker(2, "service", "inspect", "-f", _IMAGE, "tool").strip()
        assert shown.startswith(f"{image}@sha256:")
        swarm.docker(1, "service", "rm", "tool")
        swarm.eventually("its containers are gone", lambda: not swarm.task_containers())
        _remove_image(swarm, image)

        # The same without them: the nodes say why they cannot, and keep trying.
        swarm.docker(1, *argv, "--detach", image, *SLEEP[1:])
        why = f"No such image: {image}"
        swarm.eventually("each node says why", lambda: len(_said_by(swarm, "tool", why)) == 3)
        assert not swarm.running("tool")


_IMAGE = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"


def test_a_task_runs_when_its_container_is_healthy_and_is_replaced_when_it_is_not(
    swarm: RealSwarm,
) -> None:
    check = ("--health-cmd", "test -e /tmp/well", "--health-interval", "100ms")
    argv = ("service", "create", "--name", "judged", "--detach", *check, "--health-retries", "3")
    swarm.docker(1, *argv, "--health-start-period", "60s", *SLEEP)
    started = swarm.eventually("a container has started", lambda: swarm.containers("judged"))
    swarm.eventually("it is starting", lambda: _states(swarm, "judged") == ["starting"])
    ((container, place),) = _places(swarm, "judged").items()
    swarm.docker(place, "exec", container, "touch", "/tmp/well")
    (first,) = swarm.settled("judged", 1)
    assert first.container_id in started

    swarm.docker(place, "exec", container, "rm", "/tmp/well")
    swarm.eventually("it is given up", lambda: _states(swarm, "judged")[1:2] == ["failed"])
    assert "unhealthy container" in _errors(swarm, "judged")[1]


def test_a_rolling_update_starts_first_and_never_runs_fewer(swarm: RealSwarm) -> None:
    how = ("--update-order", "start-first", "--update-parallelism", "1", "--update-delay", "100ms")
    create = ("service", "create", "--detach", "--name", "rolling", "--replicas", "4")
    swarm.docker(1, *create, *how, *SLEEP)
    old = {task.task_id for task in swarm.settled("rolling", 4)}
    swarm.docker(1, "service", "update", "--detach", "--env-add", "VERSION=2", "rolling")
    fewest = 4

    def are_all_new() -> bool:
        nonlocal fewest
        running = {task.task_id for task in swarm.running("rolling")}
        fewest = min(fewest, len(running))
        return len(running) == 4 and not running & old

    swarm.eventually("the update is through", are_all_new)
    assert fewest == 4
    swarm.eventually("and said to be", lambda: _update(swarm, "rolling")[0] == "completed")
    assert not old & {task.task_id for task in swarm.settled("rolling", 4)}


def test_an_update_that_fails_pauses_and_the_rest_runs_on(swarm: RealSwarm) -> None:
    create = ("service", "create", "--detach", "--name", "careful", "--replicas", "3")
    swarm.docker(1, *create, *SLEEP)
    old = {task.task_id for task in swarm.settled("careful", 3)}
    # The delay holds the second slot back: a task that is seen to run gives its place to the next.
    pace = ("--update-parallelism", "1", "--update-delay", "1m", "--update-monitor", "1m")
    how = (*pace, "--args", "sh -c 'exit 3'")
    # The progress display says it and ends with an error, as docker's does.
    with pytest.raises(DockerError, match="update paused: update paused due to failure"):
        swarm.docker(1, "service", "update", *how, "careful")
    state, message = _update(swarm, "careful")
    assert state == "paused"
    assert "early termination of task" in message
    assert len({task.task_id for task in swarm.running("careful")} & old) == 2
    assert "task: non-zero exit (3)" in _errors(swarm, "careful")

    back = (
        "--update-delay",
        "0s",
        "--update-monitor",
        "1s",
        "--args",
        " ".join((*SLEEP[1:3], f'"{SLEEP[3]}"')),
    )
    swarm.docker(1, "service", "update", *back, "careful")
    swarm.settled("careful", 3)


def test_a_task_that_ends_is_restarted_as_its_policy_says(swarm: RealSwarm) -> None:
    delay = ("--restart-delay", "100ms", "--detach")
    create = ("service", "create", *delay)
    once = ("--restart-condition", "none", "busybox", "true")
    swarm.docker(1, *create, "--name", "once", *once)
    tries = ("--restart-condition", "on-failure", "--restart-max-attempts", "2")
    swarm.docker(1, *create, "--name", "thrice", *tries, "busybox", "false")
    fine = ("--restart-condition", "on-failure", "busybox", "true")
    swarm.docker(1, *create, "--name", "fine", *fine)
    swarm.eventually("one and two more", lambda: _states(swarm, "thrice") == ["failed"] * 3)
    assert _errors(swarm, "thrice") == ["task: non-zero exit (1)"] * 3
    swarm.eventually("it ends well", lambda: _states(swarm, "once") == ["complete"])
    swarm.eventually("it ends well", lambda: _states(swarm, "fine") == ["complete"])


def test_a_task_is_asked_to_stop_by_its_signal_and_killed_after_its_grace(
    swarm: RealSwarm,
) -> None:
    say = "trap 'echo asked; exit 0' USR1; echo ready; while :; do sleep 0.1; done"
    stop = ("--stop-signal", "USR1", "--name", "polite", "busybox", "sh", "-c", say)
    swarm.docker(1, "service", "create", *stop)
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    grace = ("--stop-grace-period", "1s", "--name", "deaf", "busybox", "sh", "-c", deaf)
    swarm.docker(1, "service", "create", *grace)
    swarm.docker(1, "service", "update", "--detach", "--force", "polite")
    swarm.docker(1, "service", "update", "--detach", "--force", "deaf")
    swarm.eventually("it says so", lambda: "asked" in swarm.docker(1, "service", "logs", "polite"))
    swarm.eventually("the deaf one is killed", lambda: 137 in _exit_statuses(swarm, "deaf"))
    swarm.settled("polite", 1)
    swarm.settled("deaf", 1)


def test_a_node_is_drained_paused_and_active_again(swarm: RealSwarm) -> None:
    create = ("service", "create", "--detach", "--name", "moved", "--replicas", "6")
    swarm.docker(1, *create, *SLEEP)
    before = swarm.settled("moved", 6)
    swarm.docker(1, "node", "update", "--availability", "drain", swarm.host(3))
    drained = swarm.eventually("its tasks have moved", lambda: _elsewhere(swarm, "moved", 6, 3))
    assert {task for task in before if task.place != 3} <= set(drained)
    swarm.eventually("no container is left", lambda: not swarm.containers("moved", [3]))

    swarm.docker(2, "node", "update", "--availability", "pause", swarm.host(2))
    swarm.docker(2, "node", "update", "--availability", "active", swarm.host(3))
    swarm.docker(1, "service", "scale", "--detach", "moved=9")
    after = swarm.settled("moved", 9)
    assert set(drained) < set(after), "nothing moves back by itself"
    assert {task.place for task in set(after) - set(drained)} == {3}
    swarm.docker(1, "node", "update", "--availability", "active", swarm.host(2))


def test_a_task_leaves_a_node_that_no_longer_fits_it(swarm: RealSwarm) -> None:
    for number in (2, 3):
        swarm.docker(1, "node", "update", "--label-add", "disk=ssd", swarm.host(number))
    where = ("--constraint", "node.labels.disk==ssd", "--replicas", "2")
    swarm.docker(1, "service", "create", "--detach", "--name", "fits", *where, *SLEEP)
    assert {task.place for task in swarm.settled("fits", 2)} == {2, 3}
    swarm.docker(1, "node", "update", "--label-rm", "disk", swarm.host(3))
    swarm.eventually("both are on the other", lambda: _elsewhere(swarm, "fits", 2, 3))
    swarm.docker(1, "node", "update", "--label-rm", "disk", swarm.host(2))
    missing = "no suitable node (scheduling constraints not satisfied on 3 nodes)"
    swarm.eventually("it is said why", lambda: _errors(swarm, "fits").count(missing) == 2)


def test_memory_is_reserved_and_limited(swarm: RealSwarm) -> None:
    memory = ("--limit-memory", "64M", "--reserve-memory", "32M", "--limit-cpu", "0.5")
    swarm.docker(1, "service", "create", "--detach", "--name", "small", *memory, *SLEEP)
    swarm.settled("small", 1)
    ((container, place),) = _places(swarm, "small").items()
    form = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}"
    assert swarm.docker(place, "inspect", "-f", form, container).split() == [
        "67108864",
        "500000000",
    ]
    huge = ("--reserve-memory", "9999G", "--detach", "--name", "huge")
    swarm.docker(1, "service", "create", *huge, *SLEEP)
    missing = "no suitable node (insufficient resources on 3 nodes)"
    swarm.eventually("it is said why", lambda: _errors(swarm, "huge") == [missing])


def _elsewhere(swarm: RealSwarm, service: str, count: int, empty: int) -> tuple[object, ...] | None:
    running = swarm.running(service)
    is_so = len(running) == count and all(task.place != empty for task in running)
    return running if is_so else None


def _ps(swarm: RealSwarm, service: str, form: str) -> list[str]:
    """A column of `service ps`, newest task first."""
    argv = ("service", "ps", "--no-trunc", "--format", form, service)
    return swarm.docker(1, *argv).splitlines()


def _states(swarm: RealSwarm, service: str) -> list[str]:
    return [line.split()[0].lower() for line in _ps(swarm, service, "{{.CurrentState}}")]


def _errors(swarm: RealSwarm, service: str) -> list[str]:
    return [line.strip('"') for line in _ps(swarm, service, "{{.Error}}")]


def _said_by(swarm: RealSwarm, service: str, words: str) -> set[str]:
    """Nodes of tasks whose errors begin with these words."""
    lines = [line.split(" ", 1) for line in _ps(swarm, service, "{{.Node}} {{.Error}}")]
    return {node for node, error in lines if error.strip('"').startswith(words)}


def _update(swarm: RealSwarm, service: str) -> tuple[str, str]:
    form = "{{.UpdateStatus.State}} {{.UpdateStatus.Message}}"
    state, message = swarm.docker(1, "service", "inspect", "-f", form, service).split(" ", 1)
    return state, message


def _places(swarm: RealSwarm, service: str) -> dict[str, int]:
    """The host of each running container of a service."""
    return {c: n for n in swarm.numbers for c in swarm.containers(service, [n])}


def _exit_statuses(swarm: RealSwarm, service: str) -> list[int]:
    """Of the service's containers that ended, as their engines say."""
    only = (
        "--filter",
        f"label=com.docker.swarm.service.name={service}",
        "--filter",
        "status=exited",
    )
    form = ("inspect", "-f", "{{.State.ExitCode}}")
    return [
        int(swarm.docker(number, *form, container))
        for number in swarm.numbers
        for container in swarm.docker(number, "ps", "-aq", *only).split()
    ]


def _remove_image(swarm: RealSwarm, image: str) -> None:
    for number in swarm.numbers:
        if swarm.docker(number, "images", "-q", image):
            swarm.docker(number, "rmi", "-f", image)
