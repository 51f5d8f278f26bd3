"""Small compose files for the tests."""

import textwrap
from collections.abc import Callable, Mapping

import pytest

from swarmd.compose import ComposeError, Loaded, StackSpecs, load, specs
from swarmd.compose.document import Json

FOLDER = "/srv/app"


def loaded(
    *texts: str,
    environment: Mapping[str, str] | None = None,
    read_file: Callable[[str], str] | None = None,
) -> Loaded:
    """Files named one.yml, two.yml, ..."""
    names = ("one.yml", "two.yml", "three.yml")
    files = [(name, textwrap.dedent(text)) for name, text in zip(names, texts, strict=False)]
    return load(files, environment or {}, read_file=read_file, folder=FOLDER)


def service(body: str, *, more: str = "") -> str:
    """A file with one service `web`; lines of `body` begin in line 4."""
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    return f"services:\n  web:\n    image: busybox\n{lines}\n{textwrap.dedent(more)}"


def stack(*texts: str, environment: Mapping[str, str] | None = None) -> StackSpecs:
    """The specs of stack `shop`."""
    return specs(loaded(*texts, environment=environment), "shop")


def at(value: Json, *path: str | int) -> Json:
    """What stands at a path of a spec."""
    for part in path:
        value = value[part]  # type: ignore[index]  # the test says what is there
    return value


def spec(body: str, *path: str | int, more: str = "") -> Json:
    """A part of the ServiceSpec of a service."""
    return at(stack(service(body, more=more)).services["shop_web"], *path)


def container(body: str, *path: str | int, more: str = "") -> Json:
    """A part of its ContainerSpec."""
    return spec(body, "TaskTemplate", "ContainerSpec", *path, more=more)


def refusal(*texts: str, environment: Mapping[str, str] | None = None) -> ComposeError:
    """The error of a file that cannot be deployed."""
    with pytest.raises(ComposeError) as caught:
        stack(*texts, environment=environment)
    return caught.value
