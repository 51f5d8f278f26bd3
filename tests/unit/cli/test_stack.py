"""Stacks: files and variables in, calls in the right order, Docker's messages."""

import json
from pathlib import Path

import pytest

from swarmd.cli.stack_deploy import environment
from tests.unit.cli.canned import Answer
from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node, service, task

INFO = {"Swarm": {"NodeID": node()["ID"], "ControlAvailable": True}}
FILE = """\
version: "3.9"
services:
  web:
    image: ${IMAGE:-nginx}
    build: .
    deploy: {replicas: 1}
"""


@pytest.fixture
def compose_file(tmp_path: Path) -> str:
    path = tmp_path / "compose.yml"
    path.write_text(FILE)
    return str(path)


def deployable(cli: Cli) -> None:
    cli.answers(
        {
            "GET /info": INFO,
            "GET /services": [],
            "GET /networks": [],
            "POST /networks/create": Answer({"Id": "n"}, 201),
            "POST /services/create": Answer({"ID": service()["ID"]}, 201),
        }
    )


def test_a_stack_is_deployed_networks_first(cli: Cli, compose_file: str) -> None:
    deployable(cli)
    ran = cli("stack", "deploy", "-c", compose_file, "--resolve-image", "never", "shop")
    assert ran.code == 0
    assert ran.out == "Creating network shop_default\nCreating service shop_web\n"
    assert "service web: build (unsupported)" in ran.err
    assert "Since --detach=false was not specified" in ran.err
    posted = cli.canned.bodies("POST /services/create")[0]
    assert posted["TaskTemplate"]["ContainerSpec"]["Image"] == "nginx:latest"
    assert posted["Labels"]["com.docker.stack.image"] == "nginx"


def test_a_deployment_is_waited_for_when_asked_to(cli: Cli, compose_file: str) -> None:
    deployable(cli)
    cli.answers(
        {
            f"GET /services/{service()['ID']}": service(replicas=1),
            "GET /tasks": [task(1)],
            "GET /nodes": [node()],
        }
    )
    args = ("--resolve-image", "never", "-d=false")
    ran = cli("stack", "up", "-c", compose_file, *args, "shop")
    assert "Since --detach" not in ran.err
    assert ran.out.endswith(f"verify: Service {service()['ID']} converged\n")


def test_a_second_deployment_updates_and_prunes(cli: Cli, compose_file: str) -> None:
    def existing(name: str) -> dict[str, object]:
        found = service(f"shop_{name}")
        found["Spec"]["Labels"] = {
            "com.docker.stack.namespace": "shop",
            "com.docker.stack.image": "nginx",
        }
        return found

    deployable(cli)
    web, old = existing("web"), existing("old")
    cli.answers(
        {
            "GET /services": [web, old],
            f"POST /services/{web['ID']}/update": {},
            f"DELETE /services/{old['ID']}": {},
        }
    )
    args = ("--prune", "--resolve-image", "changed", "-d")
    ran = cli("stack", "deploy", "-c", compose_file, *args, "shop")
    assert ran.out == (
        "Removing service shop_old\nCreating network shop_default\n"
        f"Updating service shop_web (id: {web['ID']})\n"
    )
    posted = cli.canned.bodies(f"POST /services/{web['ID']}/update")[0]
    image = posted["TaskTemplate"]["ContainerSpec"]["Image"]
    assert image == "nginx:1@sha256:" + "a" * 64  # unchanged in the file: its digest stays


def test_a_call_that_fails_says_what_it_was_for_and_where_that_is_declared(
    cli: Cli, compose_file: str
) -> None:
    deployable(cli)
    cli.answers({"POST /services/create": Answer({"message": "no"}, 500)})
    ran = cli("stack", "deploy", "-d", "-c", compose_file, "--resolve-image", "never", "shop")
    assert ran.code == 1
    said = "failed to create service shop_web: Error response from daemon: no\n"
    assert ran.err.endswith(f"\n{compose_file}:3: {said}")
    cli.answers({"POST /networks/create": Answer({"message": "no"}, 500)})
    ran = cli("stack", "deploy", "-d", "-c", compose_file, "--resolve-image", "never", "shop")
    said = "failed to create network shop_default: Error response from daemon: no\n"
    assert ran.err.endswith(f"\n{compose_file}:1: {said}")


def test_a_worker_cannot_deploy(cli: Cli, compose_file: str) -> None:
    cli.answers({"GET /info": {"Swarm": {"ControlAvailable": False}}})
    ran = cli("stack", "deploy", "-d", "-c", compose_file, "shop")
    assert ran.code == 1
    assert "this node is not a swarm manager. Use" in ran.err


def test_a_file_that_is_wrong_or_missing_is_refused_before_any_call(
    cli: Cli, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("services:\n  web:\n    imag: x\n")
    ran = cli("stack", "deploy", "-c", str(wrong), "shop")
    assert ran.code == 1
    assert ran.err.startswith(f"{wrong}:3: ")
    missing = cli("stack", "deploy", "-c", "/nope.yml", "shop")
    assert missing.err == "open /nope.yml: no such file or directory\n"
    assert not cli.canned.asked


def test_config_prints_the_merged_files(cli: Cli, compose_file: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IMAGE=busybox\n")
    over = tmp_path / "over.yml"
    over.write_text('version: "3.9"\nservices: {web: {hostname: h}}\n')
    out = cli("stack", "config", "-c", compose_file, "-c", str(over)).out
    assert "image: busybox\n" in out
    assert "hostname: h\n" in out
    raw = cli("stack", "config", "--skip-interpolation", "-c", f"{compose_file},{over}").out
    assert "image: ${IMAGE:-nginx}\n" in raw


def test_variables_of_the_process_come_before_those_of_the_env_file(tmp_path: Path) -> None:
    assert environment({"A": "1"}, tmp_path) == {"A": "1"}
    (tmp_path / ".env").write_text("A=2\nB=${A}3\n")
    assert environment({"A": "1"}, tmp_path) == {"A": "1", "B": "13"}


def test_stacks_are_counted_by_their_services_labels(cli: Cli) -> None:
    def of(stack: str) -> dict[str, object]:
        found = service()
        found["Spec"]["Labels"] = {"com.docker.stack.namespace": stack}
        return found

    cli.answers({"GET /services": [of("s10"), of("s9"), of("s9")]})
    assert cli("stack", "ls").out == "NAME      SERVICES\ns9        2\ns10       1\n"


def test_a_stack_without_services_or_tasks_is_said_to_be_empty(cli: Cli) -> None:
    cli.answers(
        {f"GET /{kind}": [] for kind in ("services", "tasks", "secrets", "configs", "networks")}
    )
    services = cli("stack", "services", "shop")
    assert (services.code, services.err) == (0, "Nothing found in stack: shop\n")
    tasks = cli("stack", "ps", "shop")
    assert (tasks.code, tasks.err) == (1, "nothing found in stack: shop\n")
    removed = cli("stack", "rm", "shop")
    assert (removed.code, removed.err) == (0, "Nothing found in stack: shop\n")


def test_a_stack_is_removed_services_first_and_what_is_gone_already_is_no_failure(cli: Cli) -> None:
    gone = Answer({"message": "network n not found"}, 404)
    in_use = Answer({"message": "in use"}, 400)
    cli.answers(
        {
            "GET /services": [service("shop_web"), service("shop_db")],
            "GET /secrets": [],
            "GET /configs": [{"ID": "c", "Spec": {"Name": "shop_c"}}],
            "GET /networks": [{"Id": "n", "Name": "shop_default"}],
            f"DELETE /services/{service('shop_web')['ID']}": {},
            f"DELETE /services/{service('shop_db')['ID']}": {},
            "DELETE /configs/c": in_use,
            "DELETE /networks/n": gone,
        }
    )
    ran = cli("stack", "rm", "shop")
    assert ran.code == 1
    assert ran.out == (
        "Removing service shop_db\nRemoving service shop_web\nRemoving config shop_c\n"
        "Removing network shop_default\n"
    )
    assert ran.err == (
        "Failed to remove config c: Error response from daemon: in use\n"
        "failed to remove some resources from stack: shop\n"
    )
    asked = json.loads(cli.canned.queries("GET /services")[0]["filters"])
    assert asked == {"label": ["com.docker.stack.namespace=shop"]}


def test_a_removal_is_waited_for_when_asked_to(cli: Cli) -> None:
    cli.answers(
        {
            "GET /services": [service()],
            "GET /secrets": [],
            "GET /configs": [],
            "GET /networks": [],
            f"DELETE /services/{service()['ID']}": {},
            "GET /tasks": [Answer([task(1)]), Answer([task(1, "shutdown", "remove")])],
        }
    )
    assert cli("stack", "rm", "--detach=false", "shop").code == 0
    assert len(cli.canned.queries("GET /tasks")) == 2
