"""From `service create --replicas 50` to 50 running: swarmd, the bare engine, its own swarm mode.

    python -m benchmarks.deploy [--replicas 50] [--rounds 3] [--connected 1]

Two hosts.  On the first, swarmd beside an engine, and the same engine asked directly to create and
start as many containers, with 4, 8 and 16 requests under way; on the second, the same program in
swarm mode.  All take turns in each round, so that the ratios are of one run.  Running is what the
service's status says, as in `docker service ls`, which both answer without much work: a list of all
tasks, asked for 25 times a second, would cost a tenth of what is measured.  Of the bare engine, it is
that every start was answered.  A first, smaller deployment of each kind is not counted.

With `--connected 1` the service is in an overlay network and publishes a port; the bare engine's
containers are in a bridge network and publish nothing.
"""

import concurrent.futures
import statistics
import time
from collections.abc import Callable
from functools import partial

from benchmarks.peers import (
    IMAGE,
    POLL_S,
    Api,
    Member,
    arguments,
    engine_on,
    form,
    hosts,
    running_count,
    running_hosts,
    sleeper,
    swarmd_on,
    until,
)

CONCURRENCIES = (4, 8, 16)
#: What services and bare containers are connected to, if they are.
NETWORK = "between"


def deployed(member: Member, replicas: int, *, is_connected: bool = False) -> float:
    """Seconds until a new service's tasks all run; it is removed again."""
    api = member.api()
    spec = sleeper("sleeper", replicas)
    if is_connected:
        spec["Networks"] = [{"Target": NETWORK}]
        port = {"TargetPort": 80, "PublishedPort": 8080}
        spec["EndpointSpec"] = {"Ports": [port]}
    began = time.perf_counter()
    api.ask("POST", "/services/create", spec)
    until(lambda: running_count(api, "sleeper") == replicas, poll_s=2 * POLL_S)
    took = time.perf_counter() - began
    assert len(running_hosts(api, "sleeper")) == replicas
    api.ask("DELETE", "/services/sleeper")
    return took


def started(member: Member, at_once: int, count: int, *, is_connected: bool = False) -> float:
    """Seconds until so many containers were created and started; they are removed again."""
    place = {"NetworkMode": NETWORK} if is_connected else {}

    def start(number: int) -> None:
        api = member.api()
        created = api.record(
            "POST",
            f"/containers/create?name=raw{number}",
            {"Image": IMAGE, "Cmd": ["sleep", "1000000"], "HostConfig": place},
        )
        api.ask("POST", f"/containers/{created['Id']}/start")
        api.close()

    def remove(number: int) -> None:
        member.api().ask("DELETE", f"/containers/raw{number}?force=1")

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        began = time.perf_counter()
        list(pool.map(start, range(count)))
        took = time.perf_counter() - began
        list(pool.map(remove, range(count)))
    return took


def idle(*engines: Api) -> None:
    """Returns when these engines have no container."""
    until(lambda: not any(engine.rows("/containers/json?all=1") for engine in engines))


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, replicas=50, rounds=3, connected=0)
    is_connected = bool(options.connected)
    with hosts(2) as lab:
        ours, theirs, bare = swarmd_on(lab, 1), engine_on(lab, 2), engine_on(lab, 1)
        form([ours], managers=1)
        form([theirs], managers=1)
        if is_connected:
            for member, driver in ((ours, "overlay"), (theirs, "overlay"), (bare, "bridge")):
                network = {"Name": NETWORK, "Driver": driver}
                member.api().ask("POST", "/networks/create", network)
        runs: dict[str, Callable[[int], float]] = {
            f"bare engine, {at_once} at once": partial(
                started, bare, at_once, is_connected=is_connected
            )
            for at_once in CONCURRENCIES
        }
        runs["swarmd"] = partial(deployed, ours, is_connected=is_connected)
        runs["the engine's swarm mode"] = partial(deployed, theirs, is_connected=is_connected)
        engines = (bare.api(), theirs.api())
        times: dict[str, list[float]] = {name: [] for name in runs}
        for run in runs.values():
            run(min(10, options.replicas))
            idle(*engines)
        for _ in range(options.rounds):
            for name, run in runs.items():
                times[name].append(run(options.replicas))
                idle(*engines)
    report(times)


def report(times: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    best = min(median for name, median in medians.items() if name.startswith("bare"))
    print(f"{'seconds':28} {'median':>7} {'min':>7} {'max':>7} {'x best bare':>12}")
    for name, taken in times.items():
        print(
            f"{name:28} {medians[name]:7.2f} {min(taken):7.2f} {max(taken):7.2f} "
            f"{medians[name] / best:12.2f}"
        )


if __name__ == "__main__":
    main()
