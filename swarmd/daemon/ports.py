"""The ports that a daemon is built from."""

import msgspec

from swarmd.dns.sockets import Listen
from swarmd.ports import Clock, Crypto, Disk, Engine, Kernel, Network, Random


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """One process's world: the real one, or the simulator's."""

    clock: Clock
    random: Random
    crypto: Crypto
    disk: Disk
    network: Network
    engine: Engine
    kernel: Kernel
    #: binds the resolver's sockets
    resolver_sockets: Listen
