"""Where a node listens and what it tells others, as Docker chooses it."""

import json

import pytest

from swarmd.daemon.addresses import (
    gossip_address,
    interfaces,
    manager_address,
    resolve,
    resolve_data_path,
)
from swarmd.errors import BadRequestError

ONE = {"eth0": ["192.0.2.7"]}
TWO = {"eth0": ["192.0.2.7", "192.0.2.8"]}
APART = {"eth0": ["192.0.2.7"], "eth1": ["198.51.100.7"]}
MIXED = {"eth0": ["2001:db8::7", "192.0.2.7"]}


def test_interfaces_are_those_that_are_up_and_are_no_engines_bridge() -> None:
    def link(name: str, *addresses: tuple[str, str], flags: tuple[str, ...] = ("UP",)) -> object:
        info = [{"local": local, "scope": scope, "prefixlen": 24} for local, scope in addresses]
        return {"ifname": name, "flags": flags, "addr_info": info}

    told = [
        link("lo", ("127.0.0.1", "host")),
        link("eth0", ("192.0.2.7", "global"), ("fe80::1", "link")),
        link("eth1", ("198.51.100.7", "global"), flags=()),
        link("eth2"),
        *(link(name, ("172.17.0.1", "global")) for name in ("docker0", "br-1", "swb4096", "veth1")),
    ]
    assert interfaces(json.dumps(told).encode()) == {"eth0": ["192.0.2.7"]}


@pytest.mark.parametrize(
    ("listen", "advertise", "default", "system", "found"),
    [
        ("", "", "", ONE, ("0.0.0.0:2377", "192.0.2.7:2377")),
        ("", "", "", MIXED, ("0.0.0.0:2377", "192.0.2.7:2377")),
        ("eth0", "", "", ONE, ("192.0.2.7:2377", "192.0.2.7:2377")),
        ("0.0.0.0:4000", "", "", ONE, ("0.0.0.0:4000", "192.0.2.7:4000")),
        ("192.0.2.7:4000", "", "", APART, ("192.0.2.7:4000", "192.0.2.7:4000")),
        ("", "eth1", "", APART, ("0.0.0.0:2377", "198.51.100.7:2377")),
        ("", "203.0.113.5:99", "", APART, ("0.0.0.0:2377", "203.0.113.5:99")),
        ("0.0.0.0:4000", "203.0.113.5", "", ONE, ("0.0.0.0:4000", "203.0.113.5:4000")),
        ("", "", "eth1", APART, ("0.0.0.0:2377", "198.51.100.7:2377")),
        ("", "eth0", "eth1", APART, ("0.0.0.0:2377", "192.0.2.7:2377")),
        ("[::]:4000", "[2001:db8::7]", "", MIXED, ("[::]:4000", "[2001:db8::7]:4000")),
    ],
)
def test_a_node_listens_and_is_told_of_as_its_user_says(
    listen: str,
    advertise: str,
    default: str,
    system: dict[str, list[str]],
    found: tuple[str, str],
) -> None:
    assert resolve(listen, advertise, default, system) == found


@pytest.mark.parametrize(
    ("listen", "advertise", "system", "words"),
    [
        ("", "", {}, "could not find the system's IP address"),
        ("", "", TWO, r"on interface eth0 \(192.0.2.7 and 192.0.2.8\)"),
        ("", "", APART, r"on different interfaces \(192.0.2.7 on eth0 and 198.51.100.7 on eth1\)"),
        ("", "eth0", TWO, r"multiple addresses on interface eth0 \(192.0.2.7 and 192.0.2.8\)"),
        ("", "eth9", ONE, "interface eth9 does not exist or has no usable address"),
        ("", "0.0.0.0", ONE, "advertise address must be a non-zero IP address"),
        ("0.0.0.0:port", "", ONE, 'invalid ListenAddr "0.0.0.0:port": bad port'),
        ("", "192.0.2.7:65536", ONE, "bad port"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    listen: str, advertise: str, system: dict[str, list[str]], words: str
) -> None:
    with pytest.raises(BadRequestError, match=words):
        resolve(listen, advertise, "", system)


def test_the_data_path_is_an_address_or_an_interface_without_a_port() -> None:
    assert resolve_data_path("", ONE) == ""
    assert resolve_data_path("eth1", APART) == "198.51.100.7"
    with pytest.raises(BadRequestError, match="data path address must be a non-zero IP address"):
        resolve_data_path("0.0.0.0", ONE)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7:2377"),
        ("192.0.2.7:99", "192.0.2.7:99"),
        ("manager.example", "manager.example:2377"),
        ("[2001:db8::7]", "[2001:db8::7]:2377"),
        ("[2001:db8::7]:99", "[2001:db8::7]:99"),
        ("2001:db8::7", "2001:db8::7"),
        ("", ""),
    ],
)
def test_the_port_of_a_manager_to_join_at_may_be_left_out(text: str, address: str) -> None:
    assert manager_address(text) == address


def test_gossip_listens_where_the_node_does() -> None:
    assert gossip_address(resolve("eth0", "", "", ONE)[0]) == "192.0.2.7:7946"
