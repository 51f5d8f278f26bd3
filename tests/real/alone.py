"""One host with a swarm of its own, whose daemon is stopped, tried in the foreground, and started."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.real.swarm import SLEEP, RealSwarm, Running
from tools.lab.lab import Lab

#: A daemon that is refused has ended long before.
_ENDED_S = 40.0


class Ended(NamedTuple):
    """How a daemon ended by itself."""

    status: int
    #: everything it wrote
    log: str


class Alone:
    """Host 1 of a lab, and a service `kept` on it whose one task must survive everything."""

    def __init__(self, lab: Lab, docker: Path, folder: Path) -> None:
        self.swarm = RealSwarm(lab, docker, folder, nodes=1)
        self.lab, self.host = lab, self.swarm.host(1)
        self.daemon = self.swarm.daemons[1]
        #: as the daemon is told
        self.state_dir = lab.host_folder(self.host) / "swarmd"
        self._task: Running | None = None
        self._started = ""

    def form(self, *, is_reset: bool = True) -> None:
        """A new swarm with the service."""
        if is_reset:
            self.swarm.reset()
        self.swarm.form(managers=1)
        self.swarm.docker(1, "service", "create", "--detach", "--name", "kept", *SLEEP)
        (self._task,) = self.swarm.settled("kept", 1)
        (self._started,) = self.swarm.containers("kept").values()

    def check(self) -> None:
        """The daemon runs, the node is the same, and its container has noticed nothing."""
        self.daemon.start()
        self.daemon.await_answer()
        assert self.swarm.settled("kept", 1) == (self._task,)
        assert list(self.swarm.containers("kept").values()) == [self._started]

    def tried(self, **flags: str) -> Ended:
        """Run the daemon with other flags than usual until it ends by itself."""
        given = {
            "host": "unix:///run/swarmd.sock",
            "engine": "unix:///run/docker.sock",
            "state_dir": str(self.state_dir),
            **flags,
        }
        argv = [sys.executable, "-m", "swarmd", "daemon"]
        for name, value in given.items():
            argv += ["--" + name.replace("_", "-"), value]
        done = subprocess.run(
            self.lab.command(self.host, argv),
            capture_output=True,
            text=True,
            timeout=_ENDED_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout + done.stderr)

    def files(self) -> Mapping[str, str]:
        """A digest of each file in the state directory, without the lock."""
        return {
            str(path.relative_to(self.state_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.state_dir.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def spoil(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change a file of the daemon's, which does not run; `mend` undoes it."""
        path = self.state_dir / name
        (self.state_dir.parent / "mended").write_bytes(path.read_bytes())
        path.write_bytes(change(path.read_bytes()))

    def mend(self, name: str) -> None:
        """Put a file back as it was."""
        (self.state_dir.parent / "mended").replace(self.state_dir / name)

    def service_names(self) -> set[str]:
        """Of all services."""
        return set(self.swarm.docker(1, "service", "ls", "--format", "{{.Name}}").split())

    def record(self, name: str, *flags: str) -> str:
        """Create a service that is a record and nothing else; its name."""
        create = ("service", "create", "--detach", "--name", name, "--replicas", "0")
        self.swarm.docker(1, *create, *flags, "busybox")
        return name

    def journal(self) -> str:
        """The name of the newest part of raft's journal."""
        names: Sequence[str] = sorted(n for n in self.files() if n.startswith("raft/journal-"))
        return names[-1]
