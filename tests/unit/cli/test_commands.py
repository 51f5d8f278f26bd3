"""Every command: usage, help, and a daemon that is not there."""

import json

import pytest

from tests.unit.cli.canned import Answer
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node

INFO = {"Swarm": {"NodeID": node()["ID"], "ControlAvailable": True}}


@pytest.mark.parametrize(
    ("args", "code", "first"),
    [
        ("frob", 1, "swarmd: unknown command: swarmd frob"),
        ("service frob", 1, "swarmd: unknown command: swarmd service frob"),
        ("service ls x", 1, "swarmd: 'swarmd service ls' accepts no arguments"),
        ("service rm", 1, "swarmd: 'swarmd service rm' requires at least 1 argument"),
        ("node update a b", 1, "swarmd: 'swarmd node update' requires 1 argument"),
        ("service ls --foo", 125, "unknown flag: --foo"),
        ("service ls -qx", 125, "unknown shorthand flag: 'x' in -x"),
        ("service ls --format", 125, "flag needs an argument: --format"),
        ("service ls -f", 125, "flag needs an argument: 'f' in -f"),
        (
            "service ls --quiet=maybe",
            125,
            (
                'invalid argument "maybe" for "-q, --quiet" flag: strconv.ParseBool: parsing "maybe": '
                "invalid syntax"
            ),
        ),
        (
            "service create -p foo x",
            125,
            'invalid argument "foo" for "-p, --publish" flag: invalid containerPort: foo',
        ),
        ("service scale web", 1, "invalid scale specifier 'web'."),
        ("swarm join-token x", 1, "unknown role x"),
        ("stack ps '", 1, 'invalid stack name: "\'"'),
        ("stack deploy x", 1, "Specify a Compose file (with --compose-file)"),
        ("--frob", 125, "No such option"),
        ("daemon --log-level loud", 125, 'invalid argument "loud" for "--log-level" flag: must be'),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    cli: Cli, args: str, code: int, first: str
) -> None:
    ran = cli(*args.split())
    assert ran.code == code
    assert ran.err.splitlines()[0].startswith(first)
    assert not cli.canned.asked


def test_a_usage_error_shows_the_usage(cli: Cli) -> None:
    assert cli("service", "rm", "--foo", "x").err == (
        "unknown flag: --foo\n\nUsage:  swarmd service rm SERVICE [SERVICE...]\n\n"
        "Run 'swarmd service rm --help' for more information\n"
    )


def test_flags_may_be_joined_have_values_and_follow_the_arguments(cli: Cli) -> None:
    cli.answers({"GET /services": [], "GET /info": INFO})
    assert (
        cli("service", "ls", "--quiet=false", "-qf", "name=a", "-fname=b", "--filter=name=c").code
        == 0
    )
    asked = cli.canned.queries("GET /services")[0]
    assert json.loads(asked["filters"]) == {"name": ["a", "b", "c"]}
    cli.answers({"DELETE /nodes/n": {}})
    assert cli("node", "rm", "n", "--force").out == "n\n"
    assert cli("node", "rm", "--", "--force").code == 1
    assert cli.canned.queries("DELETE /nodes/n") == [{"force": "1"}]


def test_help_names_the_commands_without_their_aliases(cli: Cli) -> None:
    ran = cli("service")
    assert ran.code == 0
    assert "  scale     Scale one or multiple" in ran.out
    assert "remove " not in ran.out
    assert cli("node", "list", "--help").out.startswith("Usage: swarmd node list [OPTIONS]\n")
    assert cli("--version").out.startswith("swarmd version ")


@pytest.mark.parametrize(
    "args",
    [
        "swarm ca", "swarm init", "swarm join", "swarm join-token", "swarm leave", "swarm update",
        "node demote", "node inspect", "node ls", "node promote", "node ps", "node rm",
        "node update", "service create", "service inspect", "service logs", "service ls",
        "service ps", "service rm", "service rollback", "service scale", "service update",
        "stack config", "stack deploy", "stack ls", "stack ps", "stack rm", "stack services",
        "stack up", "stack down", "daemon",
    ],
)  # fmt: skip
def test_every_command_can_be_imported_and_explains_itself(cli: Cli, args: str) -> None:
    ran = cli(*args.split(), "--help")
    assert ran.code == 0
    assert "  --help " in ran.out


def test_a_daemon_that_is_not_there_is_named(cli: Cli) -> None:
    cli.canned.host = "unix:///nowhere.sock"
    ran = cli("service", "ls")
    assert ran.code == 1
    assert ran.err == (
        "Cannot connect to the swarmd daemon at unix:///nowhere.sock. Is the swarmd daemon "
        "running?\n"
    )


def test_the_daemons_address_comes_from_the_environment_too(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from swarmd.cli.main import run  # noqa: PLC0415 - only here without -H

    cli.answers({"GET /services": []})
    monkeypatch.setenv("SWARMD_HOST", cli.canned.host)
    assert run(["service", "ls", "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_the_daemons_refusal_is_passed_on(cli: Cli) -> None:
    cli.answers({"GET /services": Answer({"message": "This node is not a swarm manager. "}, 503)})
    assert cli("service", "ls").err == (
        "Error response from daemon: This node is not a swarm manager.\n"
    )
