"""Links and routing rules that are deleted, as rtnetlink tells (rtnetlink(7)): one socket, no process.

Only deletions are read: what somebody takes away must be made anew, what somebody adds is no matter.
(systemd-networkd removes the rules of others whenever it is restarted.)
"""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncGenerator, Iterator

#: linux/rtnetlink.h: the multicast groups of links and of rules, the messages of deletions, the
#: attribute of a link's name.
_GROUPS = 0x1 | 0x80
_DELLINK, _DELRULE = 17, 33
_IFNAME = 3
#: nlmsghdr: length, type, flags, sequence, port
_HEADER = struct.Struct("=IHHII")
#: rtattr: length, type
_ATTRIBUTE = struct.Struct("=HH")
_IFINFO_BYTES = 16
_ALIGN = 4
_BUFFER_BYTES = 65536


async def links_gone() -> AsyncGenerator[str, None]:
    """Names of deleted links; an empty one for a rule, or if the kernel dropped messages.  OSError."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.setblocking(False)
        news.bind((0, _GROUPS))
        while True:
            try:
                data = await loop.sock_recv(news, _BUFFER_BYTES)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield ""
                continue
            for name in deleted(data):
                yield name


def deleted(data: bytes) -> Iterator[str]:
    """The names of the links whose deletion a datagram tells; an empty one for a rule."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, start)
        if length < _HEADER.size:
            return
        if kind == _DELLINK:
            yield _name(data[start + _HEADER.size + _IFINFO_BYTES : start + length])
        elif kind == _DELRULE:
            yield ""
        start += _aligned(length)


def _name(attributes: bytes) -> str:
    """Empty if there is none: then any link may be meant."""
    start = 0
    while start + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, start)
        if length < _ATTRIBUTE.size:
            break
        if kind == _IFNAME:
            text = attributes[start + _ATTRIBUTE.size : start + length]
            return text.rstrip(b"\0").decode(errors="replace")
        start += _aligned(length)
    return ""


def _aligned(length: int) -> int:
    return (length + _ALIGN - 1) & -_ALIGN
