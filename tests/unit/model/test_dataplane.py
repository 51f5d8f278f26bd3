"""The data plane of a node: what may be subtracted, and that it travels."""

import msgspec

from swarmd.model.dataplane import DataPlane, published, without
from tests.planes import INGRESS, NODES, STACK, WEB_1, WEB_2, plane, without_tasks


def backends(wanted: DataPlane) -> list[list[str]]:
    return [[b.task_id for b in part.backends] for s in wanted.services for part in s.networks]


def test_a_dead_node_takes_its_backends_and_leaves_its_endpoints() -> None:
    """Gossip may only subtract; a node that turns out to live is reached at once."""
    less = without(plane(), lambda backend: backend.node_id == NODES[1])
    assert backends(less) == [[WEB_1], [WEB_1]]
    assert less.networks == plane().networks


def test_a_withdrawn_task_is_no_backend_in_any_network() -> None:
    assert backends(without_tasks(plane(), {WEB_1})) == [[WEB_2], [WEB_2]]


def test_nothing_to_subtract_is_the_same_plane() -> None:
    known = plane()
    assert without(known, lambda _: False) is known
    assert without_tasks(known, ()) is known


def test_a_published_port_is_answered_by_the_services_tasks_in_the_ingress_network() -> None:
    found = [
        (port.published_port, [b.addresses for b in tasks]) for port, tasks in published(plane())
    ]
    assert found == [(8080, [("10.0.0.101",), ("10.0.0.102",)])]


def test_without_the_ingress_network_nothing_is_published_here() -> None:
    networks = tuple(n for n in plane().networks if n.id != INGRESS)
    assert list(published(msgspec.structs.replace(plane(), networks=networks))) == []


def test_a_node_knows_its_own_address_in_each_network() -> None:
    ingress, stack = plane(2).networks
    assert (ingress.id, stack.id) == (INGRESS, STACK)
    assert stack.node_addresses(NODES[1]) == ("10.0.1.2",)


def test_a_plane_survives_the_wire() -> None:
    encoded = msgspec.msgpack.encode(plane())
    assert msgspec.msgpack.decode(encoded, type=DataPlane) == plane()
    assert len(encoded) < 2500
