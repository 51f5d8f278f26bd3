"""Moments as Docker writes them: RFC 3339 in UTC, with as many digits of nanoseconds as are not zero."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from swarmd.ports import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANO = 1_000_000_000
#: Go's zero time: "never".
NEVER = "0001-01-01T00:00:00Z"

_FORM = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII
)


def rfc3339(at: Timestamp) -> str:
    """`2026-11-21T05:49:43.560938461Z`; 0 is Go's zero time."""
    if not at:
        return NEVER
    seconds, nanos = divmod(at, _NANO)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{_second(seconds)}{fraction}Z"


def rfc3339_fixed(at: Timestamp) -> str:
    """The same with all nine digits, as the lines of logs have it so that they align."""
    seconds, nanos = divmod(at, _NANO)
    return f"{_second(seconds)}.{nanos:09d}Z"


def parse_rfc3339(text: str) -> Timestamp:
    """0 for Go's zero time, and all before 1970.  Raises ValueError for what is no moment."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    zone = "+00:00" if match[3] == "Z" else match[3]
    passed = datetime.fromisoformat(match[1] + zone) - _EPOCH
    seconds = passed.days * 86_400 + passed.seconds
    return max(0, seconds * _NANO + int((match[2] or "0").ljust(9, "0")))


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
