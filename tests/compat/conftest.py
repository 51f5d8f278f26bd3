"""The two daemons, for all tests that compare them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.twins import Twins, twins_of
from tests.real.single_engine import ENGINE_BIN
from tools.lab.lab import EngineOptions, Lab


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Swarmd beside an engine, and such an engine's own swarm mode, each on a host of its own."""
    if not (ENGINE_BIN / "dockerd").exists():
        pytest.fail(f"no engine in {ENGINE_BIN}: run `tools/get-engine .engine`")
    lab = Lab(os.environ.get("SWARMD_TEST_LAB", "test") + "c")
    lab.destroy()  # what an interrupted run left
    try:
        lab.create(2, engine=EngineOptions(program=str(ENGINE_BIN / "dockerd")))
        yield twins_of(lab, tmp_path_factory.mktemp("compat"))
    finally:
        lab.destroy()


@pytest.fixture(scope="session")
def composes() -> Path:
    """The folder of compose files."""
    return Path(__file__).parent / "compose"
