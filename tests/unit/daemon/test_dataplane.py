"""What of the node's containers the data plane has to do with."""

import pytest

from swarmd.agent.presence import LocalContainer
from swarmd.daemon.dataplane import attached_tasks
from swarmd.model.task import TaskState
from tests.unit.agent.scene import WEB, task


@pytest.mark.parametrize(
    ("networks", "pid", "is_attached"), [(1, 101, True), (0, 101, False), (1, 0, False)]
)
def test_only_tasks_that_run_and_have_addresses_are_attached(
    networks: int, pid: int, is_attached: bool
) -> None:
    """One on the host's network has the host's own namespace, where no table may be written."""
    container = LocalContainer(
        task=task(networks=networks),
        spec=WEB,
        container_id="c1",
        pid=pid,
        state=TaskState.RUNNING,
        is_serving=True,
    )
    assert [local.container_id for local in attached_tasks([container])] == ["c1"] * is_attached
