"""What things of ours are called, so that every node, and `leave`, finds them without a memory."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from swarmd.model.ids import NetworkID

#: Label of every engine network of ours; its value is the cluster network's id.
NETWORK_LABEL = "swarmd.network"
BRIDGE_PREFIX = "swb"
VXLAN_PREFIX = "swx"


def engine_name(network_id: NetworkID) -> str:
    """The engine's name of a cluster network: never one that a user has given."""
    return f"swarmd-{network_id}"


def bridge_name(vni: int) -> str:
    """The Linux bridge of a network; at most 11 of 15 characters."""
    return f"{BRIDGE_PREFIX}{vni}"


def vxlan_name(vni: int) -> str:
    """The bridge's port to the other nodes."""
    return f"{VXLAN_PREFIX}{vni}"


def mac_of(addresses: Sequence[str]) -> str:
    """The MAC address of an endpoint: 10.0.0.3 → 02:42:0a:00:00:03.

    It follows from the address, so every node can write its entries before the endpoint exists, and
    an address that is used again has the MAC address that neighbours remember.
    """
    return _mac(addresses[0])


# Asked for every endpoint of every network with every plane.
@lru_cache(maxsize=16_384)
def _mac(address: str) -> str:
    packed = ipaddress.ip_address(address).packed
    return ":".join(f"{byte:02x}" for byte in b"\x02\x42" + packed[-4:])
