"""A smoke test against the distribution's own docker.io, the oldest engine that is supported."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.swarm import WEB, RealSwarm
from tools.lab.lab import EngineOptions, Lab

pytestmark = pytest.mark.real

#: Where Debian's packages put programs, before what a developer may have of his own.
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def swarm(engine_bin: Path, tmp_path: Path) -> Iterator[RealSwarm]:
    """One host with the machine's dockerd, and the current docker CLI."""
    dockerd = shutil.which("dockerd", path=_SYSTEM_PATH)
    if dockerd is None:
        pytest.fail("the distribution's dockerd is not installed: run `tools/system`")
    lab = Lab(os.environ.get("SWARMD_TEST_LAB", "test")[:4] + "dist")
    lab.destroy()  # what an interrupted run left
    try:
        lab.create(1, engine=EngineOptions(program=dockerd))
        yield RealSwarm(lab, engine_bin / "docker", tmp_path, nodes=1)
    finally:
        lab.destroy()


def test_a_service_runs_on_the_distributions_engine(swarm: RealSwarm) -> None:
    swarm.form(managers=1)
    service = ("--name", "web", "--replicas", "2", "--publish", "8080:80")
    swarm.docker(1, "service", "create", *service, "busybox", "sh", "-c", WEB)
    names = {task.container_id[:12] for task in swarm.settled("web", 2)}
    for address in (swarm.ip(1), "127.0.0.1"):
        answers: set[str] = set()

        def all_answered(address: str = address, answers: set[str] = answers) -> bool:
            answers.add(swarm.asked(1, address, 8080))
            return names <= answers

        swarm.eventually(f"both replicas answer at {address}", all_answered)
    swarm.docker(1, "service", "rm", "web")
    swarm.eventually("its containers are gone", lambda: not swarm.containers("web"))
