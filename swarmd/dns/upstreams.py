"""The servers that containers may ask beside ours: those of the host's resolv.conf they can reach."""

import ipaddress

#: A resolver of glibc looks at no more.
_MOST = 3


def upstreams(resolv_conf: str) -> tuple[str, ...]:
    """Name servers in their order, without those on the host's loopback (systemd-resolved's stub)."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_reachable(words[1]):
            found.append(words[1])
    return tuple(found[:_MOST])


def _is_reachable(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False
