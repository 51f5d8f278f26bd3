"""A fake engine, the API before it, and a client."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.unit.api.parts import Swarm, serving
from tests.unit.engine.fake import FakeEngine


@pytest.fixture
def swarm() -> Swarm:
    """What the node's part in a swarm is; not a manager unless the test says so."""
    return Swarm()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    """An engine that answers."""
    fake = FakeEngine()
    async with fake.at(tmp_path / "engine.sock"):
        yield fake


@pytest.fixture
async def client(
    tmp_path: Path, engine: FakeEngine, swarm: Swarm
) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP to the API before that engine."""
    del engine
    socket = str(tmp_path / "api.sock")
    async with (
        serving(str(tmp_path / "engine.sock"), [f"unix://{socket}"], swarm),
        aiohttp.ClientSession("http://d", connector=aiohttp.UnixConnector(socket)) as session,
    ):
        yield session
