"""`swarmd swarm`: what it prints, what it posts, how it exits."""

from tests.unit.cli.canned import Answer
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node

INFO = {"Swarm": {"NodeID": node()["ID"], "ControlAvailable": True}}


def test_a_swarm_is_made_and_says_how_to_join_it(cli: Cli) -> None:
    cli.answers(
        {
            "POST /swarm/init": node()["ID"],
            f"GET /nodes/{node()['ID']}": node(),
            "GET /swarm": {"JoinTokens": {"Worker": "SWMTKN-1-w", "Manager": "SWMTKN-1-m"}},
        }
    )
    ran = cli("swarm", "init", "--advertise-addr", "10.0.0.1", "--task-history-limit", "3")
    assert ran.out == (
        f"Swarm initialized: current node ({node()['ID']}) is now a manager.\n\n"
        "To add a worker to this swarm, run the following command:\n\n"
        "    swarmd swarm join --token SWMTKN-1-w 10.0.0.1:2377\n\n"
        "To add a manager to this swarm, run 'swarmd swarm join-token manager' and follow the "
        "instructions.\n"
    )
    asked = cli.canned.bodies("POST /swarm/init")[0]
    assert asked["ListenAddr"] == "0.0.0.0:2377"
    assert asked["Spec"] == {"Orchestration": {"TaskHistoryRetentionLimit": 3}}
    assert "Availability" not in asked


def test_an_address_that_cannot_be_chosen_is_to_be_given(cli: Cli) -> None:
    message = "could not choose an IP address to advertise since this system has multiple addresses"
    cli.answers({"POST /swarm/init": Answer({"message": message}, 400)})
    assert cli("swarm", "init").err.endswith(" - specify one with --advertise-addr\n")


def test_a_node_joins_and_says_as_what(cli: Cli) -> None:
    cli.answers({"POST /swarm/join": {}, "GET /info": {"Swarm": {"ControlAvailable": False}}})
    args = ("--token", "t", "--availability", "Drain", "--listen-addr", "eth0", "10.0.0.1:2377")
    assert cli("swarm", "join", *args).out == "This node joined a swarm as a worker.\n"
    assert cli.canned.bodies("POST /swarm/join") == [
        {
            "JoinToken": "t",
            "ListenAddr": "eth0:2377",
            "AdvertiseAddr": "",
            "DataPathAddr": "",
            "RemoteAddrs": ["10.0.0.1:2377"],
            "Availability": "drain",
        }
    ]
    assert cli("swarm", "join", "--availability", "x", "a").err == (
        'invalid availability "x", only active, pause and drain are supported\n'
    )


def test_a_join_token_is_shown_and_rotated(cli: Cli) -> None:
    swarm = {
        "Version": {"Index": 5},
        "Spec": {"Name": "default"},
        "JoinTokens": {"Worker": "W", "Manager": "M"},
    }
    cli.answers(
        {
            "GET /swarm": swarm,
            "POST /swarm/update": {},
            "GET /info": INFO,
            f"GET /nodes/{node()['ID']}": node(),
        }
    )
    assert cli("swarm", "join-token", "-q", "manager").out == "M\n"
    assert cli("swarm", "join-token", "--rotate", "worker").out == (
        "Successfully rotated worker join token.\n\n"
        "To add a worker to this swarm, run the following command:\n\n"
        "    swarmd swarm join --token W 10.0.0.1:2377\n\n"
    )
    assert cli.canned.queries("POST /swarm/update") == [
        {"version": "5", "rotateWorkerToken": "true"}
    ]


def test_a_swarm_is_left_and_updated(cli: Cli) -> None:
    swarm = {"Version": {"Index": 5}, "Spec": {"Name": "default", "Raft": {"ElectionTick": 10}}}
    cli.answers({"POST /swarm/leave": {}, "GET /swarm": swarm, "POST /swarm/update": {}})
    assert cli("swarm", "leave", "-f").out == "Node left the swarm.\n"
    assert cli.canned.queries("POST /swarm/leave") == [{"force": "1"}]
    assert cli("swarm", "update", "--max-snapshots", "2").out == "Swarm updated.\n"
    assert cli.canned.bodies("POST /swarm/update") == [
        {"Name": "default", "Raft": {"ElectionTick": 10, "KeepOldSnapshots": 2}}
    ]
    assert cli("swarm", "update").out.startswith("Usage: swarmd swarm update [OPTIONS]\n")


def test_the_ca_is_shown_and_rotated(cli: Cli) -> None:
    info = {"TrustRoot": "PEM\n", "CertIssuerPublicKey": "k", "CertIssuerSubject": "s"}
    swarm = {"Version": {"Index": 5}, "Spec": {"CAConfig": {"ForceRotate": 1}}, "TLSInfo": info}
    rotated = node(Description={"TLSInfo": info})
    old = node(Description={"TLSInfo": {**info, "CertIssuerPublicKey": "old"}})
    cli.answers(
        {
            "GET /swarm": swarm,
            "POST /swarm/update": {},
            "GET /nodes": [Answer([old]), Answer([rotated])],
        }
    )
    assert cli("swarm", "ca").out == "PEM\n"
    assert cli("swarm", "ca", "--rotate").out == (
        "  rotated TLS certificates: 0/1 nodes\n  rotated CA certificates: 0/1 nodes\n"
        "  rotated TLS certificates: 1/1 nodes\n  rotated CA certificates: 1/1 nodes\nPEM\n"
    )
    posted = cli.canned.bodies("POST /swarm/update")[0]["CAConfig"]
    assert posted == {"ForceRotate": 2, "SigningCACert": "", "SigningCAKey": ""}
    assert cli("swarm", "ca", "--cert-expiry", "2h").err == (
        "`--cert-expiry` flag requires the `--rotate` flag to update the CA\n"
    )
