"""Clients of a service while its tasks are stopped and replaced: none of them notices."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.real.swarm import RealSwarm

pytestmark = pytest.mark.real

PORT = 8080
#: A server that takes no connection after SIGTERM, and finishes those that it has.
_WEB = (
    "mkdir -p /www/cgi-bin; cd /www/cgi-bin; "
    'printf "#!/bin/sh\\necho; echo $HOSTNAME\\n" >index.cgi; chmod +x index.cgi; '
    "httpd -f -h /www -p 80 & server=$!; "
    "trap 'kill $server; sleep 2; exit 0' TERM; wait $server; wait"
)
#: Asks the nodes in turn, each time over a new connection, until SIGTERM; prints what came of it.
_CLIENT = """
import signal, socket, sys
is_over = False
def end(*_):
    global is_over
    is_over = True
signal.signal(signal.SIGTERM, end)
count, failures = 0, []
print("asking", flush=True)
while not is_over:
    address = sys.argv[2 + count % (len(sys.argv) - 2)]
    count += 1
    try:
        with socket.create_connection((address, int(sys.argv[1])), 10) as asking:
            asking.sendall(b"GET /cgi-bin/index.cgi HTTP/1.0\\r\\n\\r\\n")
            answer = b""
            while part := asking.recv(4096):
                answer += part
        if b"200 OK" not in answer:
            failures.append(f"{address}: {answer!r}")
    except OSError as error:
        failures.append(f"{address}: {error!r}")
print(count, *failures, sep="\\n")
"""


def test_no_client_notices_that_tasks_are_stopped_for_an_update_a_drain_and_less_replicas(
    swarm: RealSwarm,
) -> None:
    """Through every node, whether or not it has a task; Swarm is known to drop some of them."""
    check = ("--health-cmd", "wget -qO /dev/null http://127.0.0.1/cgi-bin/index.cgi")
    often = ("--health-interval", "500ms", "--health-start-period", "60s")
    argv = ("service", "create", "--name", "web", "--replicas", "4", "-p", f"{PORT}:80")
    image = ("busybox", "sh", "-c", _WEB)
    swarm.docker(1, *argv, *check, *often, "--update-parallelism", "1", *image)
    before = {task.task_id for task in swarm.settled("web", 4)}
    for number in swarm.numbers:
        swarm.eventually("the node answers", partial(swarm.asked, number, "127.0.0.1", PORT))
    try:
        with _asking(swarm) as outcome:
            swarm.docker(1, "service", "update", "--force", "web")
            after = {task.task_id for task in swarm.settled("web", 4)}
            assert not before & after
            swarm.docker(1, "node", "update", "--availability", "drain", swarm.host(2))
            swarm.eventually(
                "the drained node has no task",
                lambda: all(task.place != 2 for task in swarm.settled("web", 4)),
            )
            swarm.docker(1, "service", "scale", "web=2")
            swarm.settled("web", 2)
    finally:
        swarm.docker(1, "node", "update", "--availability", "active", swarm.host(2))
    count, *failures = outcome
    assert failures == []
    assert int(count) > 100


def test_a_published_port_is_left_to_a_program_that_has_it_and_kept_from_one_that_comes_later(
    swarm: RealSwarm, tmp_path: Path
) -> None:
    """Somebody publishes what nginx serves on one of the nodes: its clients must not lose it."""
    (tmp_path / "index.html").write_text("the host's own")
    argv = ["busybox", "httpd", "-f", "-p", str(PORT), "-h", str(tmp_path)]
    own = swarm.lab.popen(swarm.host(2), argv, output=subprocess.DEVNULL)
    try:
        swarm.eventually("it answers", lambda: swarm.asked(2, "127.0.0.1", PORT))
        page = "echo the service >/index.html; trap 'exit 0' TERM; httpd -f -h / & wait"
        service = ("service", "create", "--detach", "--name", "web", "-p", f"{PORT}:80")
        swarm.docker(1, *service, "busybox", "sh", "-c", page)
        for number in (1, 3):
            swarm.eventually("the mesh answers", partial(_says, swarm, number, "the service"))
        assert swarm.asked(2, swarm.ip(2), PORT) == "the host's own"
        told = f"published port {PORT}/tcp is not answered on this node: busybox (pid"
        swarm.eventually("info says so", lambda: told in _warnings(swarm, 2))
        assert told not in _warnings(swarm, 1)
    finally:
        own.kill()
        own.wait()
    swarm.eventually("the mesh has it then", partial(_says, swarm, 2, "the service"))
    late = swarm.lab.popen(swarm.host(1), argv, output=subprocess.DEVNULL)
    try:
        assert late.wait(timeout=60) != 0
    finally:
        late.kill()
        late.wait()


def _says(swarm: RealSwarm, number: int, words: str) -> bool:
    """Whether a node's port answers so."""
    return swarm.asked(number, swarm.ip(number), PORT) == words


def _warnings(swarm: RealSwarm, number: int) -> str:
    return swarm.docker(number, "info", "--format", "{{json .Warnings}}")


@contextmanager
def _asking(swarm: RealSwarm) -> Iterator[list[str]]:
    """A client outside asks meanwhile; afterwards its count and its failures are in the list."""
    outcome: list[str] = []
    addresses = [swarm.ip(number) for number in swarm.numbers]
    argv = [sys.executable, "-S", "-c", _CLIENT, str(PORT), *addresses]
    client = swarm.lab.popen(f"{swarm.lab.prefix}4", argv, output=subprocess.PIPE)
    assert client.stdout is not None
    try:
        assert client.stdout.readline() == "asking\n"
        yield outcome
        client.send_signal(signal.SIGTERM)
        outcome += client.communicate(timeout=60)[0].splitlines()
    finally:
        client.kill()
        client.communicate()
