"""`swarmd service`: what it prints, what it posts, how it exits."""

from tests.unit.cli.canned import Answer
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node, service, task

NOT_FOUND = Answer({"message": "service nope not found"}, 404)


WEB = service()["ID"]


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


def test_of_a_service_that_is_refused_nothing_else_is_said(cli: Cli) -> None:
    """That its image could not be pinned does not matter any more."""
    cli.answers(
        {
            "GET /distribution/nginx%3Alatest/json": Answer({"message": "no route"}, 500),
            "POST /services/create": Answer({"message": "no"}, 400),
        }
    )
    ran = cli("service", "create", "-d", "nginx")
    assert (ran.code, ran.err) == (1, "Error response from daemon: no\n")


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
