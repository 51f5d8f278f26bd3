"""The small languages inside compose values: durations, sizes, CPUs, command lines, Go's printing.

Every reader takes the text and raises ValueError with the words that Docker's own reader (Go's
`time`, `go-units`, `shlex`) has for it; who calls knows the place and says it.
"""

import re

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND_NS = _UNITS_NS["s"]
_MAX_INT64 = 2**63 - 1
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_SIZE = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?(?:([kmgtp])i?)?b?", re.IGNORECASE | re.ASCII)
_CPUS = re.compile(r"\+?([0-9]*)(?:\.([0-9]*))?", re.ASCII)


def nanoseconds(text: str) -> int:
    """Go's `time.ParseDuration`: `1m30s`, `1.5h`, `-5s`, `0`; nanoseconds.  Raises ValueError."""
    invalid = ValueError(f"time: invalid duration {quoted(text)}")
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    while rest:
        part = _DURATION_PART.match(rest)
        if part is None or not (part[1] or part[2]):
            raise invalid
        if not part[3]:
            raise ValueError(f"time: missing unit in duration {quoted(text)}")
        unit = _UNITS_NS.get(part[3])
        if unit is None:
            raise ValueError(f"time: unknown unit {quoted(part[3])} in duration {quoted(text)}")
        total += _scaled(part[1], part[2], unit)
        rest = rest[part.end() :]
    if total > _MAX_INT64:
        raise invalid
    return sign * total


def duration_text(value_ns: int) -> str:
    """As Go prints a duration: `1m30s`, `500ms`, `1h0m0s`, `0s`."""
    sign, rest = ("-", -value_ns) if value_ns < 0 else ("", value_ns)
    if rest < _SECOND_NS:
        for unit in ("ms", "µs", "ns"):
            if rest >= _UNITS_NS[unit]:
                return sign + _decimal(rest, _UNITS_NS[unit]) + unit
        return "0s"
    minutes, rest = divmod(rest, _UNITS_NS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{text}{_decimal(rest, _SECOND_NS)}s"


def size_bytes(text: str) -> int:
    """Docker's `units.RAMInBytes`: powers of 1024 whatever the suffix.  Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"invalid size: '{text}'")
    power = "kmgtp".index(match[3].lower()) + 1 if match[3] else 0
    return _scaled(match[1], match[2], 1024**power)


def nano_cpus(text: str) -> int:
    """Cores (`0.5`) in billionths.  Raises ValueError, also below a billionth."""
    match = _CPUS.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise ValueError(f"failed to parse {text} as a rational number")
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > 9:
        raise ValueError("value is too precise")
    return int(match[1] or 0) * 10**9 + int(fraction.ljust(9, "0"))


def number_text(value: float) -> str:
    """A YAML number where a string is wanted, as Go prints it: `1.10` → `1.1`, `1e3` → `1000`."""
    if abs(value) < 1e21 and value == int(value):
        return str(int(value))
    return repr(value)


def quoted(text: str) -> str:
    """Go's `%q`, as far as a message needs it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'


def split_command(text: str) -> list[str]:
    """A command line in words, as Docker's `shlex` cuts it; nothing is expanded.

    Blanks separate; `'...'` is literal; in `"..."` and outside, a backslash makes the next
    character literal (also `n`: no escapes are known); `#` where a word could begin ends the line.
    Raises ValueError for a quote or backslash that nothing closes.
    """
    words: list[str] = []
    rest = text
    while True:
        rest = _BETWEEN.sub("", rest, count=1)
        if not rest:
            return words
        word, rest = _word(rest)
        words.append(word)


_BETWEEN = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_PIECE = re.compile(
    r"""'(?P<literal>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | \\(?P<escaped>.) """
    r"""| (?P<plain>[^ \t\r\n'"\\]+)""",
    re.DOTALL | re.VERBOSE,
)


def _word(text: str) -> tuple[str, str]:
    """(the first word, what follows it)."""
    pieces: list[str] = []
    at = 0
    while at < len(text) and text[at] not in " \t\r\n":
        piece = _PIECE.match(text, at)
        if piece is None:
            missing = (
                "after escape character" if text[at] == "\\" else "when expecting closing quote"
            )
            raise ValueError(f"EOF found {missing}")
        found = piece[piece.lastgroup or 0]
        is_double = piece.lastgroup == "double"
        pieces.append(re.sub(r"\\(.)", r"\1", found, flags=re.DOTALL) if is_double else found)
        at = piece.end()
    return "".join(pieces), text[at:]


def _scaled(whole: str, fraction: str | None, unit: int) -> int:
    """`whole.fraction` units, rounded down, without going through a float."""
    digits = fraction or ""
    value = int(f"0{whole}{digits}")
    return value * unit // int(f"1{'0' * len(digits)}")


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    fraction = str(rest).rjust(digits, "0").rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
