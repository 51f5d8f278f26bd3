"""What people read: tables, sizes, ages, names in the order people expect.  Pure.

Everything here reproduces what the docker CLI prints, to the blank, because scripts cut it apart:
its table is Go's tabwriter with cells of at least ten columns and three blanks between them.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

#: What the API says of one object.
Json = dict[str, Any]

_SHORT_ID = 12
_CELL_WIDTH = 10
_CELL_GAP = 3
_NUMBER = re.compile(r"\d+|\D")
_SECOND_NS = 1_000_000_000


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows in columns, each line ended.  A row's last cell is not padded (Go's tabwriter)."""
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            wanted = max(display_width(cell) + _CELL_GAP, _CELL_WIDTH)
            widths[column] = max(widths.get(column, 0), wanted)
    return "".join(
        "".join(
            cell + " " * (widths[column] - display_width(cell))
            for column, cell in enumerate(row[:-1])
        )
        + (row[-1] if row else "")
        + "\n"
        for row in rows
    )


def display_width(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def short_id(object_id: str) -> str:
    """The first twelve characters, without a digest's algorithm."""
    return object_id.rpartition(":")[2][:_SHORT_ID]


def ellipsis(text: str, width: int) -> str:
    """`text` cut to `width` columns, the last of them a "…" if anything was cut."""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += display_width(char)
        if used > width - 1:
            break
        kept += char
    return kept + "…"


def capitalized(text: str) -> str:
    """First letter upper case, the rest lower; a single letter lower (docker's PrettyPrint)."""
    return text.lower() if len(text) == 1 else text[:1].upper() + text[1:].lower()


def natural_key(text: str) -> list[tuple[int, int, int]]:
    """A sort key under which web.2 comes before web.10.

    Digits sort where "0" does among other characters; of two equal numbers the shorter comes first.
    """
    return [
        (ord("0"), int(chunk), len(chunk)) if chunk.isdigit() else (ord(chunk), 0, 0)
        for chunk in _NUMBER.findall(text)
    ]


def human_duration(seconds: float) -> str:
    """About how long, in one word of English: "5 seconds", "About a minute", "3 weeks".

    Source: go-units HumanDuration, its irregular limits included.
    """
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    steps = (
        (whole < 1, "Less than a second"),
        (whole == 1, "1 second"),
        (whole < 60, f"{whole} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 7 * 2, f"{hours // 24} days"),
        (hours < 24 * 30 * 2, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    )
    for applies, words in steps:
        if applies:
            return words
    return f"{int(seconds / 3600) // 24 // 365} years"


def human_size(size_bytes: float) -> str:
    """Four significant digits and a binary unit: "1.952GiB" (go-units BytesSize)."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.4g}{unit}"
        size_bytes /= 1024
    return f"{size_bytes:.4g}EiB"


def go_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: "1m30s", "1.5s", "200ms", "0s"."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, size_ns in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < size_ns * 1_000 and rest < _SECOND_NS:
            return f"{sign}{_decimal(rest, size_ns)}{unit}"
    minutes, rest = divmod(rest, 60 * _SECOND_NS)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{sign}{text}{_decimal(rest, _SECOND_NS)}s"


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    digits = f"{fraction:0{len(str(unit)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def parse_time(text: str) -> float:
    """Seconds since 1970 of the API's RFC 3339 time, whose fraction may have nine digits."""
    match = re.fullmatch(r"(.*?)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        return 0.0
    moment, fraction, zone = match.groups()
    base = datetime.fromisoformat(moment + ("+00:00" if zone == "Z" else zone))
    return base.timestamp() + float(fraction or 0)


def go_time(text: str) -> str:
    """A time as Go prints it: "2026-11-24 09:20:07.470871596 +0000 UTC"."""
    moment, _, fraction = text.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return moment.replace("T", " ") + (f".{fraction}" if fraction else "") + " +0000 UTC"


def age(text: str, now: float) -> str:
    """How long before `now` (seconds since 1970) that was: "5 seconds ago"."""
    return human_duration(now - parse_time(text)) + " ago"


def utc_now() -> float:
    """Seconds since 1970, for ages: the one clock that the command line reads."""
    return datetime.now(UTC).timestamp()  # noqa: TID251 - the process is over before a port pays


def image_name(image: str, *, keeps_digest: bool = False) -> str:
    """An image as people write it: no docker.io/library/ before it, no digest behind a tag."""
    for prefix in ("docker.io/library/", "docker.io/"):
        image = image.removeprefix(prefix)
    name, _, digest = image.partition("@")
    is_tagged = ":" in name.rpartition("/")[2]
    return image if digest and (keeps_digest or not is_tagged) else name


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON as Go's encoder writes it: no blanks, and <, > and & as escapes."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
