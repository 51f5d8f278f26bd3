"""Whatever stands in a compose file, it is deployed or refused: nothing else is ever raised."""

import contextlib
import json

from hypothesis import given, settings, strategies

from swarmd.compose import ComposeError, load, render, specs
from swarmd.compose.document import Json

#: One of everything, in the long and in the short forms.
FULL: dict[str, Json] = {
    "version": "3.8",
    "x-extra": {"a": [1]},
    "services": {
        "web": {
            "image": "busybox:${TAG:-1}",
            "command": "a 'b c'",
            "entrypoint": ["a"],
            "environment": {"A": 1, "B": None, "C": "$A"},
            "labels": ["a=b"],
            "ports": ["80:80", {"target": 1, "published": 2, "mode": "host", "protocol": "udp"}],
            "volumes": ["data:/d:ro", {"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1}}],
            "networks": {"front": {"aliases": ["x"], "driver_opts": {"a": 1}}, "default": None},
            "healthcheck": {"test": ["CMD", "x"], "interval": "1s", "retries": 3},
            "ulimits": {"nofile": {"soft": 1, "hard": 2}, "nproc": 3},
            "logging": {"driver": "x", "options": {"a": 1}},
            "extra_hosts": ["a:1.1.1.1"],
            "dns": "1.1.1.1",
            "restart": "on-failure:3",
            "stop_grace_period": "1m",
            "depends_on": ["db"],
            "secrets": [],
            "credential_spec": {"file": "x"},
            "deploy": {
                "mode": "replicated",
                "replicas": 2,
                "labels": {"a": "b"},
                "update_config": {"parallelism": 1, "delay": "1s", "order": "stop-first"},
                "restart_policy": {"condition": "any", "delay": "1s", "max_attempts": 1},
                "resources": {
                    "limits": {"cpus": "0.5", "memory": "64m"},
                    "reservations": {
                        "generic_resources": [
                            {"discrete_resource_spec": {"kind": "gpu", "value": 1}}
                        ]
                    },
                },
                "placement": {"constraints": ["a==b"], "preferences": [{"spread": "x"}]},
            },
        },
        "db": {"image": "db", "deploy": None},
    },
    "networks": {
        "front": {"driver": "overlay", "ipam": {"config": [{"subnet": "10.0.0.0/24"}]}},
        "out": {"external": {"name": "x"}},
    },
    "volumes": {"data": {"driver": "x", "labels": {"a": "b"}}},
}

_PATHS: list[tuple[str | int, ...]] = []


def _collect(value: Json, path: tuple[str | int, ...]) -> None:
    _PATHS.append(path)
    children: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for part, child in children:
        _collect(child, (*path, part))


_collect(FULL, ())
_SCALARS = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(10**20), 10**20)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(alphabet="abc019.:/-_=$ {}'\"~#\\", max_size=8)
)
_ANYTHING = strategies.recursive(
    _SCALARS,
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(alphabet="ab.-x", max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


def _replaced(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    if not path:
        return new
    if isinstance(value, dict):
        return {
            key: _replaced(item, path[1:], new) if key == path[0] else item
            for key, item in value.items()
        }
    assert isinstance(value, list)
    return [
        _replaced(item, path[1:], new) if index == path[0] else item
        for index, item in enumerate(value)
    ]


def test_the_file_itself_is_deployed() -> None:
    found = load([("f.yml", json.dumps(FULL))], {}, folder="/srv")
    assert sorted(specs(found, "s").services) == ["s_db", "s_web"]


@settings(max_examples=300, deadline=None)
@given(strategies.sampled_from(_PATHS), _ANYTHING)
def test_a_file_with_anything_anywhere_is_deployed_or_refused(
    path: tuple[str | int, ...], new: Json
) -> None:
    text = json.dumps(_replaced(FULL, path, new))
    with contextlib.suppress(ComposeError):
        found = load([("f.yml", text), ("g.yml", json.dumps(FULL))], {}, folder="/srv")
        json.dumps(specs(found, "s").services)
        render(found)


@settings(max_examples=200, deadline=None)
@given(strategies.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t<0", max_size=30))
def test_any_text_is_a_file_or_refused(text: str) -> None:
    with contextlib.suppress(ComposeError):
        load([("f.yml", text)], {})
