"""The loop around the leader's mind: await a change or the next wake-up, plan, commit, again."""

import asyncio
import logging
from collections.abc import Sequence

from swarmd.dispatcher.control.agenda import Agenda
from swarmd.dispatcher.control.control import Plan, control
from swarmd.errors import SwarmError
from swarmd.model.ids import RequestID
from swarmd.ports import Timestamp
from swarmd.store.apply import Touched
from swarmd.store.entry import Change
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View

log = logging.getLogger(__name__)

#: After a commit that failed, before the next try.
RETRY_S = 0.2
PRINCIPAL = "control"


class ControlLoop:
    """Runs while this manager leads; made anew for each term."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._agenda = Agenda()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        unwatch = self._store.watch(self._on_change)
        try:
            self._agenda.everything(self._store.view())
            while True:
                while self._agenda.is_due(self._store.now()):
                    await self._round()
                await self._wait()
        finally:
            unwatch()

    def _on_change(self, touched: Sequence[Touched] | None) -> None:
        view = self._store.view()
        if touched is None:
            self._agenda.everything(view)
        else:
            self._agenda.touched(view, touched)
        self._changed.set()

    async def _wait(self) -> None:
        wake = self._agenda.next_wake()
        delay = None if wake is None else max(0.0, (wake - self._store.now()) / 1e9)
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    async def _round(self) -> None:
        taken = self._agenda.take(self._store.view(), self._store.now())
        plans: list[Plan] = []

        def decide(view: View, now: Timestamp) -> Sequence[Change]:
            plans.append(control(view, taken, now))
            return plans[-1].changes

        try:
            await self._store.write(
                Write(request_id=RequestID(""), principal=PRINCIPAL, decide=decide)
            )
        except SwarmError as error:
            log.info("round not committed", extra={"reason": str(error)})
            self._agenda.failed(taken)
            await asyncio.sleep(RETRY_S)
            return
        self._agenda.planned(plans[-1])
