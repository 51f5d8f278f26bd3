"""A host's dockerd, from outside: is it there, does it answer, import an image, stop it."""

import signal
import time
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlencode

from tools.lab.busybox import busybox_tar
from tools.lab.processes import end, find
from tools.lab.records import running_init
from tools.lab.shell import LabError
from tools.lab.unix_http import CALL_S, answers, call

_IMPORT_S = 60.0
_STOP_S = 60.0
#: dockerd's own command line, as `host.start_engine` writes it.
_MARKS = (b"--data-root", b"--pidfile", b"/run/docker.pid")


class HostEngine:
    """The engine of the host whose files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._folder = folder
        self.socket_path = folder / "run" / "docker.sock"
        self.networks_path = folder / "docker" / "network" / "files" / "local-kv.db"

    def answers(self) -> bool:
        """Whether `/_ping` is answered now."""
        return answers(self.socket_path)

    def await_answer(self, longest_s: float) -> None:
        """Raises LabError with the end of its log if it died or is silent for too long."""
        deadline = time.perf_counter() + longest_s
        began = time.perf_counter()
        while not self.answers():
            now = time.perf_counter()
            # init needs a moment before there is a process to find.
            is_dead = now - began > CALL_S and self.pid() is None
            if is_dead or now > deadline or running_init(self._folder) is None:
                raise LabError(f"{self.name}: dockerd does not answer\n{self._log_end()}")
            time.sleep(0.05)

    def pid(self) -> int | None:
        """PID of dockerd as seen from this machine, or None."""
        return find(running_init(self._folder), _is_dockerd)

    def forget_networks(self) -> None:
        """Remove its notes of networks, also of those that it does not list; only while it is off."""
        self.networks_path.unlink(missing_ok=True)

    def end(self, number: signal.Signals) -> None:
        """Send a signal to dockerd and wait until it is gone; containers live on if it was KILL."""
        pid = self.pid()
        if pid is not None and not end(pid, number, _STOP_S):
            raise LabError(f"{self.name}: dockerd {pid} does not stop")

    def import_busybox(self, name: str) -> None:
        """Import the image under `name`, unless it is there."""
        repository, _, tag = name.partition(":")
        tag = tag or "latest"
        if call(self.socket_path, "GET", f"/images/{repository}:{tag}/json").status == 200:
            return
        changes = [("changes", 'CMD ["sh"]'), ("changes", "ENV PATH=/bin")]
        query = urlencode([("fromSrc", "-"), ("repo", repository), ("tag", tag), *changes])
        target = f"/images/create?{query}"
        status, body = call(
            self.socket_path, "POST", target, tar=busybox_tar(), longest_s=_IMPORT_S
        )
        if status != 200 or b'"error"' in body:
            raise LabError(f"{self.name}: import of {name}: {status} {body[:300]!r}")

    def _log_end(self) -> str:
        try:
            return (self._folder / "dockerd.log").read_text(errors="replace")[-1500:]
        except OSError as error:
            return str(error)


def _is_dockerd(words: Collection[bytes]) -> bool:
    return all(mark in words for mark in _MARKS)
