"""A network that the engine keeps and does not list, and that is in the way of one of ours.

The engine's bridge driver writes a network down before the engine itself does.  An engine that is
killed between the two, or whose disk is full then, keeps the network's bridge and subnet for ever:
no call of its API can name it, and a restart brings it back.  (libnetwork of engine 28.5:
`Controller.NewNetwork`, `driver.CreateNetwork`.)
"""

import re
from typing import NamedTuple

#: The driver's words for a network that has the bridge's name or part of the subnet already.
_CONFLICT = re.compile(r"conflicts with network ([0-9a-f]{64}) .*")
_SHORT = 12


class Conflict(NamedTuple):
    """What the engine's driver says is in the way."""

    #: the other network's
    engine_id: str
    #: the same at each try: the driver begins with an id that it drew for the network it did not make
    words: str


def conflict(refusal: str) -> Conflict | None:
    """None if a create was refused for something else."""
    found = _CONFLICT.search(refusal)
    return Conflict(found[1], found[0]) if found else None


def unlisted_words(engine_id: str) -> str:
    """What happened, and the way out, which is the administrator's: the file is the engine's own."""
    return (
        f"the engine keeps network {engine_id[:_SHORT]} and does not list it: it ended, or its disk "
        "was full, while it made it. Restart the engine; if that does not help, stop it, remove "
        "network/files/local-kv.db from its data root and start it (networks that are not the "
        "swarm's have to be created again)"
    )
