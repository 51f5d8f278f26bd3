"""What clients asked for and were told: what the swarm owes them.

A request whose outcome nobody knows leaves no wish behind: its object is put right by the next
request about it, or looked at for nothing but consistency.
"""

import msgspec

from swarmd.model.node import Availability, Role


class ServiceWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is to be."""

    #: None = a global service
    replicas: int | None
    #: the value of MARK in its containers' environment
    mark: int
    constraint: str = ""
    memory_bytes: int = 0
    nano_cpus: int = 0
    #: bound on the nodes of its tasks; 0 = none
    host_port: int = 0
    #: answered by every node; 0 = none
    published_port: int = 0
    #: name of a network of the user's
    network: str = ""
    #: names resolve to the tasks themselves
    is_dnsrr: bool = False
    is_removed: bool = False


class NodeWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is to be."""

    role: Role
    availability: Availability = Availability.ACTIVE
    #: the label `zone`
    zone: str = ""


class Wishes:
    """Of one world, by kind."""

    def __init__(self) -> None:
        #: by name; None = nobody knows
        self.services: dict[str, ServiceWish | None] = {}
        #: by id; None = nobody knows
        self.nodes: dict[str, NodeWish | None] = {}
        #: by name: whether it is there; None = nobody knows
        self.networks: dict[str, bool | None] = {}
