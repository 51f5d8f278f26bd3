"""Networks, volumes, secrets and configs of a file: who owns them, and under which name."""

import posixpath
from collections.abc import Mapping

from swarmd.compose import shapes
from swarmd.compose.document import Json, Place
from swarmd.compose.notes import Severity


def normalised(
    kind: str, section: Mapping[str, Json], at: Place, *, folder: str
) -> dict[str, Json]:
    """A section (`networks`, ...) in which external entries are `external: true` with a name.

    Files of secrets and configs get their whole path.  Raises ComposeError for entries that
    contradict themselves.
    """
    noun = kind.removesuffix("s")
    found: dict[str, Json] = {}
    for name, value in section.items():
        place = at / name
        entry = shapes.mapped(value, place)
        if "external" in entry:
            _check_external(noun, entry, place)
            full_name = _full_name(noun, name, entry, place)
            entry = {"name": full_name, **entry} | {"name": full_name, "external": True}
        elif noun in ("secret", "config"):
            _check_content(noun, entry, place)
            if "file" in entry:
                entry = entry | {
                    "file": posixpath.normpath(posixpath.join(folder, str(entry["file"])))
                }
        found[name] = entry
    return found


def _full_name(noun: str, name: str, entry: Mapping[str, Json], at: Place) -> str:
    external = entry.get("external")
    old = external.get("name") if isinstance(external, dict) else None
    if not old:
        return str(entry.get("name", name))
    if "name" in entry:
        raise at.error(
            f"{noun} {name}: {noun}.external.name and {noun}.name conflict; only use {noun}.name"
        )
    (at / "external").note(
        Severity.DEPRECATED,
        f"{noun} {name}: {noun}.external.name is deprecated in favor of {noun}.name",
    )
    return str(old)


def _check_external(noun: str, entry: Mapping[str, Json], at: Place) -> None:
    """Docker refuses this for volumes only; elsewhere the keys have no effect."""
    for key in entry:
        if key in ("external", "name") or key.startswith("x-"):
            continue
        if noun == "volume":
            raise (at / key).error(
                f'conflicting parameters "external" and "{key}" specified for volume '
                f'"{at.path[-1]}"'
            )
        (at / key).note(Severity.IGNORED, f"the {noun} is external: it is used as it is")


def _check_content(noun: str, entry: Mapping[str, Json], at: Place) -> None:
    sources = [key for key in ("driver", "file", "environment", "content") if key in entry]
    if len(sources) > 1:
        first, second = sources[:2]
        raise at.error(
            f"{noun} {at.path[-1]}: {noun}.{first} and {noun}.{second} conflict; "
            f"only use {noun}.{first}"
        )
