"""Who serves, as one node knows it: what gossip, other nodes and the agent take away."""

from swarmd.daemon.serving import Serving
from swarmd.model.dataplane import DataPlane
from swarmd.model.ids import NodeID, TaskID
from tests.planes import NODES, WEB_1, WEB_2, plane, without_tasks

ONE, TWO, THREE = NODES


def serving(node_id: NodeID = ONE) -> Serving:
    made = Serving(node_id)
    made.take(plane())
    return made


def backends(known: Serving) -> set[TaskID]:
    """Of the service in all its networks."""
    left = known.plane()
    assert left is not None
    (service,) = left.services
    found = [{backend.task_id for backend in part.backends} for part in service.networks]
    assert all(one == found[0] for one in found)
    return found[0]


def test_without_news_the_leaders_plane_is_what_there_is() -> None:
    assert Serving(ONE).plane() is None
    known = serving()
    assert known.plane() is known.told


def test_a_dead_nodes_tasks_serve_no_more_and_do_again_when_it_lives() -> None:
    known = serving()
    known.live(TWO, is_alive=False)
    assert backends(known) == {WEB_1}
    known.live(TWO, is_alive=True)
    assert backends(known) == {WEB_1, WEB_2}


def test_a_node_withdraws_tasks_of_its_own_and_nobody_elses() -> None:
    known = serving(THREE)
    known.withdraw(TWO, [WEB_1])
    assert backends(known) == {WEB_1, WEB_2}
    known.withdraw(TWO, [WEB_2])
    assert backends(known) == {WEB_1}


def test_a_withdrawal_holds_until_the_leader_has_heard_of_it_too() -> None:
    """A plane that was on its way still names the task; so does one in which it only has a place."""
    known = serving(THREE)
    known.withdraw(TWO, [WEB_2])
    known.take(plane())
    assert backends(known) == {WEB_1}
    known.take(without_tasks(plane(), {WEB_2}))
    known.take(plane())
    assert backends(known) == {WEB_1}
    known.take(DataPlane())
    known.take(plane())
    assert backends(known) == {WEB_1, WEB_2}


def test_before_the_agent_has_looked_its_nodes_tasks_serve() -> None:
    """A daemon that was restarted must not take its running containers out of the tables."""
    known = serving()
    assert backends(known) == {WEB_1, WEB_2}
    assert known.serve([WEB_1]) == ()
    assert backends(known) == {WEB_1, WEB_2}


def test_a_task_of_this_node_serves_no_more_when_its_agent_says_so_or_sees_it_end() -> None:
    known = serving()
    known.serve([WEB_1])
    assert known.serve([]) == (WEB_1,)
    assert backends(known) == {WEB_2}


def test_only_what_served_before_is_told_to_others() -> None:
    known = serving()
    assert known.serve([WEB_1, WEB_2]) == ()
    assert known.serve([WEB_2, WEB_1]) == ()
    assert known.serve([]) == (WEB_1, WEB_2)
