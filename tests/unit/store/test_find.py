"""What a client means by a reference: an id, a name, the beginning of an id."""

from collections.abc import Callable

import msgspec
import pytest

from swarmd.errors import AmbiguousError, NotFoundError
from swarmd.model.ids import ServiceID, Version
from swarmd.model.node import NodeDescription
from swarmd.store.apply import apply
from swarmd.store.entry import Change, PutNetwork, PutNode, PutService, PutSpec, PutTask
from swarmd.store.find import find_network, find_node, find_service, find_task
from swarmd.store.view import Tables, View
from tests.unit.store.records import entry, network, node, service, stored, task


@pytest.fixture
def tables() -> Tables:
    """Services ab1 and ab2, the latter called like the former's id begins."""
    made = Tables()
    changes: list[Change] = []
    for name in ("ab1", "ab2"):
        changes += [PutSpec(record=stored(name, 1)), PutService(record=service(name, 1))]
    changes += [PutTask(record=task(name, "ab1")) for name in ("tt1", "tt2", "x1")]
    changes += [PutNetwork(record=network("ab1"))]
    for name, host in (("ab1", "alpha"), ("cd1", "alpha"), ("cd2", "beta")):
        described = msgspec.structs.replace(node(name), description=NodeDescription(hostname=host))
        changes.append(PutNode(record=described))
    apply(made, Version(1), entry(*changes))
    return made


def test_a_whole_id_comes_first(tables: Tables) -> None:
    twin = msgspec.structs.replace(service("zz1", 1), name="ab1")
    spec = msgspec.structs.replace(stored("zz1", 1), service_id=ServiceID("zz1"))
    apply(tables, Version(2), entry(PutSpec(record=spec), PutService(record=twin)))
    assert find_service(tables, "ab1").id == "ab1"


@pytest.mark.parametrize("reference", ["Name-ab1", "nAmE-AB1"])
def test_then_a_name_in_any_case(tables: Tables, reference: str) -> None:
    assert find_service(tables, reference).id == "ab1"


def test_then_the_beginning_of_an_id(tables: Tables) -> None:
    assert find_network(tables, "a").id == "ab1"
    assert find_task(tables, "x").id == "x1"
    assert find_task(tables, "tt2").id == "tt2"
    assert find_node(tables, "ab").id == "ab1"


def test_several_beginnings_are_told_apart_by_nobody(tables: Tables) -> None:
    with pytest.raises(AmbiguousError, match=r"service ab is ambiguous \(2 matches found\)"):
        find_service(tables, "ab")
    with pytest.raises(AmbiguousError, match=r"task t is ambiguous \(2 matches found\)"):
        find_task(tables, "t")


def test_nodes_may_have_the_same_host_name(tables: Tables) -> None:
    """Cloned machines do."""
    assert find_node(tables, "beta").id == "cd2"
    with pytest.raises(AmbiguousError, match=r"node alpha is ambiguous \(2 matches found\)"):
        find_node(tables, "alpha")


@pytest.mark.parametrize("reference", ["nope", ""])
@pytest.mark.parametrize("find", [find_service, find_network, find_node, find_task])
def test_nothing_found_says_what_was_asked_for(
    tables: Tables, find: Callable[[View, str], object], reference: str
) -> None:
    with pytest.raises(NotFoundError, match=f"{reference} not found"):
        find(tables, reference)
