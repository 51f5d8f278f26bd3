"""Resident memory of an idle manager and an idle worker, and after churn.

    python -m benchmarks.memory [--updates 3000] [--services 300] [--tasks 60]

One manager and one worker.  Idle is ten seconds after the worker has joined.  Then come so many
updates of one service's labels, services created and removed, and containers started and ended on
both nodes: an hour of a busy cluster in a minute or two.  `peak` is the largest it ever was.  The
engine in swarm mode is idle only: its figure includes the engine, which swarmd has beside it.
"""

import re
import time
from functools import partial
from pathlib import Path

from benchmarks.peers import (
    Api,
    Member,
    arguments,
    engine_on,
    form,
    hosts,
    running_hosts,
    sleeper,
    swarmd_on,
    until,
)

IDLE_S = 10.0
#: Tasks of a service that comes and goes.
TASKS = 20


def mebibytes(member: Member) -> tuple[float, float]:
    """Resident now, and at most."""
    pid = member.process.pid()
    assert pid is not None, "it has died"
    status = Path(f"/proc/{pid}/status").read_text()
    return _field(status, "VmRSS"), _field(status, "VmHWM")


def _field(status: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def update(api: Api, count: int) -> None:
    """Write a service's labels so many times."""
    for number in range(count):
        found = api.record("GET", "/services/updated")
        version = found["Version"]
        assert isinstance(version, dict)
        spec = {**sleeper("updated", 0), "Labels": {"number": str(number)}}
        api.ask("POST", f"/services/{found['ID']}/update?version={version['Index']}", spec)


def come_and_go(api: Api, count: int, replicas: int) -> None:
    """Create so many services, one after the other, wait until they run, and remove each."""
    for number in range(count):
        name = f"passing{number}"
        api.ask("POST", "/services/create", sleeper(name, replicas))
        if replicas:
            until(partial(_runs, api, name, replicas))
        api.ask("DELETE", f"/services/{name}")


def _runs(api: Api, service: str, replicas: int) -> bool:
    return len(running_hosts(api, service)) == replicas


def row(what: str, members: list[Member]) -> None:
    figures = [figure for member in members for figure in mebibytes(member)]
    print(f"{what:56}" + "".join(f"{figure:9.1f}" for figure in figures), flush=True)


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, updates=3_000, services=300, tasks=60)
    print(f"{'MiB':56}{'manager':>9}{'peak':>9}{'worker':>9}{'peak':>9}")
    with hosts(2) as lab:
        members = [swarmd_on(lab, number) for number in (1, 2)]
        form(members, managers=1)
        time.sleep(IDLE_S)
        row("swarmd, idle", members)
        api = members[0].api()
        api.ask("POST", "/services/create", sleeper("updated", 0))
        update(api, options.updates)
        row(f"after {options.updates} updates", members)
        come_and_go(api, options.services, 0)
        row(f"after {options.services} services created and removed", members)
        come_and_go(api, options.tasks // TASKS, TASKS)
        row(f"after {options.tasks} containers started and ended", members)
        time.sleep(IDLE_S)
        row("idle again", members)
    with hosts(2) as lab:
        members = [engine_on(lab, number) for number in (1, 2)]
        form(members, managers=1)
        time.sleep(IDLE_S)
        row("the engine in swarm mode, idle (the engine included)", members)


if __name__ == "__main__":
    main()
