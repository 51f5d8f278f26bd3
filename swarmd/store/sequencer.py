"""The sequencer: on the leader, the one place where a write is decided.

A request is a function of the state *as proposed*: committed, plus everything decided before it and
not yet in the log.  Requests that arrive while a batch is on its way are decided together, one
after the other, each seeing what those before it did, and go into the log as one batch of entries.
So entries of one term never conflict when they are applied, no plan is refused because somebody
else wrote in between, and a batch costs one disk write whatever its size.
"""

from collections.abc import Callable, Sequence

import msgspec

from swarmd.errors import SequenceError, SwarmError
from swarmd.model.ids import PROPOSED, RequestID, Version
from swarmd.model.meta import Meta
from swarmd.ports import Timestamp
from swarmd.store.apply import change_one
from swarmd.store.entry import Change, Entry, level_of
from swarmd.store.view import Tables, View


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """A request to change the cluster.

    `decide(view, now)` returns the changes, or raises a SwarmError, which is the answer.  It is
    called once, at once or after other writes; no changes = nothing to write, which succeeds.
    """

    request_id: RequestID
    principal: str
    decide: Callable[[View, Timestamp], Sequence[Change]]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one write: exactly one of the three is set."""

    #: to be proposed
    entry: Entry | None = None
    #: index of the state that shows it: nothing to do, or answered before
    done: Version | None = None
    refused: SwarmError | None = None


def sequence(
    committed: Tables, writes: Sequence[Write], *, proposer: str, now: Timestamp
) -> list[Decided]:
    """Decide `writes`, whose request ids differ, in their order.

    The entries are to be proposed in that order, with no await between here and there.
    """
    proposed = committed.fork()
    return [_decide(proposed, write, proposer=proposer, now=now) for write in writes]


def _decide(proposed: Tables, write: Write, *, proposer: str, now: Timestamp) -> Decided:
    index = proposed.answered(write.request_id)
    if index is not None:
        return Decided(done=index)
    try:
        changes = tuple(write.decide(proposed, now))
    except SwarmError as error:
        return Decided(refused=error)
    if not changes:
        return Decided(done=proposed.index)
    # Read before: the entry that raises the level can still be read by those who know the old one.
    level = level_of(proposed.cluster)
    for change in changes:
        change_one(proposed, PROPOSED, now, change)
    return Decided(
        entry=Entry(
            feature_level=level,
            time=now,
            proposer=proposer,
            principal=write.principal,
            request_id=write.request_id,
            changes=changes,
        )
    )


def check_version(meta: Meta, version: int) -> None:
    """A client's `version` is good if the spec has not changed since it.

    Raises SequenceError.  swarmkit compares with the last write of any part, so that a status
    report between read and write makes a client lose; that race is not part of the contract.
    """
    if not meta.spec_version <= version:
        raise SequenceError
