"""A founded swarm and its API."""

import pytest

from tests.unit.api_nouns.parts import Api, FakeCluster


@pytest.fixture
async def api() -> Api:
    """One manager that leads alone."""
    cluster = FakeCluster()
    await cluster.found()
    return Api(cluster)
