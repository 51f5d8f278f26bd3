"""Stacks: the docker CLI before both daemons, and `swarmd stack` before ours.

Whoever deploys a file, and whichever daemon takes it, the same services come of it, field by field.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compat.twins import Ran, Twin, Twins

pytestmark = pytest.mark.real

_COMPOSE = Path(__file__).parent / "compose"
_FILES = sorted(file.name for file in _COMPOSE.glob("*.yml"))
_ONE = """\
version: "3.9"
services:
  a: {image: busybox, deploy: {replicas: 0}}
"""
_TWO = _ONE + "  b: {image: busybox, command: sleep 100000, deploy: {replicas: 0}}\n"
_OVER = """\
version: "3.9"
services:
  a: {environment: {X: "1"}, deploy: {labels: {l: m}}, ports: ["8091:80"]}
  c: {image: busybox, deploy: {replicas: 0}}
"""
_DEPLOY = "stack deploy -d --resolve-image never"


@pytest.fixture(autouse=True)
def empty(twins: Twins) -> Iterator[None]:
    """No stack is there afterwards."""
    yield
    for twin in twins:
        twin.docker("stack rm st")
        twin.settle(lambda t=twin: not t.specs("st_"))  # type: ignore[misc]  # mypy knows no defaults of lambdas


def _ways(twins: Twins) -> list[tuple[Twin, Callable[..., Ran]]]:
    """Docker's with its own daemon first: the reference."""
    ours, reference = twins
    return [(reference, reference.docker), (ours, ours.docker), (ours, ours.swarmd)]


def _remove(twin: Twin) -> None:
    twin.docker("stack rm st")
    twin.settle(lambda: not twin.specs("st_"))


@pytest.mark.parametrize("name", _FILES)
def test_a_file_becomes_the_same_services(twins: Twins, name: str) -> None:
    twins.both("network create -d overlay elsewhere")
    try:
        outs, specs = [], []
        for twin, run in _ways(twins):
            ran = run(f"{_DEPLOY} -c {_COMPOSE / name} st")
            assert ran.code == 0, ran.err
            outs.append(ran.lines)
            specs.append(twin.specs("st_"))
            _remove(twin)
        assert outs[0] == outs[1] == outs[2]
        assert specs[0]
        assert specs[0] == specs[1]
        assert specs[0] == specs[2]
    finally:
        twins.both("network rm elsewhere")


@pytest.mark.parametrize("name", _FILES)
def test_a_file_is_put_together_alike(twins: Twins, name: str) -> None:
    ran = [run(f"stack config -c {_COMPOSE / name}") for _, run in _ways(twins)]
    assert ran[0] == ran[1]
    assert _plain(yaml.safe_load(ran[2].out)) == _plain(yaml.safe_load(ran[0].out))


def _plain(value: Any) -> Any:
    """Without the order of keys, what is empty, and how an image is built, which has no effect."""
    if isinstance(value, dict):
        return {k: _plain(part) for k, part in value.items() if k != "build"} or None
    return [_plain(part) for part in value] if isinstance(value, list) else value


def test_files_are_laid_over_one_another(twins: Twins, tmp_path: Path) -> None:
    (tmp_path / "two.yml").write_text(_TWO)
    (tmp_path / "over.yml").write_text(_OVER)
    specs = []
    for twin, run in _ways(twins):
        files = f"-c {tmp_path}/two.yml -c {tmp_path}/over.yml"
        assert run(f"{_DEPLOY} {files} st").code == 0
        specs.append(twin.specs("st_"))
        _remove(twin)
    assert specs[0] == specs[1] == specs[2]
    assert specs[0]["st_a"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["X=1"]


def test_a_stack_is_read_from_standard_input_and_pruned(twins: Twins) -> None:
    for _, run in _ways(twins):
        assert run(f"{_DEPLOY} -c - st", _TWO).code == 0
        again = run(f"{_DEPLOY} -c - st", _TWO)
        assert again.lines == [f"Updating service st_{n} (id: <id>)" for n in "ab"]
        pruned = run(f"{_DEPLOY} --prune --with-registry-auth -c - st", _ONE)
        assert pruned.lines == ["Removing service st_b", "Updating service st_a (id: <id>)"]
        gone = run("stack rm st")
        assert gone.lines == ["Removing network st_default", "Removing service st_a"]
        assert run("stack rm st").err.startswith("Nothing found in stack: st")


def test_a_stack_is_waited_for_and_listed_alike(twins: Twins) -> None:
    runs = """command: ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"]"""
    text = f'version: "3.9"\nservices:\n  a: {{image: busybox, {runs}}}\n  b: {{image: busybox, {runs}}}\n'
    listings = (
        "stack ls", "stack services st", "stack services -q st", "stack ps -q st",
        "stack services --format '{{.Name}} {{.Mode}} {{.Replicas}}' st", "stack ps --no-trunc nope",
        "stack services -f name=st_a st", "stack services -f foo=x st", "stack services nope",
        "stack ps st --format '{{.Name}} {{.DesiredState}}' -f name=st_b", "stack ps -f foo=x st",
    )  # fmt: skip
    seen: list[list[Ran]] = []
    for twin, run in _ways(twins):
        args = "stack deploy --detach=false -q --resolve-image never -c - st"
        assert run(
            args, text.replace("image: busybox,", "image: busybox, command: sleep 100000,", 1)
        )
        seen.append([run(listing) for listing in listings])
        _remove(twin)
    assert seen[0] == seen[1] == seen[2]


_WRONG = {
    "no mapping": "- a\n",
    "no services": 'version: "3"\nservices:\n',
    "an unknown key": 'version: "3"\nservices: {a: {image: x, foo: 1}}\n',
    "an unknown key at the top": 'version: "3"\nfoo: 1\nservices: {a: {image: x}}\n',
    "another version": 'version: "2"\nservices: {a: {image: x}}\n',
    "a newer version": 'version: "4.5"\nservices: {a: {image: x}}\n',
    "a number for a word": 'version: "3"\nservices: {a: {image: 5}}\n',
    "no image": 'version: "3"\nservices: {a: {command: x}}\n',
    "a mode": 'version: "3"\nservices: {a: {image: x, deploy: {mode: x}}}\n',
    "a network": 'version: "3"\nservices: {a: {image: x, networks: [zz]}}\n',
    "a volume": 'version: "3"\nservices: {a: {image: x, volumes: ["zz:/x"]}}\n',
    "an amount of memory": (
        'version: "3"\nservices: {a: {image: x, deploy: {resources: {limits: {memory: x}}}}}\n'
    ),
    "a list for a word": 'version: "3"\nservices: {a: {image: x, environment: {A: [1]}}}\n',
    "a variable": 'version: "3"\nservices: {a: {image: "${"}}\n',
    "a missing variable": 'version: "3"\nservices: {a: {image: "${ZZZ?must be}"}}\n',
    "an external network": (
        # No beginning of an id: of those one character would name a network.
        'version: "3.5"\nservices: {a: {image: x, networks: [not-here]}}\n'
        "networks: {not-here: {external: true}}\n"
    ),
    "a secret": 'version: "3.1"\nservices: {a: {image: busybox, secrets: [s]}}\n',
    "a name": 'version: "3"\nservices: {"a b": {image: busybox}}\n',
}


@pytest.mark.parametrize("what", _WRONG)
def test_what_is_wrong_with_a_file_is_said_in_docker_s_words_and_where(
    twins: Twins, tmp_path: Path, what: str
) -> None:
    """Ours names file and line as well, and refuses before anything is made."""
    file = tmp_path / "wrong.yml"
    file.write_text(_WRONG[what])
    reference, same, ours = (run(f"{_DEPLOY} -c {file} st") for _, run in _ways(twins))
    assert same == reference
    assert ours.code == reference.code
    assert ours.out == ""
    assert ours.err.startswith(f"{file}:")
    said = reference.err.split("\n\n")[-1].strip().rpartition(": ")[2]
    assert said in ours.err
