"""A manager's disk runs full: what is refused is refused in words, and what was acknowledged stays.

The state directory is a small tmpfs; somebody else's file fills it.
"""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.alone import Alone
from tests.real.swarm import DockerError, RealSwarm
from tools.lab.lab import Lab

pytestmark = pytest.mark.real

#: The journal reserves 4 MiB of it at once.
SIZE = "8m"
#: So many services of this size are more than the journal has reserved.
LABEL, SERVICES = "x=" + "y" * 100_000, 30


@pytest.fixture
def alone(lab: Lab, engine_bin: Path, tmp_path: Path) -> Iterator[Alone]:
    """A swarm of one on a small disk."""
    made = Alone(lab, engine_bin / "docker", tmp_path)
    made.swarm.reset()
    _make_small(made)
    made.form(is_reset=False)
    yield made
    made.swarm.reset()


def test_a_full_disk_refuses_writes_and_loses_none_and_the_node_recovers_by_itself(
    alone: Alone,
) -> None:
    """A log nobody rotates, on the disk of /var/lib."""
    _fill(alone)
    acknowledged, refused = set(), ""
    for index in range(SERVICES):
        try:
            acknowledged.add(alone.record(f"service{index}", "--label", LABEL))
        except DockerError as error:
            refused = str(error)
    assert acknowledged, "there is room for what is under way"
    assert refused.endswith("Error response from daemon: no space left for the raft journal")
    assert acknowledged < alone.service_names(), "it is still read"

    # A daemon that starts on a full disk has everything, and refuses as before.
    alone.daemon.end(signal.SIGKILL)
    alone.daemon.start()
    alone.daemon.await_answer()
    alone.swarm.eventually("it leads again", lambda: acknowledged < alone.service_names())
    with pytest.raises(DockerError, match="no space left"):
        alone.record("refused", "--label", LABEL)

    # The agent's state does not fit either: what may not be done twice waits.
    (container,) = alone.swarm.containers("kept")
    alone.swarm.engine_docker(1, "rm", "-f", container)

    alone.lab.run(alone.host, ("rm", str(alone.state_dir / ".ballast")))
    alone.swarm.eventually("a write is accepted", lambda: alone.record("after"))
    assert alone.swarm.settled("kept", 1), "its task was replaced"
    alone.daemon.end(signal.SIGKILL)
    alone.daemon.start()
    alone.daemon.await_answer()
    wanted = acknowledged | {"kept", "after"}
    alone.swarm.eventually("nothing is lost", lambda: alone.service_names() == wanted)
    assert "Traceback" not in alone.daemon.log_path.read_text()


def test_a_leader_whose_disk_is_full_makes_way_and_catches_up_when_there_is_room(
    lab: Lab, engine_bin: Path, tmp_path: Path
) -> None:
    first = Alone(lab, engine_bin / "docker", tmp_path)
    swarm = RealSwarm(lab, engine_bin / "docker", tmp_path)
    swarm.reset()
    _make_small(first)
    swarm.form(managers=3)
    assert swarm.leader(2) == 1
    _fill(first)
    names = (f"service{index}" for index in range(1000))
    acknowledged = set()

    def write(number: int) -> bool:
        create = ("service", "create", "--detach", "--name", next(names), "--replicas", "0")
        with contextlib.suppress(DockerError):
            swarm.docker(number, *create, "--label", LABEL, "busybox")
            acknowledged.add(create[4])
        return True

    swarm.eventually("another leads", lambda: write(1) and swarm.leader(2) != 1)
    # It follows as long as there is room for what was under way.
    swarm.eventually("it says why it is of no use", lambda: write(2) and _has_no_room(swarm))
    assert acknowledged <= set(_names(swarm, 2))

    lab.run(first.host, ("rm", str(first.state_dir / ".ballast")))
    swarm.eventually("it has caught up", lambda: acknowledged <= set(_names(swarm, 1)))
    # One of three may be away: its vote counts again.
    other = next(number for number in (2, 3) if number != swarm.leader(1))
    swarm.daemons[other].end(signal.SIGKILL)
    swarm.eventually("a write with its vote", lambda: first.record("voted"))
    swarm.reset()


def test_a_swarm_is_not_founded_on_a_full_disk(alone: Alone) -> None:
    alone.swarm.docker(1, "swarm", "leave", "--force")
    _fill(alone)
    with pytest.raises(DockerError, match=r"could not be founded: .*No space left on device"):
        alone.swarm.docker(1, "swarm", "init", "--advertise-addr", alone.swarm.ip(1))
    state = alone.swarm.docker(1, "info", "--format", "{{.Swarm.LocalNodeState}}")
    assert state.strip() == "inactive"
    alone.lab.run(alone.host, ("rm", str(alone.state_dir / ".ballast")))
    alone.swarm.docker(1, "swarm", "init", "--advertise-addr", alone.swarm.ip(1))


def _make_small(alone: Alone) -> None:
    """A disk of its own for the state directory; a power failure takes it away again."""
    alone.state_dir.mkdir(mode=0o700)
    small = ("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(alone.state_dir))
    alone.lab.run(alone.host, small)


def _names(swarm: RealSwarm, number: int) -> list[str]:
    return swarm.docker(number, "service", "ls", "--format", "{{.Name}}").split()


def _has_no_room(swarm: RealSwarm) -> bool:
    """Whether manager 1 says why it is of no use."""
    try:
        swarm.docker(1, "service", "ls")
    except DockerError as error:
        return str(error).endswith("no space left for the raft journal")
    return False


def _fill(alone: Alone) -> None:
    """Somebody else's file takes the last byte."""
    code = 'dd if=/dev/zero of="$0" bs=4k 2>&1; df --output=avail "$0" | tail -1'
    ballast = str(alone.state_dir / ".ballast")
    assert alone.lab.run(alone.host, ("sh", "-c", code, ballast)).split()[-1] == "0"
