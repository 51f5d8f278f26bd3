"""An engine that carries out a worker's actions at once, for tests of the core."""

from swarmd.agent.actions import (
    Action,
    AwaitNetworks,
    Create,
    Created,
    Done,
    Inspect,
    Inspected,
    Kill,
    NetworksReady,
    Outcome,
    Pull,
    Pulled,
    Refused,
    Remove,
    Signal,
    Start,
)
from swarmd.errors import EngineError
from swarmd.model.node import NodeDescription
from swarmd.wire.container import Place, TaskNetworks, container_request
from tests.unit.agent.fake_engine import Machine
from tests.unit.agent.scene import CLUSTER, NODE

PLACE = Place(cluster_id=CLUSTER, node_id=NODE, description=NodeDescription(), api_version=(1, 51))


def on(machine: Machine, action: Action) -> Outcome:
    """What the machine makes of an action."""
    try:
        return _answer(machine, action) or _obey(machine, action)
    except EngineError as error:
        return Refused(status=error.status, message=error.message)


def _answer(machine: Machine, action: Action) -> Outcome | None:
    match action:
        case Pull(image=image):
            machine.images.add(image)
            return Pulled()
        case AwaitNetworks():
            return NetworksReady(networks=TaskNetworks())
        case Create():
            request = container_request(action.task, action.spec, PLACE, action.networks)
            return Created(container_id=machine.create(request.name, request.body))
        case Inspect(reference=reference):
            return Inspected(container=machine.find(reference))
    return None


def _obey(machine: Machine, action: Action) -> Outcome:
    match action:
        case Start(container_id=container_id):
            machine.start(container_id)
        case Signal(container_id=container_id, signal=signal):
            machine.kill(container_id, signal)
        case Kill(container_id=container_id):
            machine.kill(container_id, "SIGKILL")
        case Remove(container_id=container_id):
            machine.remove(container_id)
    return Done()
