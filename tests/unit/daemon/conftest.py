"""What the daemon's tests share."""

from collections.abc import Iterator

import pytest

from tests.unit.daemon.scene import Scene
from tests.unit.daemon.swarm import Swarm


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A host, at whose end nothing runs any more."""
    made = Scene()
    yield made
    made.end()


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    """Three hosts; the first has founded the swarm."""
    made = Swarm()
    made.loop.run_until_complete(made.found())
    yield made
    made.end()
