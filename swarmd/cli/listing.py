"""Lists: rows of named columns, printed as a table, as JSON or by a template.  Pure.

Each noun makes rows (column name → value) and says under which heading a column stands; `listed`
does the rest, as docker's `--format` and `-q` ask for it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from swarmd.cli.output import json_text, table
from swarmd.cli.template import parse
from swarmd.errors import InvalidArgumentError

#: Column name → value: text, or a truth for `Self`.
Row = Mapping[str, str | bool]

_ESCAPES = {r"\t": "\t", r"\n": "\n"}


def listed(
    rows: Sequence[Row],
    headings: Mapping[str, str],
    *,
    format_: str,
    default: str,
    is_quiet: bool,
    raw: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The text of a list.

    `format_` is what the user asked for: "" or "table" for the `default` table (whose columns are
    separated by tabs), "table TEMPLATE", "json", "raw" for a line per column of `raw` (the line's
    name → column, the first one of an id), or a template for each row.

    Raises:
        TemplateError: the template cannot be parsed or rendered.
    """
    rows = [dict(sorted(row.items())) for row in rows]
    if format_ in ("", "table"):
        format_ = "{{.ID}}" if is_quiet else f"table {default}"
    if format_ == "json":
        return "".join(json_text(row) + "\n" for row in rows)
    if format_ == "raw" and raw:
        lines = [f"{name}: {{{{.{column}}}}}" for name, column in raw.items()]
        format_ = lines[0] if is_quiet else "".join(f"{line}\n" for line in lines)
    source = format_.removeprefix("table").strip(" ")
    for escape, char in _ESCAPES.items():
        source = source.replace(escape, char)
    template = parse(source)
    lines = [template.render(row) for row in rows]
    if not format_.startswith("table"):
        return "".join(f"{line}\n" for line in lines)
    return table([line.split("\t") for line in (template.header(headings), *lines)])


def parsed_filters(given: Sequence[str]) -> dict[str, list[str]]:
    """`--filter` values, for a list's query: ("label=a", "name=b") → {"label": ["a"], …}."""
    filters: dict[str, list[str]] = {}
    for text in given:
        name, _, value = text.partition("=")
        filters.setdefault(name.strip().lower(), []).append(value.strip())
    return filters


def filter_value(text: str) -> str:
    """`text`, if it can be a filter.

    Raises:
        InvalidArgumentError: it has no "=".
    """
    if "=" not in text:
        raise InvalidArgumentError("bad format of filter (expected name=value)")
    return text
