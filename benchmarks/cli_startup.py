"""What a command costs before it has done anything: CPU of a whole process, start to end.

    python -m benchmarks.cli_startup

The daemon is a canned server in this process, so only the command is measured.  Bytecode is
compiled first, as an installation does.  The limit is 150 ms for each.  On a machine that others
use too, the least of the runs is what the command costs, and the median what it cost today.
"""

import compileall
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import yaml

import swarmd
from tests.unit.cli.canned import Answer, Canned, serving
from tests.unit.cli.objects import node, service, task

ROUNDS = 15
COMPOSE_FILE = """\
version: "3.9"
services:
  web:
    image: nginx
    ports: ["8080:80"]
    deploy: {replicas: 3, update_config: {parallelism: 2}}
  db:
    image: postgres
    environment: {POSTGRES_PASSWORD: "${PASSWORD:-secret}"}
    networks: [back]
networks: {back: {}}
"""


def milliseconds(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU of a command: the least and the median of several runs."""
    taken = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append(spent * 1e3)
    return min(taken), sorted(taken)[ROUNDS // 2]


def answers() -> dict[str, Answer]:
    """What the measured commands ask for."""
    services = [service(f"web{number}") for number in range(10)]
    info = {"Swarm": {"NodeID": node()["ID"], "ControlAvailable": True}}
    named = {"GET /services/" + found["ID"]: Answer(found) for found in services}
    return {
        "GET /services": Answer(services),
        "GET /nodes": Answer([node(1), node(2), node(3)]),
        "GET /tasks": Answer([task(slot) for slot in range(1, 11)]),
        "GET /info": Answer(info),
        "GET /networks": Answer([]),
        "POST /networks/create": Answer({"Id": "n"}, 201),
        "POST /services/create": Answer({"ID": service()["ID"]}, 201),
        f"GET /services/{service()['ID']}": Answer(service()),
        f"GET /nodes/{node()['ID']}": Answer(node()),
        **named,
    }


def report(canned: Canned, compose_file: Path) -> None:
    """Measure and print a row for each command."""
    environment = {**os.environ, "SWARMD_HOST": canned.host}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    python = [sys.executable, "-m", "swarmd"]
    deploy = ["stack", "deploy", "-d", "-c", str(compose_file), "--resolve-image", "never", "shop"]
    rows = [
        ("python alone", [sys.executable, "-c", "pass"]),
        ("import click", [sys.executable, "-c", "import click"]),
        ("--help", [*python, "--help"]),
        ("node ls", [*python, "node", "ls"]),
        ("service ls", [*python, "service", "ls"]),
        ("service ps", [*python, "service", "ps", "web1"]),
        ("service create --help", [*python, "service", "create", "--help"]),
        ("service create", [*python, "service", "create", "-d", "--no-resolve-image", "nginx"]),
        ("stack deploy", [*python, *deploy]),
    ]
    print(f"{'CPU ms':24} {'least':>8} {'median':>8}")
    for name, command in rows:
        least, median = milliseconds(command, environment)
        print(f"{name:24} {least:8.0f} {median:8.0f}")


def main() -> None:
    """Run and print."""
    for package in (swarmd, click, yaml):
        assert package.__file__ is not None
        compileall.compile_dir(Path(package.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        compose_file = Path(folder) / "compose.yml"
        compose_file.write_text(COMPOSE_FILE)
        with serving(Path(folder), answers()) as canned:
            report(canned, compose_file)


if __name__ == "__main__":
    main()
