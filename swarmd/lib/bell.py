"""A bell: wakes the one loop that waits for it."""

import asyncio
import contextlib


class Bell:
    """Rung while nobody waits, it wakes the next wait at once; rung twice, once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """There is something to do."""
        self._event.set()

    async def wait(self, at_most_s: float | None = None) -> None:
        """Returns when the bell was rung since the last wait, or after `at_most_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._event.wait()
        self._event.clear()
