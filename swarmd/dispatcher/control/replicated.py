"""Replicated services: as many filled slots as the spec asks for.

Filled = a wanted task, or one that its restart policy gave up.  Missing slots get the lowest free
numbers; surplus ones are chosen in Swarm's order (`victims`).

Source: swarmkit orchestrator/replicated/services.go.
"""

from collections.abc import Iterable, Iterator

from swarmd.dispatcher.control.restart import is_given_up
from swarmd.dispatcher.control.slots import Slot, new_task, slots_of
from swarmd.dispatcher.control.step import Step
from swarmd.model.service import Service
from swarmd.model.task import TaskState
from swarmd.ports import Timestamp
from swarmd.store.entry import Change, PatchTask, PutTask
from swarmd.store.view import View

#: Tasks created in one round, so that it stays below the longest callback allowed.
ROUND_TASKS = 1_000


def replicated(view: View, service: Service, now: Timestamp) -> Step:
    """Create what is missing, remove what is too much, clear away dead slots."""
    filled: list[Slot] = []
    dead: list[Slot] = []
    for slot in slots_of(view, service).values():
        is_filled = slot.wanted or is_given_up(view, service, slot, now)
        (filled if is_filled else dead).append(slot)
    wanted = view.spec(service).replicas
    missing = wanted - len(filled)
    changes: list[Change] = []
    if missing > 0:
        numbers = _free_numbers(slot.number for slot in filled)
        new = [next(numbers) for _ in range(min(missing, ROUND_TASKS))]
        changes = [PutTask(record=new_task(view, service, now, slot=n)) for n in new]
        reused = frozenset(new)
        dead = [slot for slot in dead if slot.number not in reused]
    for slot in (*dead, *victims(filled, wanted)):
        changes.extend(removal(slot))
    return Step(changes=tuple(changes), is_unfinished=missing > ROUND_TASKS)


def removal(slot: Slot) -> Iterator[Change]:
    """The slot with all of its history goes; the reaper deletes what has ended."""
    for task in slot.tasks:
        yield PatchTask(id=task.id, desired_state=TaskState.REMOVE)


def victims(slots: list[Slot], keep: int) -> list[Slot]:
    """The slots that a scale-down removes.

    Running slots before others, lower numbers before higher; each is numbered as the n-th copy on
    its node.  Removed first: slots in transition or without a node, then the highest copies, and
    so nodes keep as even a number as they can.
    """
    if len(slots) <= keep:
        return []
    copies: dict[str, int] = {}
    ranked: list[tuple[float, int, Slot]] = []
    in_order = sorted(slots, key=lambda slot: (not slot.is_running, slot.number))
    for position, slot in enumerate(in_order):
        copy = float("inf")
        if len(slot.wanted) == 1 and slot.wanted[0].node_id:
            copy = copies[slot.wanted[0].node_id] = copies.get(slot.wanted[0].node_id, 0) + 1
        ranked.append((copy, position, slot))
    return [slot for _, _, slot in sorted(ranked, key=lambda row: row[:2])[keep:]]


def _free_numbers(taken: Iterable[int]) -> Iterator[int]:
    occupied, number = frozenset(taken), 0
    while True:
        number += 1
        if number not in occupied:
            yield number
