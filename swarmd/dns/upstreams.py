"""The host's name servers, as containers may use them beside ours.

Those that containers reach are given to them.  Those on the host's loopback (systemd-resolved,
dnsmasq) they do not reach: the node's resolver hands their questions on.
"""

import ipaddress

import msgspec

#: A resolver of glibc looks at no more.
_MOST = 3
#: What a resolver of glibc asks if nothing is said (resolv.conf(5)).
_UNSAID = "127.0.0.1"


class Upstreams(msgspec.Struct, frozen=True):
    """Servers for names that are none of the cluster's, each in the host's order."""

    reachable: tuple[str, ...] = ()
    #: on the host's loopback
    local: tuple[str, ...] = ()


def upstreams(resolv_conf: str) -> Upstreams:
    """What the host's resolv.conf names."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            found.append(words[1])
    found = found[:_MOST] or [_UNSAID]
    return Upstreams(
        reachable=tuple(server for server in found if not _is_loopback(server)),
        local=tuple(server for server in found if _is_loopback(server)),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
