"""Reads and writes per second: swarmd on one and three managers, and the engine's own swarm mode.

    python -m benchmarks.api_rate [--seconds 4]

Each client is a process with one connection; clients are dealt out over the managers, of which two
of three pass writes on to the leader.  `inspect` reads one service, `list` reads 20, `update` is
what `docker service update` does: read the service, write it back under the version that was read,
with another label.  The services have no replicas: nothing but the API, the log and the disks works.
Clients, managers and engines share this machine's cores.
"""

import http.client
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.peers import (
    Api,
    Member,
    RefusedError,
    arguments,
    engine_on,
    form,
    hosts,
    sleeper,
    swarmd_on,
)

SERVICES = 20
CLIENTS = (1, 16)
CALLS = ("inspect", "list", "update")


def inspect(api: Api, name: str, number: int) -> None:  # noqa: ARG001 - one of three alike
    api.ask("GET", f"/services/{name}")


def list_all(api: Api, name: str, number: int) -> None:  # noqa: ARG001 - one of three alike
    api.ask("GET", "/services")


def update(api: Api, name: str, number: int) -> None:
    found = api.record("GET", f"/services/{name}")
    spec, version = found["Spec"], found["Version"]
    assert isinstance(spec, dict)
    assert isinstance(version, dict)
    spec["Labels"] = {"number": str(number)}
    api.ask("POST", f"/services/{found['ID']}/update?version={version['Index']}", spec)


DO: dict[str, Callable[[Api, str, int], None]] = {
    "inspect": inspect,
    "list": list_all,
    "update": update,
}


def client(path: Path, name: str, call: str, seconds: float, together: Barrier) -> tuple[int, int]:
    """Successes and refusals of one client, in its own process, in so many seconds."""
    api, do = Api(path), DO[call]
    do(api, name, -1)
    done = refused = 0
    together.wait()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        try:
            do(api, name, done)
            done += 1
        except (RefusedError, OSError, http.client.HTTPException):
            refused += 1
    return done, refused


def _client(number: int, path: Path, call: str, seconds: float) -> tuple[int, int]:
    return client(path, f"s{number}", call, seconds, _BARRIERS[0])


#: inherited by the clients' processes, as a barrier must be
_BARRIERS: list[Barrier] = []


def rate(members: list[Member], call: str, clients: int, seconds: float) -> tuple[float, int]:
    """Successes per second of all clients together, and refusals."""
    context = multiprocessing.get_context("fork")
    _BARRIERS[:] = [context.Barrier(clients)]
    work = [
        (number, members[number % len(members)].process.socket_path, call, seconds)
        for number in range(clients)
    ]
    with context.Pool(clients) as pool:
        # One piece each: a client waits for the others before it begins.
        counts = pool.starmap(_client, work, chunksize=1)
    return sum(done for done, _ in counts) / seconds, sum(refused for _, refused in counts)


def measure(what: str, members: list[Member], seconds: float) -> None:
    """One row for each call."""
    form(members, managers=len(members))
    api = members[0].api()
    for number in range(SERVICES):
        api.ask("POST", "/services/create", sleeper(f"s{number}", 0))
    for call in CALLS:
        row = [rate(members, call, clients, seconds) for clients in CLIENTS]
        rates = "".join(f"{per_second:12.0f}" for per_second, _ in row)
        print(f"{what:26} {len(members):8} {call:8} {rates} {sum(r for _, r in row):9}", flush=True)


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, seconds=4)
    columns = "".join(f"{f'{clients} client(s)':>12}" for clients in CLIENTS)
    print(f"{'calls per second':26} {'managers':8} {'call':8} {columns} {'refused':>9}")
    for count in (1, 3):
        for what, member_on in (("swarmd", swarmd_on), ("the engine's swarm mode", engine_on)):
            with hosts(count) as lab:
                members = [member_on(lab, number) for number in range(1, count + 1)]
                measure(what, members, options.seconds)


if __name__ == "__main__":
    main()
