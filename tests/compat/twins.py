"""Two hosts of a lab: swarmd beside an engine, and the same engine in its own swarm mode.

Both are managers of a swarm of one, and both are asked the same.  What cannot be the same (ids,
times, names and addresses of hosts, tokens) is taken out of the answers.
"""

import concurrent.futures
import http.client
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.real.single_engine import DOCKER
from tools.lab.lab import Lab
from tools.lab.swarmd import HostSwarmd

_COMMAND_S = 120.0
_SETTLE_S = 60.0
T = TypeVar("T")
#: What may differ, by what stands for it.
_VARYING = (
    (r"SWMTKN-1-[\w-]+", "<token>"),
    (r"-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----", "<certificate>"),
    (r"Issuer (Subject|Public Key):\s+\S+", "<issuer>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 [Uu][Tt][Cc])", "<time>"),
    (r"(?i)(less than a|about an?|\d+) (second|minute|hour)s? ago", "<ago>"),
    (r"10\.77\.0\.\d+", "<address>"),
    (r"\b[0-9a-z]{25}\b", "<id>"),
    (r"\b[0-9a-z]{12}\b", "<short>"),  # and any other word of twelve letters, on both sides
    (r"(?<=\S)[ \t]+", " "),
)


class Ran(NamedTuple):
    """How a command ended, without what varies."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of its output, in an order of their own."""
        return sorted(self.out.splitlines())


class Twin:
    """One of the two daemons."""

    def __init__(self, socket_path: Path, host: str, folder: Path) -> None:
        self.socket_path = socket_path
        self.url = f"unix://{socket_path}"
        #: the name of its node
        self.host = host
        #: where commands run
        self._folder = folder

    def docker(self, args: str, stdin: str | None = None) -> Ran:
        """A command of the unmodified CLI; HOST in it is the node's name."""
        return self._run([DOCKER, "-H", self.url], args, stdin)

    def swarmd(self, args: str, stdin: str | None = None) -> Ran:
        """A command of ours."""
        return self._run([sys.executable, "-m", "swarmd", "-H", self.url], args, stdin)

    def ok(self, args: str) -> str:
        """The output of a docker command, which must succeed."""
        ran = self._finished([DOCKER, "-H", self.url, *shlex.split(args)], None)
        assert ran.returncode == 0, (args, ran.stderr)
        return ran.stdout

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """(status, decoded answer) of a request; of a refusal, its message."""
        connection = http.client.HTTPConnection("localhost", timeout=_COMMAND_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.socket_path))
            headers = {"Content-Type": "application/json"} if body is not None else {}
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/v1.51{path}", body=data, headers=headers)
            answer = connection.getresponse()
            text = answer.read().strip()
        finally:
            connection.close()
        decoded: Any = json.loads(text) if text else None
        if answer.status < 400:
            return answer.status, decoded
        return answer.status, self.plain(decoded["message"])

    def settle(self, holds: Callable[[], bool]) -> None:
        """Returns when it holds."""
        deadline = time.perf_counter() + _SETTLE_S
        while not holds():
            assert time.perf_counter() < deadline, f"{self.url} does not settle"
            time.sleep(0.1)

    def specs(self, prefix: str) -> dict[str, Any]:
        """The specs of the services whose name begins so, and what is asked of their networks.

        Networks are named, and lists that the CLI shuffles are sorted.
        """
        _, networks = self.ask("GET", "/networks?scope=swarm")
        named = {network["Id"]: network["Name"] for network in networks}
        for predefined in ("host", "bridge"):
            named[self.ask("GET", f"/networks/{predefined}?scope=swarm")[1]["Id"]] = predefined
        found = {
            network["Name"]: _asked_of_network(network)
            for network in networks
            if network["Name"].startswith(prefix)
        }
        for service in self.ask("GET", "/services?insertDefaults=true")[1]:
            spec = service["Spec"]
            if spec["Name"].startswith(prefix):
                found[spec["Name"]] = _comparable(spec, named)
        return found

    def _run(self, program: list[str], args: str, stdin: str | None) -> Ran:
        words = shlex.split(args.replace("HOST", self.host))
        ran = self._finished([*program, *words], stdin)
        cut = self.plain
        return Ran(ran.returncode, cut(ran.stdout), cut(ran.stderr))

    def _finished(
        self, command: list[str], stdin: str | None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            env={**os.environ, "FROM_CLIENT": "yes"},
            cwd=self._folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )

    def plain(self, text: str) -> str:
        """A text without what varies."""
        text = text.replace(self.url, "<url>")
        text = re.sub(rf"\b{self.host}\b", "<host>", text)
        for pattern, stand_in in _VARYING:
            text = re.sub(pattern, stand_in, text)
        return text.replace("swarmd daemon", "Docker daemon")


class Twins(NamedTuple):
    """The two, `swarmd` and the reference."""

    ours: Twin
    docker: Twin

    def each(self, work: Callable[[Twin], T]) -> list[T]:
        """What comes of it with each, ours first.  It is done with both at once."""
        with concurrent.futures.ThreadPoolExecutor(len(self)) as pool:
            return list(pool.map(work, self))

    def both(self, args: str) -> None:
        """A docker command that must succeed on both."""
        self.each(lambda twin: twin.ok(args))


def twins_of(lab: Lab, folder: Path) -> Twins:
    """Found a swarm on each of a lab's two hosts, whose engines run."""
    first, second = (f"{lab.prefix}{number}" for number in (1, 2))
    daemon = HostSwarmd(lab, first)
    daemon.start()
    daemon.await_answer()
    made = Twins(
        ours=Twin(daemon.socket_path, first, folder),
        docker=Twin(lab.socket_path(second), second, folder),
    )
    made.both("swarm init")
    return made


def _asked_of_network(network: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = ("Driver", "Attachable", "Internal", "Labels", "EnableIPv6")
    options = {k: v for k, v in (network["Options"] or {}).items() if "vxlan" not in k}
    return {**{name: network[name] for name in kept}, "Options": options}


def _comparable(spec: Any, named: Mapping[str, str]) -> Any:
    for network in spec["TaskTemplate"].get("Networks", []):
        network["Target"] = named.get(network["Target"], network["Target"])
    spec["TaskTemplate"]["ContainerSpec"].get("Env", []).sort()
    spec.get("EndpointSpec", {}).get("Ports", []).sort(key=str)
    return spec
