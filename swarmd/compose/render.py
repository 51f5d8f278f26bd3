"""The model as YAML, the way `docker stack config` prints it.

Services and names are sorted, keys stand in the format's order, lists are indented.  A string that
some YAML reader could take for something else is quoted; several lines become a block.
"""

import re

import yaml

from swarmd.compose.document import PLAIN_SCALARS
from swarmd.compose.load import Loaded

#: What is no string to Compose; and what YAML 1.1 took for truth values and base-60 numbers.
_LOOKS_OTHERWISE = re.compile(
    "|".join(
        (
            *(f"(?:{pattern})" for _, pattern, _ in PLAIN_SCALARS),
            r"(?i:y|yes|n|no|on|off)",
            r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?",
        )
    )
)
_STRING = "tag:yaml.org,2002:str"
_TOP = ("version", "services", "networks", "volumes", "secrets", "configs")


def render(loaded: Loaded) -> str:
    """All files as one, checked, interpolated and in long syntax.

    A `$` is printed as it is: what is read again must not be interpolated again.
    """
    model: dict[str, object] = {**loaded.model}
    ordered = {key: model[key] for key in _TOP if model[key] or key == "services"}
    extras = {key: model[key] for key in sorted(model) if key.startswith("x-")}
    return yaml.dump(
        {**ordered, **extras},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=float("inf"),
    )


class _Dumper(yaml.SafeDumper):
    """With the loader's idea of plain scalars, and Go's layout."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indents lists below their key."""
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        """Equal values are printed as often as they stand there."""
        del data
        return True


for _tag, _pattern, _first in PLAIN_SCALARS:
    _Dumper.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    elif _LOOKS_OTHERWISE.fullmatch(text):
        style = '"'
    return dumper.represent_scalar(_STRING, text, style=style)


_Dumper.add_representer(str, _represent_text)
