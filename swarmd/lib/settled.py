"""Lets others wait until a loop has carried out what it was told."""

import asyncio


class Settled:
    """Counts what a loop was told, and up to where it came.

    A loop calls `begin` when it takes up the newest and `end` with that number when it is carried
    out; a round that failed is not ended, and the next one stands for it.
    """

    def __init__(self) -> None:
        self._told = 0
        self._done = 0
        #: set, and replaced, with each end
        self._news = asyncio.Event()

    def tell(self) -> None:
        """There is something new to carry out."""
        self._told += 1

    def begin(self) -> int:
        """The number of the newest."""
        return self._told

    def end(self, number: int) -> None:
        """All up to this number is carried out."""
        self._done = max(self._done, number)
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self) -> None:
        """Returns when all that was told up to now is carried out; as long as it takes."""
        wanted = self._told
        while self._done < wanted:
            await self._news.wait()
