"""What a pass returns, how much of it, and the policies' defaults (swarmkit api/defaults/service.go).

A pass does in one look what one round may do, and says that there is more: the leader's loop is
held for no longer, however large a service is (`Portion`).
"""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from swarmd.model.spec import SECOND, RestartPolicy, ServiceSpec, UpdateConfig
from swarmd.ports import Timestamp
from swarmd.store.entry import Change

RESTART_DELAY = 5 * SECOND
UPDATE_MONITOR = 5 * SECOND
STOP_GRACE = 10 * SECOND
#: A slot's new task waits so long for the old one to stop, or the old one's grace and this margin.
OLD_TASK_WAIT = 60 * SECOND
STOP_MARGIN = 10 * SECOND

DEFAULT_RESTART = RestartPolicy()
DEFAULT_UPDATE = UpdateConfig(parallelism=1, max_failure_ratio=0.0)

Wake: TypeAlias = Timestamp | None

#: Tasks that one pass touches in one round: with what the store makes of them about 20 ms.
ROUND_TASKS = 256


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of a pass: what to change now, and when to look again without a change."""

    changes: tuple[Change, ...] = ()
    wake_at: Wake = None
    #: there is more to do than one round may do: look again at once
    is_unfinished: bool = False


NOTHING = Step()


class Portion:
    """The changes of one pass in one round, added slot by slot until the round is full.

    A slot's old and new task stay together, so a portion may exceed ROUND_TASKS by one slot.
    """

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._was_refused = False

    def takes(self, slot: Iterable[Change]) -> bool:
        """Add all changes of a slot; False, and nothing is added, if the round is full."""
        if len(self._changes) >= ROUND_TASKS:
            self._was_refused = True
            return False
        self._changes.extend(slot)
        return True

    def step(self, wake_at: Wake = None) -> Step:
        """The verdict; unfinished if anything was refused."""
        return Step(changes=tuple(self._changes), wake_at=wake_at, is_unfinished=self._was_refused)


def earliest(*times: Wake) -> Wake:
    """The first of the moments that are set."""
    return min((t for t in times if t is not None), default=None)


def restart_policy(spec: ServiceSpec) -> RestartPolicy:
    """The service's, or Docker's default: any, after 5 s, for ever."""
    return spec.task_template.restart_policy or DEFAULT_RESTART


def restart_delay(policy: RestartPolicy) -> int:
    """Nanoseconds."""
    return RESTART_DELAY if policy.delay is None else policy.delay


def stop_grace(spec: ServiceSpec) -> int:
    """Nanoseconds between the stop signal and the kill."""
    container = spec.task_template.container_spec
    if container is None or container.stop_grace_period is None:
        return STOP_GRACE
    return container.stop_grace_period


def update_config(spec: ServiceSpec) -> UpdateConfig:
    """The service's, or Docker's default: one by one, pause at the first failure."""
    return spec.update_config or DEFAULT_UPDATE
