"""What the benchmarks measure, and against what: swarms in the lab, of swarmd or of the engine itself.

Both speak one API, so the same code forms them, drives them and breaks them: a member is a socket
to ask and a daemon that can be killed.  An engine in swarm mode and an engine beneath swarmd are
the same program on hosts that are made alike, at the same time, on the same machine.
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from tools.lab.lab import EngineOptions, Lab
from tools.lab.swarmd import HostSwarmd

#: The lab's prefix; a benchmark has the machine for itself.
PREFIX = "bench"
IMAGE = "busybox"
_CALL_S = 60.0
_READY_S = 60.0
#: Between two looks at something that is waited for.
POLL_S = 0.02


class RefusedError(Exception):
    """A daemon answered, and not with success."""


class Api:
    """One connection to a daemon's Unix socket, kept open."""

    def __init__(self, path: Path, longest_s: float = _CALL_S) -> None:
        self._path, self._longest_s = path, longest_s
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, target: str, body: object = None) -> object:
        """The decoded answer, None if it is empty.  Raises OSError, HTTPException, RefusedError."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("localhost")
            self._connection.sock = socket.socket(socket.AF_UNIX)
            self._connection.sock.settimeout(self._longest_s)
            self._connection.sock.connect(str(self._path))
        text = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, target, text, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            data = answer.read()
            if answer.will_close:
                self.close()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.status >= 300:
            raise RefusedError(f"{method} {target}: {answer.status} {data.decode()[:300]}")
        return json.loads(data) if data.strip() else None

    def rows(self, target: str) -> list[dict[str, object]]:
        """A list of the API."""
        found = self.ask("GET", target)
        assert isinstance(found, list)
        return found

    def record(self, method: str, target: str, body: object = None) -> dict[str, object]:
        """An object of the API."""
        found = self.ask(method, target, body)
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """The next question opens another connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Process(Protocol):
    """A daemon from outside, as the lab has it for swarmd and for the engine."""

    socket_path: Path

    def pid(self) -> int | None:
        """As seen from this machine."""
        ...

    def end(self, number: signal.Signals) -> None:
        """Signal it and wait until it is gone."""
        ...


class Member:
    """A node of a swarm that is measured."""

    def __init__(self, lab: Lab, host: str, process: Process, start: Callable[[], None]) -> None:
        self.host, self.process, self.start = host, process, start
        self.address = lab.ip(host)

    def api(self, longest_s: float = _CALL_S) -> Api:
        """A connection of its own."""
        return Api(self.process.socket_path, longest_s)


def swarmd_on(lab: Lab, number: int) -> Member:
    """A running swarmd on a host, in no swarm."""
    host = f"{PREFIX}{number}"
    daemon = HostSwarmd(lab, host)

    def start() -> None:
        daemon.start()
        daemon.await_answer()

    start()
    return Member(lab, host, daemon, start)


def engine_on(lab: Lab, number: int) -> Member:
    """A host's engine, whose own swarm mode is measured."""
    host = f"{PREFIX}{number}"
    return Member(lab, host, lab.engine(host), lambda: lab.start_engine(host))


def form(members: list[Member], *, managers: int) -> None:
    """Make them one swarm of ready nodes; the first leads."""
    first, *rest = members
    api = first.api()
    init = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": first.address,
        "ForceNewCluster": False,
        "Spec": {},
    }
    api.ask("POST", "/swarm/init", init)
    tokens = api.record("GET", "/swarm")["JoinTokens"]
    assert isinstance(tokens, dict)
    for index, member in enumerate(rest, 2):
        join = {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": member.address,
            "RemoteAddrs": [f"{first.address}:2377"],
            "JoinToken": tokens["Manager" if index <= managers else "Worker"],
        }
        member.api().ask("POST", "/swarm/join", join)
    until(lambda: ready(api) == len(members))


def ready(api: Api) -> int:
    """Nodes that are up."""
    return sum(_inner(node, "Status", "State") == "ready" for node in api.rows("/nodes"))


def hosts_of_nodes(api: Api) -> dict[str, str]:
    """Hostname by node id."""
    return {str(n["ID"]): str(_inner(n, "Description", "Hostname")) for n in api.rows("/nodes")}


def leader_of(members: list[Member], api: Api) -> Member:
    """Who leads, as a manager says it.  Raises StopIteration if it knows none."""
    leading = next(
        str(_inner(node, "Description", "Hostname"))
        for node in api.rows("/nodes")
        if _inner(node, "ManagerStatus", "Leader") is True
    )
    return next(member for member in members if member.host == leading)


def reachable(api: Api) -> int:
    """Managers that answer the leader."""
    nodes = api.rows("/nodes")
    return sum(_inner(node, "ManagerStatus", "Reachability") == "reachable" for node in nodes)


def _inner(record: Mapping[str, object], *names: str) -> object:
    found: object = record
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def sleeper(name: str, replicas: int) -> dict[str, object]:
    """A service's spec: containers that do nothing and end at once."""
    container = {
        "Image": IMAGE,
        "Command": ["sleep", "1000000"],
        "StopSignal": "SIGKILL",
        "Labels": {},
    }
    return {
        "Name": name,
        "Labels": {},
        "TaskTemplate": {"ContainerSpec": container},
        "Mode": {"Replicated": {"Replicas": replicas}},
    }


def running_count(api: Api, service: str) -> int:
    """How many tasks of a service run, by its status."""
    named = quote(json.dumps({"name": {service: True}}))
    (found,) = api.rows(f"/services?status=true&filters={named}")
    status = found["ServiceStatus"]
    assert isinstance(status, dict)
    return int(status["RunningTasks"])


def running_hosts(api: Api, service: str) -> list[str]:
    """The node id of each task of a service that should run and does."""
    wanted = quote(json.dumps({"service": {service: True}, "desired-state": {"running": True}}))
    return [
        str(task["NodeID"])
        for task in api.rows(f"/tasks?filters={wanted}")
        if _inner(task, "Status", "State") == "running"
    ]


def until(look: Callable[[], bool], longest_s: float = _READY_S, poll_s: float = POLL_S) -> float:
    """Seconds until `look` is true; a refusal, or no answer, is not yet.  Raises TimeoutError."""
    began = time.perf_counter()
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, RefusedError, StopIteration):
            if look():
                return time.perf_counter() - began
        if time.perf_counter() - began > longest_s:
            raise TimeoutError(f"not within {longest_s} s")
        time.sleep(poll_s)


def dockerd() -> str:
    """The engine that is used: $SWARMD_TEST_ENGINE, .engine, or the machine's own."""
    folders = [os.environ.get("SWARMD_TEST_ENGINE", ""), str(Path(__file__).parents[1] / ".engine")]
    path = ":".join(f"{folder}/bin" for folder in folders if folder)
    found = shutil.which("dockerd", path=f"{path}:{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise SystemExit("there is no dockerd: run `tools/get-engine .engine`")
    return found


@contextlib.contextmanager
def hosts(count: int) -> Iterator[Lab]:
    """Fresh hosts with an engine and the image each; gone afterwards."""
    if os.geteuid():
        raise SystemExit("must be root, to make network namespaces")
    lab = Lab(PREFIX)
    lab.destroy()
    try:
        lab.create(count, engine=EngineOptions(program=dockerd(), image=IMAGE))
        yield lab
    finally:
        lab.destroy()


def arguments(essay: str | None, **defaults: int) -> argparse.Namespace:
    """The command line: `--name NUMBER` for each default, and the module's essay as its help."""
    parser = argparse.ArgumentParser(
        description=essay, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()
