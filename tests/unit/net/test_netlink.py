"""Which links were deleted, out of the kernel's messages."""

import struct

from swarmd.net.netlink import deleted

NEWLINK, DELLINK, NEWRULE, DELRULE = 16, 17, 32, 33


def message(kind: int, name: bytes | None) -> bytes:
    """A message of rtnetlink about a link, padded to four bytes."""
    attributes = struct.pack("=HHI", 8, 4, 1450)  # its MTU
    if name is not None:
        text = name + b"\0"
        attributes += struct.pack("=HH", 4 + len(text), 3) + text
    body = bytes(16) + attributes
    data = struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body
    return data + bytes(-len(data) % 4)


def test_the_names_of_deleted_links_are_read_whatever_else_is_in_the_datagram() -> None:
    data = message(NEWLINK, b"eth0") + message(DELLINK, b"swx4096") + message(DELLINK, b"veth1")
    assert list(deleted(data)) == ["swx4096", "veth1"]


def test_a_rule_that_is_deleted_may_be_ours() -> None:
    assert list(deleted(message(DELRULE, None) + message(NEWRULE, None))) == [""]


def test_a_deletion_without_a_name_may_be_that_of_any_link() -> None:
    assert list(deleted(message(DELLINK, None))) == [""]


def test_a_datagram_that_was_cut_off_or_says_nothing_ends_the_reading() -> None:
    assert list(deleted(b"")) == []
    assert list(deleted(bytes(64))) == []
    assert list(deleted(message(DELLINK, b"swb4096")[:20])) == [""]
    assert list(deleted(message(DELLINK, b"swb4096")[:16] + bytes(16) + bytes(8))) == [""]
