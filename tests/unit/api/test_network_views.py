"""Which network a reference means, and which a list shows."""

import msgspec
import pytest

from swarmd.api.network_views import Seen, has_labels, listed, matches, resolve
from swarmd.errors import AmbiguousError


def network(network_id: str, name: str, **more: object) -> bytes:
    return msgspec.json.encode({"Id": network_id, "Name": name, **more})


BRIDGE = {"Labels": {"swarmd.network": "n1"}}
NETWORKS = listed(
    [
        network("n1", "web", Scope="swarm"),
        network("n1b", "swarmd-n1", **BRIDGE),
        network("a1", "twin"),
        network("a2", "twin"),
        network("c9", "a"),
    ]
)


@pytest.mark.parametrize(
    ("reference", "found_id"),
    [
        ("n1", "n1"),  # in full, though another begins with it
        ("web", "n1"),
        ("c", "c9"),
        ("a", "c9"),  # a name, though two ids begin with it
        ("a1", "a1"),
        ("swarmd-n1", "n1b"),
        ("n1b", "n1b"),
        ("n", "n1"),  # the bridge never makes it ambiguous
        ("nope", ""),
        ("", ""),
    ],
)
def test_a_reference_is_an_id_then_a_name_then_a_prefix(reference: str, found_id: str) -> None:
    found = resolve(reference, NETWORKS)
    assert (found.seen.id if found else "") == found_id


def test_two_of_one_name_are_ambiguous() -> None:
    with pytest.raises(AmbiguousError, match=r"^network twin is ambiguous \(2 matches found\)$"):
        resolve("twin", NETWORKS)


def test_only_bridges_of_cluster_networks_are_hidden() -> None:
    assert [n.seen.name for n in NETWORKS if n.is_hidden] == ["swarmd-n1"]


WEB = Seen(id="n1abc", name="web_default", driver="overlay", scope="swarm", labels={"a": "b"})


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, True),
        ({"name": ("b_de",)}, True),
        ({"name": ("^web",)}, True),
        ({"name": ("^default",)}, False),
        ({"name": ("default$",)}, True),
        ({"name": ("^web$",)}, False),
        ({"name": ("^web_default$",)}, True),
        ({"name": ("x", "web")}, True),
        ({"id": ("n1",)}, True),
        ({"id": ("zz",)}, False),
        ({"driver": ("overlay",)}, True),
        ({"driver": ("over",)}, False),
        ({"scope": ("local",)}, False),
        ({"type": ("custom",)}, True),
        ({"type": ("builtin",)}, False),
        ({"label": ("a",)}, True),
        ({"label": ("a=b",)}, True),
        ({"label": ("a=c",)}, False),
        ({"label": ("a", "z")}, False),
        ({"dangling": ("false",)}, False),
        ({"dangling": ("true",)}, True),
    ],
)
def test_a_list_shows_what_its_filters_say(
    filters: dict[str, tuple[str, ...]], shown: bool
) -> None:
    assert matches(WEB, filters) is shown


def test_a_pattern_cannot_make_the_daemon_think_for_ever() -> None:
    """`(a+)+$` takes Python's regular expressions exponential time."""
    name = "a" * 63 + "b"
    assert not matches(Seen(name=name), {"name": ("(a+)+$",)})


def test_unwanted_labels_exclude() -> None:
    assert not has_labels(WEB, [], ["a"])
    assert has_labels(WEB, [], ["a=c"])
