"""Moments in Docker's form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.wire.times import parse_rfc3339, rfc3339, rfc3339_fixed

AT = 1_795_240_183_560_938_461


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (AT, "2026-11-21T05:49:43.560938461Z"),
        (AT - 461, "2026-11-21T05:49:43.560938Z"),
        (1_000_000_000, "1970-01-01T00:00:01Z"),
        (0, "0001-01-01T00:00:00Z"),
    ],
)
def test_nanoseconds_are_written_without_zeros_at_their_end(at: int, text: str) -> None:
    assert rfc3339(at) == text


def test_a_log_s_times_have_nine_digits_so_that_lines_align() -> None:
    assert rfc3339_fixed(1_500_000_000) == "1970-01-01T00:00:01.500000000Z"


@given(st.integers(min_value=1, max_value=4_000_000_000 * 10**9))
def test_a_moment_that_was_written_is_read_as_itself(at: int) -> None:
    assert parse_rfc3339(rfc3339(at)) == at


def test_other_zones_are_understood() -> None:
    assert parse_rfc3339("2026-11-21T07:49:43+02:00") == parse_rfc3339("2026-11-21T05:49:43Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-21", "2026-11-21T05:49:43"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_rfc3339(text)
