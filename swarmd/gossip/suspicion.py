"""How long a suspect has to refute before it is declared dead (Lifeguard, §IV-B).

The first accuser may himself be the one with the bad network.  So a suspect gets a long time at
first, and a shorter one with every further node that accuses it independently:

    timeout = max(low, high - (high - low) · log(c + 1) / log(k + 1))

with c of k expected confirmations.
"""

import math

from swarmd.ports import Seconds


def shortest_s(node_count: int, interval_s: Seconds, multiplier: float) -> Seconds:
    """The time with all confirmations: a few probe intervals, longer where news travels longer."""
    return multiplier * max(1.0, math.log10(max(1, node_count))) * interval_s


def expected_confirmations(node_count: int, most: int) -> int:
    """How many others can be expected to accuse: all but accuser and suspect, up to `most`.

    None in a cluster of two or three, where waiting for more would only cost time.
    """
    others = node_count - 2
    return most if others >= most else 0


def timeout_s(confirmations: int, expected: int, low_s: Seconds, high_s: Seconds) -> Seconds:
    """Time from the first accusation to the declaration."""
    if expected < 1:
        return low_s
    share = math.log(confirmations + 1) / math.log(expected + 1)
    return max(low_s, high_s - (high_s - low_s) * share)
