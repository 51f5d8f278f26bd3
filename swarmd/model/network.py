"""Cluster networks: what a user asked for, and the VNI and subnets that were allocated for it."""

from swarmd.model.base import NO_LABELS, Labels, Record
from swarmd.model.ids import NetworkID
from swarmd.model.meta import Meta

FIRST_VNI = 4096


class IPAMConfig(Record, frozen=True, kw_only=True):
    """One subnet, CIDR."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""


class NetworkSpec(Record, frozen=True, kw_only=True):
    """What a user asked for."""

    name: str
    labels: Labels
    driver: str = "overlay"
    options: Labels = NO_LABELS
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv6: bool = False
    ipam_configs: tuple[IPAMConfig, ...] = ()


class Network(Record, frozen=True, kw_only=True):
    """One cluster network, with what was allocated for it."""

    id: NetworkID
    meta: Meta = Meta()
    spec: NetworkSpec
    vni: int = 0
    subnets: tuple[IPAMConfig, ...] = ()
    #: the last address given, so that the next is later (addresses are reused last)
    last_address: str = ""

    @property
    def is_ingress(self) -> bool:
        """The network of published ports; exactly one."""
        return self.spec.ingress
