"""Spread: how many of a group of tasks each branch of the placement preferences gets.

Preferences make a tree: one level for each, a branch for each value of its label (a node without
the label is in the branch of the empty value).  At a vertex, tasks that are there and tasks to come
are divided evenly among the branches; what a branch cannot take goes to the others.

Source: swarmkit manager/scheduler/scheduler.go scheduleNTasksOnSubtree, decision_tree.go.
"""

from collections.abc import Callable, Sequence

from swarmd.dispatcher.scheduler.filters import Candidate
from swarmd.model.node import Node

#: Place up to `count` tasks on these candidates; returns how many found a place.
Leaf = Callable[[Sequence[Candidate], int], int]


def spread(
    candidates: Sequence[Candidate], descriptors: Sequence[str], count: int, place: Leaf
) -> int:
    """Place `count` tasks by `place` on the leaves; returns how many found a place."""
    if not descriptors:
        return place(candidates, count)
    branches: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        branches.setdefault(label(descriptors[0], candidate.node), []).append(candidate)
    usable = dict(sorted(branches.items()))
    placed = 0
    while placed < count and usable:
        full = []
        for value, want in _shares(usable, count - placed):
            got = spread(usable[value], descriptors[1:], want, place)
            placed += got
            if got < want:
                full.append(value)
        if not full:
            break
        for value in full:
            del usable[value]
    return placed


def label(descriptor: str, node: Node) -> str:
    """The value of `node.labels.X` or `engine.labels.X`; missing, or anything else: empty."""
    for prefix, labels in (
        ("node.labels.", node.spec.labels),
        ("engine.labels.", node.description.engine.labels if node.description else {}),
    ):
        if descriptor.lower().startswith(prefix):
            return labels.get(descriptor[len(prefix) :], "")
    return ""


def _shares(branches: dict[str, list[Candidate]], count: int) -> list[tuple[str, int]]:
    """How many more each branch is to get; those with fewest tasks are served first."""
    held = {value: sum(c.own for c in branch) for value, branch in branches.items()}
    order = sorted(branches, key=lambda value: (held[value], value))
    level, extra = divmod(sum(held.values()) + count, len(order))
    shares, left = [], count
    for position, value in enumerate(order):
        want = min(left, max(0, level + (position < extra) - held[value]))
        if want:
            shares.append((value, want))
            left -= want
    return shares
