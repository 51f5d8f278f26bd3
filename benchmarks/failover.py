"""What breaks: the leader's daemon is killed, a node loses its power.  Three managers.

    python -m benchmarks.failover [--rounds 5] [--peer 1]

`leader kill to next write`: kill -9 of the leader's daemon until another manager has accepted a new
service; asked again and again, and a manager that answers with an error is asked again at once.
`power-off to replacement`: a follower's, then the leader's, host ends without a word, until as many
tasks as before run on the other hosts, as a manager shows it.  `--peer 1` does the same, once, to
the engine's own swarm mode, which takes minutes.
"""

import itertools
import signal
import statistics
import time
from functools import partial

from benchmarks.peers import (
    POLL_S,
    Api,
    Member,
    arguments,
    engine_on,
    form,
    hosts,
    hosts_of_nodes,
    leader_of,
    reachable,
    ready,
    running_hosts,
    sleeper,
    swarmd_on,
    until,
)
from tools.lab.lab import Lab

REPLICAS = 6
#: A question without an answer is asked again after this.
_ASKED_S = 2.0
_LONGEST_S = 120.0
_NAMES = itertools.count()


def next_write(member: Member) -> float:
    """Seconds until this member has accepted a new service."""

    def write() -> bool:
        member.api(_ASKED_S).ask("POST", "/services/create", sleeper(f"new{next(_NAMES)}", 0))
        return True

    return until(write, _LONGEST_S)


def settle(members: list[Member]) -> Member:
    """The leader, once all are ready and reachable and the service runs whole."""
    api = members[0].api(_ASKED_S)
    until(lambda: reachable(api) == ready(api) == len(members), _LONGEST_S)
    until(partial(_runs, api, REPLICAS), _LONGEST_S)
    return leader_of(members, api)


def kill_leader(members: list[Member]) -> float:
    """Kill its daemon; it is started again afterwards."""
    leader = settle(members)
    witness = next(member for member in members if member is not leader)
    leader.process.end(signal.SIGKILL)
    took = next_write(witness)
    leader.start()
    return took


def power_off(lab: Lab, members: list[Member], *, leads: bool) -> float:
    """Seconds until the tasks of the leader's, or of another, host run elsewhere; it comes back."""
    leader = settle(members)
    others = [member for member in members if member is not leader]
    victim, witness = (leader, others[0]) if leads else (others[1], others[0])
    _spread(witness)
    api = witness.api(_ASKED_S)
    names = hosts_of_nodes(api)

    def is_replaced() -> bool:
        places = [names[node] for node in running_hosts(api, "sleeper")]
        return len(places) == REPLICAS and victim.host not in places

    assert not is_replaced(), "the victim had no task"
    began = time.perf_counter()
    lab.poweroff(victim.host)
    until(is_replaced, _LONGEST_S, 2 * POLL_S)
    took = time.perf_counter() - began
    lab.poweron(victim.host)
    victim.start()
    return took


def _spread(member: Member) -> None:
    """Nothing moves to a node because it is back: place the tasks anew."""
    api = member.api()
    for replicas in (0, REPLICAS):
        found = api.record("GET", "/services/sleeper")
        version = found["Version"]
        assert isinstance(version, dict)
        target = f"/services/{found['ID']}/update?version={version['Index']}"
        api.ask("POST", target, sleeper("sleeper", replicas))
        until(partial(_runs, api, replicas))


def _runs(api: Api, replicas: int) -> bool:
    return len(running_hosts(api, "sleeper")) == replicas


def row(what: str, taken: list[float]) -> None:
    print(
        f"{what:62} {statistics.median(taken):7.2f} {min(taken):7.2f} {max(taken):7.2f} "
        f"{len(taken):7}",
        flush=True,
    )


def measure(what: str, lab: Lab, members: list[Member], rounds: int) -> None:
    """Three rows."""
    form(members, managers=len(members))
    members[0].api().ask("POST", "/services/create", sleeper("sleeper", REPLICAS))
    row(f"{what}: leader kill to next write", [kill_leader(members) for _ in range(rounds)])
    for leads, name in ((False, "a follower's"), (True, "the leader's")):
        times = [power_off(lab, members, leads=leads) for _ in range(rounds)]
        row(f"{what}: {name} power-off to replacements", times)


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rounds=5, peer=0)
    print(f"{'seconds':62} {'median':>7} {'min':>7} {'max':>7} {'rounds':>7}")
    kinds = [
        ("swarmd", swarmd_on, options.rounds),
        ("the engine's swarm mode", engine_on, options.peer),
    ]
    for what, member_on, rounds in kinds:
        if not rounds:
            continue
        with hosts(3) as lab:
            measure(what, lab, [member_on(lab, number) for number in (1, 2, 3)], rounds)


if __name__ == "__main__":
    main()
