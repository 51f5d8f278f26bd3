"""What the daemon's tests share."""

from collections.abc import Iterator

import pytest

from tests.unit.daemon.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A host, at whose end nothing runs any more."""
    made = Scene()
    yield made
    made.end()
