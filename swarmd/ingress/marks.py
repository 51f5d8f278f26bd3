"""Numbers and names by which the mesh finds its own things again.

Marks: the upper 8 bits are ours, the lower 24 name the node that a client came through: the last
three bytes of that node's ingress address.  They follow from the address, so a connection that was
marked before a change of the cluster finds its way back after it.
"""

import ipaddress

#: Name of our nftables table in every family, here and in containers.
TABLE = "swarmd"
MARK = 0x5D00_0000
MARK_MASK = 0xFF00_0000
#: A VIP without backends: the nat chain, which may not reject, marks; the filter chain answers.
REFUSED = MARK | 0x00FF_FFFF

#: `ip rule` preference and table of answers that go back to the node they came through.
RULE_PREFERENCE = 520
ROUTE_TABLE = 5200
#: `proto` of our routes: a number that no routing daemon has (rtnetlink.h, rt_protos); 186 is BGP's.
ROUTE_PROTOCOL = 93

#: A neighbour that does not exist: answers leave towards it, and the bridge's output chain puts the
#: MAC address of the right node in its place.  One rule and one route serve any number of nodes.
BACK_ADDRESS = "169.254.186.1"
BACK_MAC = "02:42:00:00:00:fe"


def node_mark(ingress_address: str) -> int:
    """The mark of connections that came through the node with this ingress address."""
    return MARK | int(ipaddress.IPv4Address(ingress_address)) & 0x00FF_FFFF
