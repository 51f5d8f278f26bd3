"""Commands against canned answers: what they print, what they post, how they exit."""

import json

import pytest

from tests.unit.cli.canned import Answer
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node, service, task

NOT_FOUND = Answer({"message": "service nope not found"}, 404)
INFO = {"Swarm": {"NodeID": node()["ID"], "ControlAvailable": True}}
WEB = service()["ID"]


def frame(stream: int, text: str) -> bytes:
    data = text.encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def origin(slot: int) -> str:
    return (
        f"com.docker.swarm.node.id={node()['ID']},com.docker.swarm.service.id={WEB},"
        f"com.docker.swarm.task.id=t{slot}"
    )


# -- usage


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


# -- the daemon


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


# -- node


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


# -- service


def test_services_are_listed_with_what_runs_of_them(cli: Cli) -> None:
    ports = [
        {"Protocol": "tcp", "PublishedPort": p, "TargetPort": t, "PublishMode": mode}
        for p, t, mode in ((81, 81, "ingress"), (80, 80, "ingress"), (9, 9, "host"))
    ]
    job = service("job")
    job["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 5}}
    limited = service("web10")
    limited["Spec"]["TaskTemplate"]["Placement"] = {"MaxReplicas": 1}
    cli.answers({"GET /services": [limited, service("web9", Endpoint={"Ports": ports}), job]})
    assert cli("service", "ls").out == (
        "ID             NAME      MODE             REPLICAS               IMAGE     PORTS\n"
        "job-id000000   job       replicated job   2/2 (0/5 completed)    nginx:1   \n"
        "web9-id00000   web9      replicated       2/2                    nginx:1"
        "   *:80-81->80-81/tcp\n"
        "web10-id0000   web10     replicated       2/2 (max 1 per node)   nginx:1   \n"
    )
    assert cli.canned.queries("GET /services") == [{"status": "true"}]


def test_tasks_are_listed_newest_first_and_older_ones_indented(cli: Cli) -> None:
    failed = task(1, "failed", "shutdown", CreatedAt="2026-11-24T09:10:00Z")
    failed["Status"]["Err"] = "task: non-zero exit (1), and much more"
    cli.answers(
        {
            "GET /services": [service()],
            "GET /tasks": [failed, task(2), task(1)],
            f"GET /services/{WEB}": service(),
            f"GET /nodes/{node()['ID']}": node(),
        }
    )
    ran = cli("service", "ps", "web", "nope")
    assert ran.code == 1
    assert ran.err == "no such service: nope\n"
    names = [line[15:26].rstrip() for line in ran.out.splitlines()]
    assert names == ["NAME", "web.1", " \\_ web.1", "web.2"]
    assert '"task: non-zero exit (1), and m…"' not in ran.out
    assert '"task: non-zero exit (1), and …"' in ran.out
    quiet = cli("service", "ps", "-q", "web").out.splitlines()
    assert quiet == [task(1)["ID"], failed["ID"], task(2)["ID"]]
    assert cli("service", "ps", "--format", "{{.Node}} {{.Image}}", "web").out.splitlines()[0] == (
        "host1 nginx:1"
    )


def test_services_that_nobody_knows_are_said_and_nothing_is_listed(cli: Cli) -> None:
    cli.answers({"GET /services": []})
    ran = cli("service", "ps", "a", "b")
    assert (ran.code, ran.out, ran.err) == (1, "", "no such service: a\nno such service: b\n")


def test_a_service_is_created_waited_for_and_shown(cli: Cli) -> None:
    cli.answers(
        {
            "POST /services/create": Answer({"ID": WEB, "Warnings": ["mind the gap"]}, 201),
            f"GET /services/{WEB}": service(replicas=1),
            "GET /tasks": [Answer([]), Answer([task(1, "starting")]), Answer([task(1)])],
            "GET /nodes": [node()],
        }
    )
    ran = cli("service", "create", "--no-resolve-image", "--name", "web", "nginx", "sleep", "9")
    assert ran.code == 0
    assert ran.err == "mind the gap\n"
    assert ran.out.splitlines()[:3] == [WEB, "overall progress: 0 out of 1 tasks", "1/1:"]
    assert ran.out.splitlines()[-1] == f"verify: Service {WEB} converged"
    posted = cli.canned.bodies("POST /services/create")[0]
    assert posted["Name"] == "web"
    assert posted["TaskTemplate"]["ContainerSpec"]["Image"] == "nginx:latest"
    assert posted["TaskTemplate"]["ContainerSpec"]["Args"] == ["sleep", "9"]


def test_an_image_is_pinned_if_the_registry_answers_and_warned_about_if_not(cli: Cli) -> None:
    digest = "sha256:" + "b" * 64
    platforms = [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm", "os": "linux"}]
    cli.answers(
        {
            "GET /distribution/nginx%3Alatest/json": [
                Answer({"Descriptor": {"digest": digest}, "Platforms": platforms}),
                Answer({"message": "no route"}, 500),
            ],
            "POST /services/create": Answer({"ID": WEB}, 201),
        }
    )
    assert cli("service", "create", "-d", "nginx").err == ""
    pinned, unpinned = cli("service", "create", "-d", "nginx"), None
    assert "image nginx:latest could not be accessed on a registry" in pinned.err
    pinned_spec, unpinned = (
        body["TaskTemplate"] for body in cli.canned.bodies("POST /services/create")
    )
    assert pinned_spec["ContainerSpec"]["Image"] == f"nginx:latest@{digest}"
    assert pinned_spec["Placement"]["Platforms"] == [
        {"Architecture": "amd64", "OS": "linux"},
        {"Architecture": "", "OS": "linux"},
    ]
    assert unpinned["ContainerSpec"]["Image"] == "nginx:latest"


def test_names_of_networks_and_secrets_become_ids(cli: Cli) -> None:
    cli.answers(
        {
            "GET /networks/back": {"Id": "net-id"},
            "GET /secrets": [{"ID": "s-id", "Spec": {"Name": "s"}}],
            "POST /services/create": Answer({"ID": WEB}, 201),
        }
    )
    args = ("--network", "back", "--secret", "s", "--no-resolve-image", "-d")
    assert cli("service", "create", *args, "nginx").out == f"{WEB}\n"
    template = cli.canned.bodies("POST /services/create")[0]["TaskTemplate"]
    assert template["Networks"] == [{"Target": "net-id"}]
    assert template["ContainerSpec"]["Secrets"][0]["SecretID"] == "s-id"
    assert cli("service", "create", *args, "--secret", "t", "nginx").err == "secret not found: t\n"
    twice = ("--secret", "source=t,target=s")
    assert cli("service", "create", *args, *twice, "nginx").err == (
        "duplicate secret target for s not allowed\n"
    )


def test_an_update_names_the_version_that_it_read(cli: Cli) -> None:
    line = f"POST /services/{WEB}/update"
    cli.answers({"GET /services/web": service(), line: {"Warnings": None}})
    assert cli("service", "update", "-d", "--replicas", "5", "--args", "a b", "web").out == "web\n"
    assert cli.canned.queries(line) == [{"version": "77", "registryAuthFrom": "spec"}]
    assert cli.canned.bodies(line)[0]["Mode"] == {"Replicated": {"Replicas": 5}}
    assert cli.canned.bodies(line)[0]["TaskTemplate"]["ContainerSpec"]["Args"] == ["a", "b"]


def test_a_rollback_is_asked_for_and_excludes_other_flags(cli: Cli) -> None:
    line = f"POST /services/{WEB}/update"
    cli.answers({"GET /services/web": service(), line: {"Warnings": None}})
    assert cli("service", "update", "-d", "--rollback", "web").code == 0
    assert cli("service", "rollback", "-d", "web").out == "web\n"
    asked = {"version": "77", "registryAuthFrom": "spec", "rollback": "previous"}
    assert cli.canned.queries(line) == [asked, asked]
    assert cli("service", "update", "--rollback", "--force", "web").err == (
        "other flags may not be combined with --rollback\n"
    )


def test_a_paused_update_is_an_error(cli: Cli) -> None:
    paused = service(UpdateStatus={"State": "paused", "Message": "update paused due to failure"})
    line = f"POST /services/{WEB}/update"
    answers = {"GET /services/web": paused, line: {}, "GET /tasks": [], "GET /nodes": []}
    cli.answers(answers)
    ran = cli("service", "update", "--force", "web")
    assert ran.code == 1
    assert ran.err == "service update paused: update paused due to failure\n"


def test_services_are_scaled_one_after_the_other_and_all_errors_are_said(cli: Cli) -> None:
    line = f"POST /services/{WEB}/update"
    everywhere = service("all")
    everywhere["Spec"]["Mode"] = {"Global": {}}
    cli.answers(
        {
            "GET /services/web": service(),
            "GET /services/nope": NOT_FOUND,
            "GET /services/all": everywhere,
            line: {},
            "GET /tasks": [task(1), task(2)],
            "GET /nodes": [node()],
        }
    )
    ran = cli("service", "scale", "web=2", "nope=1", "all=2", "web=x")
    assert ran.code == 1
    assert ran.out.startswith("web scaled to 2\noverall progress: 2 out of 2 tasks\n")
    assert ran.err == (
        "nope: Error response from daemon: service nope not found\n"
        "all: scale can only be used with replicated or replicated-job mode\n"
        'web: invalid replicas value x: strconv.ParseUint: parsing "x": invalid syntax\n'
    )


def test_services_are_removed_and_the_missing_ones_named(cli: Cli) -> None:
    cli.answers({"DELETE /services/web": {}, "DELETE /services/nope": NOT_FOUND})
    ran = cli("service", "rm", "nope", "web")
    assert (ran.code, ran.out) == (1, "web\n")
    assert ran.err == "Error response from daemon: service nope not found\n"


def test_a_service_is_shown_for_people(cli: Cli) -> None:
    shown = service(UpdateStatus={"State": "completed", "StartedAt": "2026-11-24T09:20:07Z"})
    shown["Spec"]["UpdateConfig"] = {"Parallelism": 2, "Monitor": 5_000_000_000}
    shown["Spec"]["TaskTemplate"]["Networks"] = [{"Target": "net-id"}]
    cli.answers({"GET /services/web": shown, "GET /networks/net-id": {"Name": "back"}})
    out = cli("service", "inspect", "--pretty", "web").out
    assert "Service Mode:\tReplicated\n Replicas:\t2\n" in out
    assert " Parallelism:\t2\n" in out
    assert " Monitoring Period: 5s\n" in out
    assert "Networks: back \n" in out
    cli.answers({"GET /services/nope": NOT_FOUND})
    ran = cli("service", "inspect", "nope")
    assert (ran.code, ran.out, ran.err) == (1, "[]\n", "Error: no such service: nope\n")


# -- logs


def test_lines_of_logs_say_where_they_come_from(cli: Cli) -> None:
    whole = frame(1, f"{origin(1)} one\n") + frame(2, f"{origin(10)},a=b%2Cc two\n")
    pieces = [whole[:5], whole[5:100], whole[100:]]
    cli.answers(
        {
            "GET /services/web": service(replicas=10),
            f"GET /services/{WEB}": service(),
            f"GET /nodes/{node()['ID']}": node(),
            "GET /tasks/t1": task(1),
            "GET /tasks/t10": task(10),
            "GET /services/web/logs": pieces,
        }
    )
    ran = cli("service", "logs", "--no-task-ids", "--details", "--since", "5", "web")
    assert ran.out == "web.1@host1     |  one\n"
    assert ran.err == "web.10@host1    | a=b,c two\n"
    asked = cli.canned.queries("GET /services/web/logs")[0]
    assert asked == {"stdout": "1", "stderr": "1", "tail": "all", "details": "1", "since": "5"}


def test_what_the_daemon_could_not_read_of_logs_is_an_error(cli: Cli) -> None:
    cli.answers({"GET /services/web": service(), "GET /services/web/logs": [frame(3, "oh no\n")]})
    ran = cli("service", "logs", "--raw", "web")
    assert (ran.code, ran.err) == (1, "error from daemon in stream: oh no\n")


def test_a_task_has_logs_too_and_a_terminals_are_raw(cli: Cli) -> None:
    with_tty = task(1)
    with_tty["Spec"]["ContainerSpec"]["TTY"] = True
    cli.answers({"GET /tasks/t1": with_tty, "GET /tasks/t1/logs": [b"a\r\n", b"b"]})
    assert cli("service", "logs", "t1").err == "tty service logs only supported with --raw\n"
    assert cli("service", "logs", "--raw", "t1").out == "a\r\nb"
    assert cli("service", "logs", "nope").err == "no such task or service: nope\n"


# -- swarm


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
