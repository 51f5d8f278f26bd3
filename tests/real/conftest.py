"""Fixtures of the real tests: hosts in namespaces, a current engine in each.

They fail, and do not skip, on a machine that cannot run them: a green run has run everything.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.swarm import RealSwarm
from tools.lab.lab import EngineOptions, Lab
from tools.lab.unix_http import call

#: Made by `tools/get-engine .engine`, unless $SWARMD_TEST_ENGINE names another folder.
_ENGINE = Path(__file__).parents[2] / ".engine"
_NODES = 3
_OLDEST = 26


@pytest.fixture(scope="session")
def engine_bin() -> Path:
    """The folder with dockerd and everything beside it."""
    folder = Path(os.environ.get("SWARMD_TEST_ENGINE", _ENGINE)) / "bin"
    if not (folder / "dockerd").exists():
        pytest.fail(f"no engine in {folder}: run `tools/get-engine .engine`")
    return folder


def _require_current(lab: Lab, host: str) -> None:
    """What these tests expect of an engine is so since `_OLDEST`; `test_distribution_engine` is older."""
    answer = call(lab.socket_path(host), "GET", "/version")
    version = str(json.loads(answer.body)["Version"])
    if int(version.partition(".")[0]) < _OLDEST:
        pytest.fail(f"the engine is {version}; the real tests need {_OLDEST} or later")


@pytest.fixture(scope="session")
def lab(engine_bin: Path) -> Iterator[Lab]:
    """Hosts 1 to 3, each with an engine and the image busybox, and host 4, a client outside.

    Their names are `lab.prefix` and the number.  One lab for all tests: each leaves it as it was.
    """
    made = Lab(os.environ.get("SWARMD_TEST_LAB", "test"))
    made.destroy()  # what an interrupted run left
    try:
        made.create(_NODES, engine=EngineOptions(program=str(engine_bin / "dockerd")))
        _require_current(made, f"{made.prefix}1")
        made.create(_NODES + 1)
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def hosts(
    lab: Lab, engine_bin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealSwarm]:
    """Hosts for a module whose tests reset them first, and break them."""
    made = RealSwarm(lab, engine_bin / "docker", tmp_path_factory.mktemp("docker"))
    yield made
    made.reset()


@pytest.fixture(scope="module")
def formed(hosts: RealSwarm) -> RealSwarm:
    """Two managers and a worker, for all tests of a module."""
    hosts.reset()
    hosts.form(managers=2)
    return hosts


@pytest.fixture
def swarm(formed: RealSwarm) -> Iterator[RealSwarm]:
    """The swarm without a service; those of a test go with it."""
    yield formed
    formed.empty()
