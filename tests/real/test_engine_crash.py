"""An engine that is killed in the middle of something, as a machine that loses its power kills it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.swarm import WEB, RealSwarm
from tools.lab.engine import HostEngine
from tools.lab.lab import Lab

pytestmark = pytest.mark.real

#: How long each write to the disk takes, and so the time in which a crash can be placed.
_DELAY_S = 2
#: A commit of the engine's database: its pages, then the page that makes them count.
_COMMIT = 2


@pytest.fixture
def alone(lab: Lab, engine_bin: Path, tmp_path: Path) -> Iterator[RealSwarm]:
    """One host with a daemon that is in no swarm."""
    made = RealSwarm(lab, engine_bin / "docker", tmp_path, nodes=1)
    made.reset()
    made.start()
    yield made
    made.reset()


def test_a_network_that_the_engine_keeps_and_does_not_list_is_named_with_the_way_out(
    alone: RealSwarm, tmp_path: Path
) -> None:
    """The engine ends between its driver's note of the ingress network and its own."""
    lab, host = alone.lab, alone.host(1)
    engine, log = lab.engine(host), alone.daemons[1].log_path
    with _killed_in_the_end(engine, tmp_path / "writes") as writes:
        alone.docker(1, "swarm", "init", "--advertise-addr", alone.ip(1))
        alone.eventually("the driver's note", lambda: writes() >= _COMMIT)
    lab.start_engine(host)
    alone.eventually("it is said", lambda: "and does not list it" in log.read_text())
    assert "remove network/files/local-kv.db from its data root" in log.read_text()

    # The way out that it names.
    lab.stop_engine(host)
    engine.forget_networks()
    lab.start_engine(host)
    publish = ("service", "create", "--detach", "--name", "web", "--publish", "8080:80")
    alone.docker(1, *publish, "busybox", "sh", "-c", WEB)
    alone.eventually("an answer", lambda: alone.asked(1, alone.ip(1), 8080))


@contextlib.contextmanager
def _killed_in_the_end(engine: HostEngine, trace: Path) -> Iterator[Callable[[], int]]:
    """Until the engine is killed, each of its writes to the disk takes long.

    Yields what tells how many writes of its notes of networks have ended.
    """
    pid = engine.pid()
    assert pid is not None
    slow = f"inject=fdatasync:delay_enter={_DELAY_S}s"
    only = ("-e", "signal=none", "-e", "trace=fdatasync", "-e", slow)
    argv = ["strace", "-f", "-y", "-qq", *only, "-o", str(trace), "-p", str(pid)]
    tracer = subprocess.Popen(argv)
    try:
        while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
            assert tracer.poll() is None, "strace ended"
            time.sleep(0.01)
        yield lambda: _ended(trace.read_text(), engine.networks_path)
    finally:
        # Nothing of it runs any more from here on, but what the tracer has stopped ends after that.
        os.kill(pid, signal.SIGKILL)
        tracer.kill()
        tracer.wait()
        engine.end(signal.SIGKILL)


def _ended(trace: str, path: Path) -> int:
    """How many calls for a file have come back; one that is under way stands there without an end."""
    ended, waiting = 0, set[str]()
    for line in trace.splitlines():
        thread = line.split()[0]
        if str(path) in line:
            waiting.add(thread)
        if thread in waiting and "(DELAYED)" in line:
            waiting.remove(thread)
            ended += 1
    return ended
