"""The numbers of gossip.  A death is noticed in one to one and a half seconds in a small cluster."""

import msgspec

from swarmd.ports import Seconds


class GossipSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Periods, times and counts.  Those without a remark are memberlist's for a local network."""

    #: one member is probed every so often (memberlist: 1 s; a death must show sooner here)
    probe_interval_s: Seconds = 0.3
    #: then others are asked to probe it as well
    probe_timeout_s: Seconds = 0.1
    indirect_count: int = 3
    #: news goes to a few others every so often, while there is any
    gossip_interval_s: Seconds = 0.1
    gossip_count: int = 3
    #: a suspect's shortest time, in probe intervals and per power of ten of nodes
    suspicion_multiplier: float = 2.0
    #: its longest time, in shortest ones (memberlist: 6; the session is a second witness here)
    suspicion_stretch: float = 4 / 3
    #: accusers that make its time the shortest
    confirmations: int = 2
    #: tables are compared with one other every so often (memberlist: 30 s, whole tables; a
    #: comparison is one datagram here)
    sync_interval_s: Seconds = 5.0
    #: a dead member and a silent seed are tried again every so often: so partitions heal
    reconnect_interval_s: Seconds = 1.0
    #: how long the dead are tried (networkdb: 24 h)
    forget_s: Seconds = 24 * 3600.0


DEFAULTS = GossipSettings()
