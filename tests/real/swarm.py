"""A swarm of real daemons on a lab's hosts, driven by the unmodified docker CLI."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from tools.lab.lab import Lab, LabError
from tools.lab.swarmd import HostSwarmd
from tools.lab.unix_http import call

NODES = 3
COMMAND_S = 120.0
#: Ten times what most things take on an idle machine.
LONGEST_S = 60.0
_CALL_S = 30.0
#: Image and command of a process that ends at once when it is asked to.
SLEEP = ("busybox", "sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait")
#: A page with the container's name; it ends at once, too, which a bare httpd as process 1 does not.
WEB = "hostname > /var/www/index.html; trap 'exit 0' TERM; httpd -f -p 80 -h /var/www & wait"
T = TypeVar("T")


class Running(NamedTuple):
    """A task that runs, and where."""

    task_id: str
    #: number of the host
    place: int
    container_id: str


class DockerError(Exception):
    """A docker command failed; its standard error."""


class RealSwarm:
    """The first hosts of a lab with a swarmd each; nothing is initialised or joined yet.

    `docker` is the CLI's path.  Numbers of hosts start with 1.
    """

    def __init__(self, lab: Lab, docker: Path, folder: Path, *, nodes: int = NODES) -> None:
        self.lab = lab
        self._docker, self._folder = docker, folder
        self.numbers = range(1, nodes + 1)
        self.daemons = {number: HostSwarmd(lab, self.host(number)) for number in self.numbers}

    def host(self, number: int) -> str:
        """The lab's name of a host, which is its node's hostname."""
        return f"{self.lab.prefix}{number}"

    def ip(self, number: int) -> str:
        """Its address on the underlay."""
        return self.lab.ip(self.host(number))

    # -- life

    def reset(self) -> None:
        """All hosts on, engines up and without containers, no daemon and no state of one.

        A power failure is the surest broom: no process, link or rule outlives it.  An engine that
        was making a network keeps it without listing it, so its notes of networks go as well.
        """
        hosts = [self.host(number) for number in self.numbers]
        self.lab.heal(*hosts)
        self.lab.poweroff(*hosts)
        for host in hosts:
            shutil.rmtree(self.lab.host_folder(host) / "swarmd", ignore_errors=True)
            (self.lab.host_folder(host) / "swarmd.log").unlink(missing_ok=True)
            self.lab.engine(host).forget_networks()
        self.lab.poweron(*hosts)
        for host in hosts:
            left = self._run(f"unix://{self.lab.socket_path(host)}", "ps", "-aq").split()
            if left:
                self._run(f"unix://{self.lab.socket_path(host)}", "rm", "-f", *left)

    def start(self, *numbers: int) -> None:
        """Start these daemons, or all; returns when they answer."""
        chosen = [self.daemons[number] for number in numbers or self.numbers]
        for daemon in chosen:
            daemon.start()
        for daemon in chosen:
            daemon.await_answer()

    def form(self, *, managers: int) -> None:
        """Start the daemons and make them one swarm: the first so many are managers."""
        self.start()
        self.docker(1, "swarm", "init", "--advertise-addr", self.ip(1))
        for number in self.numbers[1:]:
            role = "manager" if number <= managers else "worker"
            self.join(number, self.token(role))

    def token(self, role: str) -> str:
        """The join token of a role."""
        return self.docker(1, "swarm", "join-token", "--quiet", role).strip()

    def join(self, number: int, token: str) -> None:
        """Have a host join the first's swarm."""
        self.docker(number, "swarm", "join", "--token", token, f"{self.ip(1)}:2377")

    # -- what a user does

    def docker(self, number: int, *argv: str) -> str:
        """Standard output of a docker command against a host's swarmd.  Raises DockerError."""
        return self._run(self.daemons[number].url, *argv)

    def engine_docker(self, number: int, *argv: str) -> str:
        """The same against the host's engine itself."""
        return self._run(f"unix://{self.lab.socket_path(self.host(number))}", *argv)

    def docker_command(self, number: int, *argv: str) -> list[str]:
        """The command line of `docker`."""
        return [str(self._docker), "-H", self.daemons[number].url, *argv]

    def asked(self, number: int, address: str, port: int) -> str:
        """What an HTTP client on a host is told; empty if nobody answers."""
        argv = ["curl", "-s", "-m", "2", f"http://{address}:{port}/"]
        return self.lab.run(self.host(number), argv, is_checked=False).strip()

    # -- what is so

    def get(self, number: int, target: str) -> list[dict[str, object]]:
        """A list of the API."""
        found = self.daemons[number].get(target)
        assert isinstance(found, list)
        return found

    def node_states(self, number: int) -> dict[str, str]:
        """`Ready`, `Down` … by hostname, as a manager shows it."""
        lines = self.docker(number, "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
        return dict(line.split(" ", 1) for line in lines.splitlines())

    def leader(self, number: int) -> int:
        """The number of the leader, as a manager shows it."""
        form = "{{.Hostname}} {{.ManagerStatus}}"
        lines = self.docker(number, "node", "ls", "--format", form).splitlines()
        (name,) = [line.split()[0] for line in lines if line.endswith(" Leader")]
        return int(name.removeprefix(self.lab.prefix))

    def running(self, service: str, *, by: int = 1) -> tuple[Running, ...]:
        """Tasks that should run and do, as manager `by` shows them, by task id."""
        places = {
            node["ID"]: int(_hostname(node).removeprefix(self.lab.prefix))
            for node in self.get(by, "/nodes")
            if _hostname(node)  # a node that has just joined has yet to describe itself
        }
        wanted = quote(json.dumps({"service": [service], "desired-state": ["running"]}))
        found = []
        for task in self.get(by, f"/tasks?filters={wanted}"):
            status = task["Status"]
            assert isinstance(status, dict)
            if status["State"] == "running":
                container_id = status["ContainerStatus"]["ContainerID"]
                found.append(Running(str(task["ID"]), places[task["NodeID"]], container_id))
        return tuple(sorted(found))

    def containers(self, service: str, numbers: Collection[int] = ()) -> dict[str, str]:
        """When each container of a service that runs on these hosts, or all, was started, by id.

        The engines say it, not the swarm.
        """
        wanted = quote(json.dumps({"label": [f"com.docker.swarm.service.name={service}"]}))
        started = {}
        for number in numbers or self.numbers:
            running = self._ask_engine(number, f"/containers/json?filters={wanted}")
            assert isinstance(running, list)
            for container in running:
                inspected = self._ask_engine(number, f"/containers/{container['Id']}/json")
                assert isinstance(inspected, Mapping)
                started[str(container["Id"])] = str(inspected["State"]["StartedAt"])
        return started

    def task_containers(self) -> list[str]:
        """Containers of tasks that run anywhere."""
        found = []
        for number in self.numbers:
            argv = ("ps", "-q", "--filter", "label=com.docker.swarm.task.id")
            found += self.docker(number, *argv).split()
        return found

    def empty(self) -> None:
        """Remove all stacks and services; returns when no container of theirs is left."""
        for name in self.docker(1, "stack", "ls", "--format", "{{.Name}}").split():
            self.docker(1, "stack", "rm", name)
        if left := self.docker(1, "service", "ls", "-q").split():
            self.docker(1, "service", "rm", *left)
        self.eventually("no container of a task is left", lambda: not self.task_containers())

    def settled(self, service: str, count: int, *, by: int = 1) -> tuple[Running, ...]:
        """So many tasks run, and no container of the service but theirs; waits for it."""

        def look() -> tuple[Running, ...] | None:
            running = self.running(service, by=by)
            theirs = {task.container_id for task in running}
            is_settled = (
                len(running) == count and set(self.containers(service, self._on())) == theirs
            )
            return running if is_settled else None

        return self.eventually(f"{count} tasks of {service} run", look)

    def eventually(
        self, what: str, look: Callable[[], T | None], longest_s: float = LONGEST_S
    ) -> T:
        """What `look` returns as soon as it is true.  A refusal or no answer counts as not yet."""
        deadline = time.perf_counter() + longest_s
        last: object = None
        while time.perf_counter() < deadline:
            try:
                found = look()
                if found:
                    return found
                last = found
            except (DockerError, LabError, OSError, http.client.HTTPException) as error:
                last = error
            time.sleep(0.1)
        raise AssertionError(f"not within {longest_s} s: {what} (last: {last!r})\n{self.logs()}")

    def logs(self) -> str:
        """The ends of the daemons' logs, for whoever reads why a test failed."""
        return "\n".join(f"--- {d.host}\n{d.log_end()}" for d in self.daemons.values())

    # -- inside

    def _on(self) -> Sequence[int]:
        return [n for n in self.numbers if self.lab.init_pid(self.host(n)) is not None]

    def _run(self, url: str, *argv: str) -> str:
        done = subprocess.run(
            [str(self._docker), "-H", url, *argv],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            env={"DOCKER_CONFIG": str(self._folder), "PATH": "/usr/bin:/bin"},
        )
        if done.returncode:
            raise DockerError(f"docker {' '.join(argv)}: {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _ask_engine(self, number: int, target: str) -> object:
        path = self.lab.socket_path(self.host(number))
        answer = call(path, "GET", target, longest_s=_CALL_S)
        if answer.status != 200:
            raise LabError(f"{self.host(number)}: GET {target}: {answer.status}")
        return json.loads(answer.body)


def _hostname(node: Mapping[str, object]) -> str:
    description = node["Description"]
    assert isinstance(description, dict)
    return str(description["Hostname"])
