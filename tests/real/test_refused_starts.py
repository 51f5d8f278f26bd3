"""A daemon that cannot do its work says what is in the way, ends with a status, and touches nothing.

One swarm on one host serves all tests: each finds it well, and leaves it so.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.alone import Alone
from tests.real.swarm import DockerError
from tools.lab.lab import Lab
from tools.lab.unix_http import call

pytestmark = pytest.mark.real

#: What an administrator's tool that ends too early leaves of a file.
HALF = 2


@pytest.fixture(scope="module")
def formed(lab: Lab, engine_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    made = Alone(lab, engine_bin / "docker", tmp_path_factory.mktemp("docker"))
    made.form()
    yield made
    made.swarm.reset()


@pytest.fixture
def alone(formed: Alone) -> Iterator[Alone]:
    """The swarm of one, well before and after."""
    formed.check()
    yield formed
    formed.check()


def test_without_its_engine_it_says_which_and_ends(alone: Alone) -> None:
    """The socket's path is misspelt, or the engine's package is gone."""
    alone.daemon.end()
    before = alone.files()
    ended = alone.tried(engine="unix:///run/no-docker.sock")
    assert ended.status == 1
    assert "unix:///run/no-docker.sock cannot be reached" in ended.log
    assert "Traceback" not in ended.log
    assert alone.files() == before


def test_an_engine_that_comes_a_moment_later_is_waited_for(alone: Alone) -> None:
    """Both are started by the boot, and swarmd is quicker."""
    alone.daemon.end()
    seen = len(alone.daemon.log_path.read_text())
    alone.lab.run(alone.host, ["mv", "/run/docker.sock", "/run/not-yet.sock"])
    try:
        alone.daemon.start()
        alone.swarm.eventually(
            "it has looked",
            lambda: "engine not reached" in alone.daemon.log_path.read_text()[seen:],
        )
    finally:
        alone.lab.run(alone.host, ["mv", "/run/not-yet.sock", "/run/docker.sock"])
    alone.daemon.await_answer()


def test_a_socket_that_another_daemon_serves_is_left_to_it(alone: Alone) -> None:
    ended = alone.tried(state_dir="/run/another")
    assert ended.status == 1
    assert "another daemon answers there; stop it, or choose another socket" in ended.log
    assert alone.daemon.answers()


def test_two_daemons_do_not_share_a_state_directory(alone: Alone) -> None:
    ended = alone.tried(host="unix:///run/second.sock")
    assert ended.status == 1
    assert f"uses {alone.state_dir}: stop it first" in ended.log
    assert "give this one another --state-dir" in ended.log
    assert alone.daemon.answers()


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 2377), ("udp", 7946)])
def test_a_port_that_another_program_has_is_named(alone: Alone, protocol: str, port: int) -> None:
    alone.daemon.end()
    before = alone.files()
    with _held(alone, protocol, port):
        ended = alone.tried()
    assert ended.status == 1
    assert f"cannot listen on {protocol.upper()} 0.0.0.0:{port}" in ended.log
    assert "end what has the port" in ended.log
    assert "Traceback" not in ended.log
    assert alone.files() == before


def test_half_an_identity_is_named_and_left_as_it_is(alone: Alone) -> None:
    alone.daemon.end()
    alone.spoil("node.json", lambda data: data[: len(data) // HALF])
    before = alone.files()
    ended = alone.tried()
    assert ended.status == 1
    assert "node.json in the state directory cannot be read" in ended.log
    assert "restore it, or remove the directory and join the swarm anew" in ended.log
    assert str(alone.state_dir) in ended.log
    assert alone.files() == before
    alone.mend("node.json")


def test_a_damaged_journal_is_named_and_left_as_it_is(alone: Alone) -> None:
    """A bad sector in the middle of what was promised: no torn end, which would be cut off."""
    names = {alone.record("before"), alone.record("later")}
    alone.daemon.end(signal.SIGKILL)
    name = alone.journal()
    alone.spoil(name, lambda data: data[:300] + bytes([data[300] ^ 255]) + data[301:])
    before = _raft(alone)
    ended = alone.tried()
    assert ended.status == 1
    assert f"{name}: journal: " in ended.log
    assert "restore the state directory from a backup" in ended.log
    assert "Traceback" not in ended.log
    assert _raft(alone) == before
    alone.mend(name)
    alone.check()
    assert names <= alone.service_names()
    alone.swarm.docker(1, "service", "rm", *names)


def test_a_torn_end_of_the_journal_is_cut_off_and_nothing_acknowledged_is_lost(
    alone: Alone,
) -> None:
    """The power failed in the middle of a write that nobody was told of."""
    names = {alone.record("acknowledged")}
    alone.daemon.end(signal.SIGKILL)
    name = alone.journal()

    def torn(data: bytes) -> bytes:
        written = data.rstrip(b"\0")
        half = b"\x00\x10\x00\x00" + bytes(range(1, 200))
        return (written + bytes(8) + half).ljust(len(data), b"\0")

    alone.spoil(name, torn)
    alone.check()
    names.add(alone.record("afterwards"))
    alone.daemon.end(signal.SIGKILL)
    alone.check()
    assert names <= alone.service_names()
    alone.swarm.docker(1, "service", "rm", *names)


def test_a_damaged_snapshot_is_named_and_left_as_it_is(alone: Alone) -> None:
    alone.swarm.docker(1, "swarm", "update", "--snapshot-interval", "5")
    names = {alone.record(f"early{index}") for index in range(6)}
    alone.swarm.eventually("a snapshot is taken", lambda: "raft/snapshot" in alone.files())
    alone.daemon.end(signal.SIGKILL)
    alone.spoil("raft/snapshot", lambda data: data[: len(data) // HALF])
    before = _raft(alone)
    ended = alone.tried()
    assert ended.status == 1
    assert "raft/snapshot: " in ended.log
    assert "restore the state directory from a backup" in ended.log
    assert _raft(alone) == before
    alone.mend("raft/snapshot")
    alone.check()
    assert names <= alone.service_names()
    alone.swarm.docker(1, "service", "rm", *names)


@pytest.mark.parametrize("name", ["agent/assignments", "agent/tasks"])
def test_half_a_file_of_the_agents_is_made_anew_and_no_container_notices(
    alone: Alone, name: str
) -> None:
    """What it held comes from the managers and from the engine."""
    alone.daemon.end(signal.SIGKILL)
    alone.spoil(name, lambda data: data[: len(data) // HALF])
    alone.check()  # the container is the same
    assert f"state file set aside file={name}" in alone.daemon.log_path.read_text()
    alone.swarm.eventually("it is written again", lambda: name in alone.files())


def test_beside_an_engine_with_a_swarm_of_its_own_no_node_runs(alone: Alone) -> None:
    """Somebody used the engine's own socket by mistake."""
    alone.daemon.end()
    before = alone.files()
    here = ("--advertise-addr", alone.swarm.ip(1), "--listen-addr", "127.0.0.1:2399")
    alone.swarm.engine_docker(1, "swarm", "init", *here)
    try:
        ended = alone.tried()
    finally:
        alone.swarm.engine_docker(1, "swarm", "leave", "--force")
    assert ended.status == 1
    assert "the engine beside swarmd is itself in swarm mode: run `docker swarm leave`" in ended.log
    assert alone.files() == before


def test_a_node_of_a_swarm_neither_founds_nor_joins_another(alone: Alone) -> None:
    token = alone.swarm.token("worker")
    for argv in (("init",), ("join", "--token", token, f"{alone.swarm.ip(1)}:2377")):
        with pytest.raises(DockerError, match="This node is already part of a swarm"):
            alone.swarm.docker(1, "swarm", *argv)
    for target in ("/swarm/init", "/swarm/join"):
        assert call(alone.daemon.socket_path, "POST", target).status == 503


@contextlib.contextmanager
def _held(alone: Alone, protocol: str, port: int) -> Iterator[None]:
    """Another program in the host has the port."""
    kind = "SOCK_STREAM" if protocol == "tcp" else "SOCK_DGRAM"
    code = (
        f"import socket, time; s = socket.socket(type=socket.{kind}); s.bind(('0.0.0.0', {port})); "
        f"{'s.listen(); ' if protocol == 'tcp' else ''}print('bound', flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", code]
    with alone.lab.popen(alone.host, argv, output=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "bound\n"
        yield
        holder.terminate()


def _raft(alone: Alone) -> dict[str, str]:
    """What only raft writes."""
    return {name: digest for name, digest in alone.files().items() if name.startswith("raft/")}
