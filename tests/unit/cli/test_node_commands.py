"""`swarmd node`: what it prints, what it posts, how it exits."""

import json

from tests.unit.cli.canned import Answer
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node

INFO = {"Swarm": {"NodeID": node()["ID"], "ControlAvailable": True}}


def test_nodes_are_listed_by_host_with_a_star_at_the_one_that_answers(cli: Cli) -> None:
    down = node(10, ManagerStatus=None, Status={"State": "down"})
    cli.answers({"GET /nodes": [down, node(2), node(1)], "GET /info": INFO})
    assert cli("node", "ls").out == (
        "ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS"
        "   ENGINE VERSION\n"
        "node010000000000000000000 *   host1      Ready     Active         Leader"
        "           28.5.2\n"
        "node020000000000000000000     host2      Ready     Active         Reachable"
        "        28.5.2\n"
        "node100000000000000000000     host10     Down      Active"
        "                          28.5.2\n"
    )


def test_a_node_is_promoted_by_reading_and_writing_its_spec(cli: Cli) -> None:
    worker = node(2, Spec={"Role": "worker", "Availability": "active"})
    cli.answers(
        {
            "GET /nodes/a": worker,
            "GET /nodes/b": node(1),
            f"POST /nodes/{worker['ID']}/update": {},
        }
    )
    assert cli("node", "promote", "a", "b").out == (
        f"Node a promoted to a manager in the swarm.\nNode {node()['ID']} is already a manager.\n"
    )
    line = f"POST /nodes/{worker['ID']}/update"
    assert cli.canned.bodies(line) == [{"Role": "manager", "Availability": "active"}]
    assert cli.canned.queries(line) == [{"version": "12"}]


def test_a_nodes_labels_and_availability_are_updated(cli: Cli) -> None:
    labelled = node(Spec={"Labels": {"a": "1", "b": "2"}, "Role": "manager"})
    line = f"POST /nodes/{node()['ID']}/update"
    cli.answers({"GET /nodes/n": labelled, line: {}})
    args = ("--label-add", "c=3", "--label-rm", "a", "--availability", "drain")
    assert cli("node", "update", *args, "n").out == "n\n"
    assert cli.canned.bodies(line) == [
        {"Labels": {"b": "2", "c": "3"}, "Role": "manager", "Availability": "drain"}
    ]
    assert cli("node", "update", "--label-rm", "zz", "n").err == (
        "key zz doesn't exist in node's labels\n"
    )


def test_a_node_is_shown_for_people(cli: Cli) -> None:
    cli.answers({"GET /info": INFO, f"GET /nodes/{node()['ID']}": node()})
    out = cli("node", "inspect", "--pretty", "self").out
    assert "Joined at:             \t2026-11-24 09:08:58.356878106 +0000 utc\n" in out
    assert " Memory:\t\t23.54GiB\n" in out
    assert " Leader:\t\tYes\n" in out


def test_what_exists_is_inspected_before_what_does_not_is_complained_about(cli: Cli) -> None:
    missing = Answer({"message": "node x not found"}, 404)
    cli.answers({"GET /nodes/n": node(), "GET /nodes/x": missing})
    ran = cli("node", "inspect", "x", "n")
    assert ran.code == 1
    assert json.loads(ran.out) == [node()]
    assert ran.err == "Error response from daemon: node x not found\n"
    assert cli("node", "inspect", "-f", "{{.Description.Hostname}}", "n").out == "host1\n"
    assert cli("node", "inspect", "-f", "json", "n").out.startswith('[{"ID":"node01')
    refused = cli("node", "inspect", "-f", "x", "--pretty", "n")
    assert refused.err == "--format is incompatible with human friendly format\n"


def test_self_on_a_worker_is_refused_in_the_daemons_words(cli: Cli) -> None:
    refusal = Answer({"message": "This node is not a swarm manager."}, 503)
    cli.answers({"GET /info": {"Swarm": {"NodeID": ""}}, "GET /nodes": refusal})
    assert "This node is not a swarm manager." in cli("node", "ps").err
