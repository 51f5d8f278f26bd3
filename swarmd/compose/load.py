"""Files to one model: parse, refuse, interpolate, check, resolve, merge.

    text → values → (variables replaced) → normal form → env_file and paths resolved ┐
    text → ...                                                                       ┴→ merged

Nothing here reads a file or the environment: both come in as arguments.
"""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from swarmd.compose import mounts, shapes
from swarmd.compose.document import Document, Json, Path, Place, parse
from swarmd.compose.envfile import parse_service_env
from swarmd.compose.errors import ComposeError
from swarmd.compose.interpolate import interpolate as substituted
from swarmd.compose.merge import merge
from swarmd.compose.model import Model
from swarmd.compose.notes import Note, Severity
from swarmd.compose.resources import normalised
from swarmd.compose.schema import FILE, FORBIDDEN
from swarmd.errors import InvalidArgumentError

DEFAULT_VERSION = "3.13"
_VERSIONS = tuple(f"3.{minor}" for minor in range(14))
_SECTIONS = ("services", "networks", "volumes", "secrets", "configs")


@dataclass(frozen=True, slots=True)
class Loaded:
    """All files as one."""

    model: Model
    #: what has no effect, by file and line
    notes: tuple[Note, ...]
    documents: tuple[Document, ...]

    def place(self, *path: str | int) -> Place:
        """Where `path` of the model was written: in the last file that has most of it."""
        best = max(reversed(self.documents), key=lambda document: document.depth(path))
        return Place(best, path)


def load(
    files: Sequence[tuple[str, str]],
    environment: Mapping[str, str],
    *,
    interpolate: bool = True,
    read_file: Callable[[str], str] | None = None,
    folder: str = "",
) -> Loaded:
    """Read compose files: (name, text) in the order in which they override each other.

    `environment` feeds interpolation and variables without value.  `read_file` reads a path as it
    is written in an `env_file`, relative to the first file's folder, and may raise OSError.
    `folder` is that folder, absolute, for relative bind mounts; empty = as in the first name.
    Raises ComposeError.
    """
    if not files:
        raise InvalidArgumentError("Specify a Compose file (with --compose-file)")
    documents = tuple(parse(name, text) for name, text in files)
    version = _version(documents)
    reader = _Reader(
        environment=environment,
        is_interpolating=interpolate,
        read_file=read_file,
        folder=folder or posixpath.dirname(files[0][0]),
    )
    merged = merge([reader.read(document) for document in documents])
    model = {**{section: {} for section in _SECTIONS}, **merged, "version": version}
    # The shapes of `schema.FILE` and `resources` are what the types of `model` describe.
    return Loaded(cast("Model", model), _notes(documents), documents)


def _version(documents: Sequence[Document]) -> str:
    versions: list[str] = []
    for document in documents:
        at = Place(document, ("version",))
        given = document.values.get("version")
        version = "" if given is None else shapes.text(given, at)
        versions.append(DEFAULT_VERSION if version in ("", "3") else version)
        if versions[0] != versions[-1]:
            raise at.error(
                f"version mismatched between two composefiles : {versions[0]} and {versions[-1]}"
            )
        if versions[-1] not in _VERSIONS:
            raise at.error(f"unsupported Compose file version: {version}")
    return versions[0]


def _notes(documents: Sequence[Document]) -> tuple[Note, ...]:
    return tuple(
        note
        for document in documents
        for note in sorted(document.notes, key=lambda note: (note.line, note.key))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads one file at a time."""

    environment: Mapping[str, str]
    is_interpolating: bool
    read_file: Callable[[str], str] | None
    folder: str

    def read(self, document: Document) -> dict[str, Json]:
        """The file in normal form."""
        top = Place(document)
        _refuse_forbidden(document)
        values: Json = document.values
        if self.is_interpolating:
            values = substituted(values, top, self.environment)
        file = dict(shapes.mapped(FILE(values, top), top))
        file["services"] = {
            name: self._service(service, top / "services" / name)
            for name, service in _section(file, "services").items()
        }
        for kind in _SECTIONS[1:]:
            if kind in file:
                file[kind] = normalised(kind, _section(file, kind), top / kind, folder=self.folder)
        return file

    def _service(self, service: Json, at: Place) -> dict[str, Json]:
        found = dict(shapes.mapped(service, at))
        environment = self._environment(found, at)
        if environment:
            found["environment"] = {name: environment[name] for name in sorted(environment)}
        found.pop("env_file", None)
        if "volumes" in found:
            found["volumes"] = self._mounts(found["volumes"], at / "volumes")
        deploy = shapes.mapped(found.get("deploy", {}), at / "deploy")
        if "scale" in found:
            # The newer word for the same number.
            found["deploy"] = {"replicas": found.pop("scale"), **deploy}
        if "restart" in found and "restart_policy" in deploy:
            (at / "restart").note(Severity.IGNORED, "deploy.restart_policy is given")
        return found

    def _environment(self, service: Mapping[str, Json], at: Place) -> dict[str, Json]:
        """Later files over earlier ones, `environment` over all of them."""
        found: dict[str, Json] = {}
        for entry in shapes.listed(service.get("env_file", []), at):
            found.update(self._from_file(shapes.mapped(entry, at), at / "env_file"))
        found.update(self._filled(shapes.mapped(service.get("environment", {}), at)))
        return found

    def _from_file(self, entry: Mapping[str, Json], at: Place) -> dict[str, Json]:
        path = str(entry.get("path", ""))
        if self.read_file is None:
            raise at.refusal(f"{path} cannot be read from here")
        try:
            lines = parse_service_env(self.read_file(path), path)
        except FileNotFoundError as error:
            if entry.get("required") is False:
                return {}
            raise at.refusal(f"{path} not found") from error
        except (OSError, UnicodeError) as error:
            raise at.refusal(f"cannot read {path}: {error}") from error
        except InvalidArgumentError as error:
            raise at.refusal(f"invalid env file: {error}") from error
        return self._filled(
            {key: value for key, value in lines if value is not None or key in self.environment}
        )

    def _filled(self, variables: Mapping[str, Json]) -> dict[str, Json]:
        """Variables without value, or with an empty one, take the client's if it has one."""
        return {
            name: value or self.environment.get(name, value) for name, value in variables.items()
        }

    def _mounts(self, value: Json, at: Place) -> list[Json]:
        return [
            mounts.resolved(
                shapes.mapped(mount, at / index),
                at / index,
                folder=self.folder,
                environment=self.environment,
            )
            for index, mount in enumerate(shapes.listed(value, at))
        ]


def _section(file: Mapping[str, Json], key: str) -> dict[str, Json]:
    section = file.get(key, {})
    assert isinstance(section, dict)  # FILE made it
    return section


def _refuse_forbidden(document: Document) -> None:
    services = document.values.get("services")
    if not isinstance(services, dict):
        return
    found: list[tuple[int, Path]] = []
    for name, service in services.items():
        for key in service if isinstance(service, dict) else ():
            if key in FORBIDDEN:
                path = ("services", name, key)
                found.append((document.line(path), path))
    if found:
        raise _forbidden(document, sorted(found))


def _forbidden(document: Document, found: Sequence[tuple[int, Path]]) -> ComposeError:
    """Docker's text, with every place."""
    lines = [
        f"{path[2]}: {FORBIDDEN[str(path[2])]} ({document.name}:{line}, service {path[1]})"
        for line, path in found
    ]
    problem = "\n\n".join(["Compose file contains unsupported options:", *lines])
    return Place(document, found[0][1]).error(problem)
