"""What the leader's mind costs: placing 10,000 tasks on 1,000 nodes, and one change among 100,000.

    python -m benchmarks.control_speed

Prints CPU milliseconds, and the longest single round: the longest time the loop would be held.
"""

import time

from swarmd.daemon.main import calm_collector
from swarmd.dispatcher.control.control import control
from swarmd.model.task import TaskState
from tests.unit.dispatcher.cluster import Cluster, spec


def rounds(cluster: Cluster) -> list[tuple[float, float]]:
    """Rounds until nothing is due: (control, apply) in CPU milliseconds each."""
    taken = []
    while cluster.agenda.is_due(cluster.now):
        docket = cluster.agenda.take(cluster.tables, cluster.now)
        began = time.process_time()
        plan = control(cluster.tables.view(), docket, cluster.now)
        thought = time.process_time()
        if plan.changes:
            cluster.commit(*plan.changes)
        cluster.agenda.planned(plan)
        taken.append(((thought - began) * 1e3, (time.process_time() - thought) * 1e3))
    return taken


def report(what: str, taken: list[tuple[float, float]]) -> None:
    """One row of the table."""
    think, write = (sum(column) for column in zip(*taken, strict=True))
    longest = max(max(pair) for pair in taken)
    print(f"{what:44} {think:8.1f} {write:8.1f} {longest:9.1f} {len(taken):7}")


class Unthinking(Cluster):
    """A cluster whose rounds are counted by the benchmark instead of run by every deploy."""

    def think(self) -> None:
        """Not now."""


def main() -> None:
    """Run and print."""
    calm_collector()
    print(f"{'CPU ms':44} {'control':>8} {'apply':>8} {'longest':>9} {'rounds':>7}")
    cluster = Unthinking(nodes=1_000)
    rounds(cluster)
    cluster.deploy(spec(10_000))
    report("10,000 tasks on 1,000 nodes, one service", rounds(cluster))

    cluster = Unthinking(nodes=1_000)
    for number in range(1_000):
        cluster.deploy(spec(100, name=f"s{number}"))
    report("1,000 services of 100 tasks, all new", rounds(cluster))
    for task in list(cluster.tables.tasks()):
        cluster.set_status(task, TaskState.RUNNING)
    report("all of them running", rounds(cluster))
    cluster.set_status(cluster.tasks("s500")[0], TaskState.FAILED)
    report("one task fails among 100,000", rounds(cluster))
    cluster.deploy(spec(101, name="s501"))
    report("one service scaled among 1,000", rounds(cluster))
    cluster.agenda.everything(cluster.tables)
    report("taking office: everything is looked at", rounds(cluster))
    cluster.down("n7")
    report("a node dies with its 100 tasks", rounds(cluster))


if __name__ == "__main__":
    main()
