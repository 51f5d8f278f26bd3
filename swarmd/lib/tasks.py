"""Supervision: the one place where a loop that failed is started again.

Everything concurrent in swarmd belongs to a TaskGroup or to `supervise`; nothing is started and
forgotten.  On Python 3.11 and 3.12 a child of an inner TaskGroup that fails in the step in which
the outer one cancels it swallows the cancellation (python/cpython#116720), and shutdown hangs;
hence the look at `cancelling()` here.  `except*` is used nowhere: re-raising in it wraps a
CancelledError in a group, and a task that ends so counts as failed, not as cancelled.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from swarmd.lib.backoff import Backoff

log = logging.getLogger(__name__)


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    uniform: Callable[[float, float], float],
    *,
    fatal: tuple[type[Exception], ...] = (),
) -> None:
    """Run `run()` until it returns; after a failure run it anew, with new state, backing off.

    `uniform` draws the jitter (`Random.uniform`).  An exception of a type in `fatal` passes, taken
    out of its group, and so does cancellation.
    """
    backoff = Backoff(uniform, first_s=0.1, most_s=8.0)
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await run()
        except (Exception, BaseExceptionGroup) as error:
            _check_cancelled()
            for leaf in leaves(error):
                if isinstance(leaf, fatal):
                    raise leaf from error
            log.exception("loop failed", extra={"loop": name})
        else:
            return
        if asyncio.get_running_loop().time() - began > backoff.most_s:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())


def _check_cancelled() -> None:
    """Raise the cancellation that a failure of the same step has hidden."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions in a group, or the exception itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in leaves(inner)]
