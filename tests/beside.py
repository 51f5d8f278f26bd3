"""What runs while a test does something else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Until the block ends it runs; an exception of it ends the block."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(work)
        yield
        running.cancel()
