"""`volumes` of a service: `[source:]target[:option,option]`, or a mapping, to the latter.

A source that begins with `.`, `/`, `~` or a drive letter is a path (a bind), any other the name
of a volume.  `resolved` makes the paths absolute: relative ones count from the first file's folder
on the machine where the stack is deployed, as Docker has it.
"""

import posixpath
from collections.abc import Mapping

from swarmd.compose import shapes
from swarmd.compose.document import Json, Place
from swarmd.compose.notes import Severity
from swarmd.compose.shapes import fields, text, without_effect

_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_IGNORED = Severity.IGNORED


def volumes(value: Json, at: Place) -> list[Json]:
    """All mounts in long syntax."""
    found: list[Json] = []
    for index, item in enumerate(shapes.listed(value, at)):
        place = at / index
        if isinstance(item, str):
            found.append(_expanded(str(item), place))
        elif isinstance(item, dict):
            if "type" not in item:
                raise place.mismatch("type is required")
            found.append(_FIELDS(item, place))
        else:
            raise place.mismatch("must be a string or mapping")
    return found


def resolved(
    mount: Mapping[str, Json], at: Place, *, folder: str, environment: Mapping[str, str]
) -> Mapping[str, Json]:
    """The mount with an absolute source if it is a bind.  `folder` counts for relative ones."""
    if mount.get("type") != "bind":
        return mount
    source = str(mount.get("source", ""))
    if not source:
        raise at.refusal('invalid mount config for type "bind": field Source must not be empty')
    if source.startswith("~"):
        if "HOME" not in environment:
            at.note(_IGNORED, "cannot expand '~', because the environment lacks HOME")
            return mount
        source = environment["HOME"] + source[1:]
    if not posixpath.isabs(source) and not _is_windows_path(source):
        source = posixpath.normpath(posixpath.join(folder, source))
        if not posixpath.isabs(source):
            raise at.refusal(f"the folder from which the relative path {source} counts is unknown")
    return {**mount, "source": source}


def _expanded(spec: str, at: Place) -> dict[str, Json]:
    if not spec:
        raise at.refusal("invalid empty volume spec")
    parts = _parts(spec)
    if len(spec) > 2 and not all(parts):
        raise at.refusal(f"invalid spec: {spec}: empty section between colons")
    if len(parts) > 3:
        raise at.refusal(f"invalid spec: {spec}: too many colons")
    if len(parts) == 1 or len(spec) <= 2:
        return {"type": "volume", "target": spec}
    source, target, *rest = parts
    found: dict[str, Json] = {
        "type": "bind" if _is_path(source) else "volume",
        "source": source,
        "target": target,
    }
    for option in rest[0].split(",") if rest else ():
        _set_option(found, option, at)
    return found


def _set_option(mount: dict[str, Json], option: str, at: Place) -> None:
    if option == "ro":
        mount["read_only"] = True
    elif option == "rw":
        mount.pop("read_only", None)
    elif option == "nocopy":
        mount["volume"] = {"nocopy": True}
    elif option in _PROPAGATIONS:
        mount["bind"] = {"propagation": option}
    else:
        at.note(_IGNORED, f"unknown volume option {option}")


def _parts(spec: str) -> list[str]:
    """Cut at colons, but not behind a drive letter."""
    parts: list[str] = []
    for part in spec.split(":"):
        if parts and len(parts[-1]) == 1 and parts[-1].isalpha():
            parts[-1] += f":{part}"
        else:
            parts.append(part)
    return parts


def _is_path(source: str) -> bool:
    return source[0] in "./~" or _is_windows_path(source)


def _is_windows_path(source: str) -> bool:
    has_drive = len(source) > 1 and source[0].isalpha() and source[1] == ":"
    return has_drive or source.startswith("\\\\")


_BIND = fields(
    {
        "propagation": text,
        "create_host_path": shapes.boolean,
        "selinux": without_effect(_IGNORED, "services of a swarm cannot relabel mounts"),
        "recursive": without_effect(_IGNORED, "the engine's default is used"),
    }
)
_VOLUME = fields(
    {
        "nocopy": shapes.boolean,
        "subpath": text,
        "labels": without_effect(_IGNORED, "labels belong to the top-level volume"),
    }
)
_FIELDS = fields(
    {
        "type": text,
        "source": text,
        "target": text,
        "read_only": shapes.boolean,
        "consistency": text,
        "bind": _BIND,
        "volume": _VOLUME,
        "tmpfs": fields({"size": shapes.bytes_count, "mode": shapes.count}),
        "cluster": fields({}),
        "image": fields({"subpath": text}),
    },
    # An empty group of options is still an option of the wrong type.
    keeps=("bind", "volume", "tmpfs", "cluster", "image"),
)
