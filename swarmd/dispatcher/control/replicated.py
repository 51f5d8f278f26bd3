"""Replicated services: as many filled slots as the spec asks for.

Filled = a wanted task, or one that its restart policy gave up.  Missing slots get the lowest free
numbers; surplus ones are chosen in Swarm's order (`victims`).

Source: swarmkit orchestrator/replicated/services.go.
"""

import itertools
from collections.abc import Iterable, Iterator
from operator import itemgetter

from swarmd.dispatcher.control.restart import is_given_up
from swarmd.dispatcher.control.slots import Roster, Slot, alone, new_task, removal, roster
from swarmd.dispatcher.control.step import ROUND_TASKS, Portion, Step
from swarmd.model.ids import NO_NODE, NodeID
from swarmd.model.service import Service
from swarmd.model.task import Task
from swarmd.ports import Timestamp
from swarmd.store.entry import PutTask
from swarmd.store.view import View


def replicated(view: View, service: Service, now: Timestamp) -> Step:
    """Create what is missing, remove what is too much, clear away dead slots."""
    filled: list[Slot] = []
    dead: list[Slot] = []
    listed = roster(view, service)
    for slot in listed.slots.values():
        is_filled = slot.wanted or is_given_up(view, service, slot, now)
        (filled if is_filled else dead).append(slot)
    wanted = view.spec(service).replicas
    missing = wanted - len(filled) - listed.quiet_count
    portion = Portion()
    surplus: Iterable[Slot] = ()
    if missing > 0:
        taken = (*(t.slot for t in listed.quiet_tasks()), *(slot.number for slot in filled))
        new = list(itertools.islice(_free_numbers(taken), missing))
        for number in new:
            if not portion.takes([PutTask(record=new_task(view, service, now, slot=number))]):
                break
        reused = frozenset(new)
        dead = [slot for slot in dead if slot.number not in reused]
    if missing < 0:
        surplus = victims(filled, listed, wanted)
    going = [*dead, *itertools.islice(surplus, ROUND_TASKS)]
    for slot in listed.whole(going):
        if not portion.takes(removal(slot)):
            break
    return portion.step()


def victims(slots: Iterable[Slot], listed: Roster, keep: int) -> Iterator[Slot]:
    """Those of `slots` and of the quiet ones that a scale-down removes, first to go first.

    Running slots before others, lower numbers before higher; each is numbered as the n-th copy on
    its node.  Removed first: slots in transition or without a node, then the highest copies, and
    so nodes keep as even a number as they can.  Without some of the first, the others are chosen
    as before: a scale-down may take several rounds.
    """
    rows: list[tuple[bool, int, NodeID, Task | Slot]]
    rows = [(not task.is_running, task.slot, task.node_id, task) for task in listed.quiet_tasks()]
    rows.extend((not slot.is_running, slot.number, _place_of(slot), slot) for slot in slots)
    rows.sort(key=itemgetter(0, 1))
    copies: dict[NodeID, int] = {NO_NODE: len(rows)}
    ranked: list[tuple[int, int]] = []
    for position, (_, _, node_id, _) in enumerate(rows):
        copy = copies[node_id] = copies.get(node_id, 0) + 1
        ranked.append((copy, position))
    ranked.sort()
    for _, position in reversed(ranked[keep:]):
        one = rows[position][3]
        yield alone(one) if isinstance(one, Task) else one


def _place_of(slot: Slot) -> NodeID:
    """The node on which it counts as a copy; none for a slot in transition."""
    return slot.wanted[0].node_id if len(slot.wanted) == 1 else NO_NODE


def _free_numbers(taken: Iterable[int]) -> Iterator[int]:
    occupied, number = frozenset(taken), 0
    while True:
        number += 1
        if number not in occupied:
            yield number
