"""Supervision: loops that fail begin anew, loops that are cancelled end."""

import asyncio

import pytest

from swarmd.errors import StateError
from swarmd.lib.tasks import leaves, supervise


def no_jitter(_low: float, _high: float) -> float:
    return 0.0


async def fails_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3600))
        raise ValueError("boom")


async def test_a_loop_that_fails_is_begun_anew_until_it_returns() -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            await fails_in_a_group()

    await supervise("loop", run, no_jitter)
    assert runs == 3


async def test_a_cancelled_loop_ends_as_cancelled_and_not_as_failed() -> None:
    """A node that leaves the swarm cancels its loops; a failure here would end the daemon."""

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(3600))

    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise("loop", run, no_jitter))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


async def test_a_failure_in_the_step_of_the_cancellation_does_not_hide_it() -> None:
    """python/cpython#116720: the inner group's failure would swallow the outer cancellation."""

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(3600))
            try:
                await asyncio.sleep(3600)
            finally:
                raise ValueError("while being cancelled")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise("loop", run, no_jitter))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


async def test_what_is_fatal_passes_alone() -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(3600))
            raise StateError("the disk is gone")

    with pytest.raises(StateError, match="the disk is gone"):
        await supervise("loop", run, no_jitter, fatal=(StateError,))


def test_the_leaves_of_a_group_are_found_at_any_depth() -> None:
    inner = ExceptionGroup("inner", [ValueError("a"), KeyError("b")])
    group = ExceptionGroup("outer", [inner, OSError("c")])
    assert [type(leaf) for leaf in leaves(group)] == [ValueError, KeyError, OSError]
