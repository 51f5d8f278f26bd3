"""What the leader's mind costs: placing 10,000 tasks on 1,000 nodes, and one change among 100,000.

    python -m benchmarks.control_speed

Prints CPU milliseconds, and the longest single round: the longest time the loop would be held.
"""

import time
from collections.abc import Callable

from swarmd.dispatcher.control.control import control
from swarmd.model.task import TaskState
from tests.unit.dispatcher.cluster import Cluster, spec


def timed(call: Callable[[], object]) -> float:
    """CPU milliseconds of one call."""
    began = time.process_time()
    call()
    return (time.process_time() - began) * 1e3


def rounds(cluster: Cluster) -> list[tuple[float, float]]:
    """Rounds until nothing is due: (control, apply) in CPU milliseconds each."""
    taken = []
    while cluster.agenda.is_due(cluster.now):
        dirty = cluster.agenda.take(cluster.tables, cluster.now)
        view = cluster.tables.view()
        plans = []
        think = timed(lambda v=view, d=dirty, p=plans: p.append(control(v, d, cluster.now)))
        changes = plans[0].changes
        write = timed(lambda c=changes: cluster.commit(*c)) if changes else 0.0
        cluster.agenda.planned(plans[0])
        taken.append((think, write))
    return taken


def report(what: str, taken: list[tuple[float, float]]) -> None:
    """One row of the table."""
    think, write = (sum(column) for column in zip(*taken, strict=True))
    longest = max(max(pair) for pair in taken)
    print(f"{what:44} {think:8.1f} {write:8.1f} {longest:9.1f} {len(taken):7}")


def main() -> None:
    """Run and print."""
    print(f"{'CPU ms':44} {'control':>8} {'apply':>8} {'longest':>9} {'rounds':>7}")
    cluster = Cluster(nodes=1_000)
    rounds(cluster)
    cluster.deploy = lambda wanted: Cluster.deploy(cluster, wanted)  # type: ignore[method-assign]  # seen below
    cluster.think = lambda: None  # type: ignore[method-assign]  # rounds are counted here instead
    Cluster.deploy(cluster, spec(10_000))
    report("10,000 tasks on 1,000 nodes, one service", rounds(cluster))

    cluster = Cluster(nodes=1_000)
    cluster.think = lambda: None  # type: ignore[method-assign]  # rounds are counted here instead
    for number in range(1_000):
        Cluster.deploy(cluster, spec(100, name=f"s{number}"))
    report("1,000 services of 100 tasks, all new", rounds(cluster))
    running = list(cluster.tables.tasks())
    for task in running:
        cluster.set_status(task, TaskState.RUNNING)
    report("all of them running", rounds(cluster))
    cluster.set_status(cluster.tasks("s500")[0], TaskState.FAILED)
    report("one task fails among 100,000", rounds(cluster))
    Cluster.deploy(cluster, spec(101, name="s501"))
    report("one service scaled among 1,000", rounds(cluster))
    cluster.agenda.everything(cluster.tables)
    report("taking office: everything is looked at", rounds(cluster))
    cluster.down("n7")
    report("a node dies with its 100 tasks", rounds(cluster))


if __name__ == "__main__":
    main()
