"""Lists of any length, encoded in slices, so that nobody else waits for them."""

import asyncio
from collections.abc import Iterable

from swarmd.api import respond
from swarmd.api.message import Response

#: Objects looked at between two turns of the loop: about ten milliseconds.
SLICE = 250


async def encoded_list(items: Iterable[bytes | None]) -> Response:
    """The JSON array of the items, each of which is made when its turn comes; None is left out."""
    found: list[bytes] = []
    for count, item in enumerate(items, 1):
        if item is not None:
            found.append(item)
        if count % SLICE == 0:
            await asyncio.sleep(0)
    return respond.encoded(b"[" + b",".join(found) + b"]")
