"""A host's swarmd, from outside: start it beside the host's engine, ask it, end it, crash it.

It lives in the host and not in the process that started it: only `end`, a power failure or the end
of the lab ends it.  Its state is on the host's disk and survives a power failure.
"""

import json
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

from tools.lab.lab import Lab
from tools.lab.processes import end, find
from tools.lab.shell import LabError
from tools.lab.unix_http import CALL_S, answers, call

_START_S = 60.0
_END_S = 30.0
_CALL_S = 30.0
#: As `start` writes its command line.
_MARKS = (b"swarmd", b"daemon", b"--state-dir")


class HostSwarmd:
    """The daemon of one host of a lab."""

    def __init__(self, lab: Lab, host: str) -> None:
        self.host = host
        self._lab = lab
        self._folder = lab.host_folder(host)
        #: as seen from this machine
        self.socket_path = self._folder / "run" / "swarmd.sock"
        #: as `swarmd --host` and `docker --host` take it
        self.url = f"unix://{self.socket_path}"
        self.log_path = self._folder / "swarmd.log"

    def start(self) -> None:
        """Start it, detached; no error if it runs.  Ready when `await_answer` returns."""
        if self.pid() is not None:
            return
        argv = [
            *(sys.executable, "-m", "swarmd", "daemon"),
            *("--host", "unix:///run/swarmd.sock"),
            *("--engine", "unix:///run/docker.sock"),
            *("--state-dir", str(self._folder / "swarmd")),
        ]
        # setsid forks: the daemon is re-parented to the host's init, and survives this program.
        code = 'exec "$@" >>"$0" 2>&1 </dev/null'
        self._lab.run(self.host, ["setsid", "--fork", "sh", "-c", code, str(self.log_path), *argv])

    def await_answer(self, longest_s: float = _START_S) -> None:
        """Raises LabError with the end of its log if it died or is silent for too long."""
        began = time.perf_counter()
        while not self.answers():
            waited = time.perf_counter() - began
            # sh and the interpreter need a moment before there is a daemon to find.
            if waited > longest_s or (waited > CALL_S and self.pid() is None):
                raise LabError(f"{self.host}: swarmd does not answer\n{self.log_end()}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether `/_ping` is answered now."""
        return answers(self.socket_path)

    def get(self, target: str) -> object:
        """The decoded answer to a GET.  Raises LabError with the daemon's words if it refuses."""
        answer = call(self.socket_path, "GET", target, longest_s=_CALL_S)
        if answer.status != 200:
            raise LabError(f"{self.host}: GET {target}: {answer.status} {answer.body.decode()}")
        return json.loads(answer.body)

    def pid(self) -> int | None:
        """PID as seen from this machine, or None."""
        return find(self._lab.init_pid(self.host), _is_swarmd)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait until it is gone; SIGKILL is a crash.  The containers run on."""
        pid = self.pid()
        if pid is not None and not end(pid, number, _END_S):
            raise LabError(f"{self.host}: swarmd {pid} does not stop")

    def descriptors(self) -> int:
        """Files and sockets that it has open, 0 if it does not run."""
        pid = self.pid()
        return 0 if pid is None else len(list(Path(f"/proc/{pid}/fd").iterdir()))

    def log_end(self) -> str:
        """The last lines it wrote."""
        try:
            return self.log_path.read_text(errors="replace")[-3000:]
        except OSError as error:
            return str(error)


def _is_swarmd(words: Collection[bytes]) -> bool:
    return b"setsid" not in words and b"sh" not in words and all(m in words for m in _MARKS)
