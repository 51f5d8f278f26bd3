"""What people read is what docker prints, to the blank."""

import pytest

from swarmd.cli.output import (
    age,
    capitalized,
    ellipsis,
    go_duration,
    go_time,
    human_duration,
    human_size,
    image_name,
    json_text,
    natural_key,
    parse_time,
    short_id,
    table,
)


def test_a_column_is_ten_wide_at_least_and_has_three_blanks_behind_it() -> None:
    text = table([["ID", "NAME", "PORTS"], ["abcdefghijkl", "web", "*:80->80/tcp"]])
    assert text == "ID             NAME      PORTS\nabcdefghijkl   web       *:80->80/tcp\n"


def test_a_rows_last_cell_is_not_padded_but_the_one_before_it_is() -> None:
    assert table([["NAME", "ERROR"], ["web", ""]]) == "NAME      ERROR\nweb       \n"


def test_wide_characters_take_two_columns() -> None:
    assert table([["漢字", "x"], ["abcd", "y"]]) == "漢字      x\nabcd      y\n"


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["web.10", "web.2", "web.1"], ["web.1", "web.2", "web.10"]),
        (["b", "a10", "a9", "a"], ["a", "a9", "a10", "b"]),
        (["a1", "a-1", "a_1"], ["a-1", "a1", "a_1"]),
        (["x01", "x1"], ["x1", "x01"]),
    ],
)
def test_names_sort_as_people_count(names: list[str], ordered: list[str]) -> None:
    assert sorted(names, key=natural_key) == ordered


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (45 * 60, "45 minutes"),
        (60 * 60, "About an hour"),
        (89 * 60, "About an hour"),
        (90 * 60, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (2 * 365 * 86400, "2 years"),
    ],
)
def test_durations_are_said_in_gos_words(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


def test_an_age_counts_from_a_time_with_nanoseconds_or_a_zone() -> None:
    now = parse_time("2026-11-24T09:20:10.5Z")
    assert age("2026-11-24T09:20:07.470871596Z", now) == "3 seconds ago"
    assert age("2026-11-24T10:20:00+01:00", now) == "10 seconds ago"


def test_what_is_no_time_is_the_epoch() -> None:
    assert parse_time("") == 0.0


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (200_000_000, "200ms"),
        (5_000_000_000, "5s"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-5_000_000_000, "-5s"),
    ],
)
def test_durations_are_printed_as_go_prints_them(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text


def test_times_are_printed_as_go_prints_them() -> None:
    assert go_time("2026-11-24T09:20:07.470Z") == "2026-11-24 09:20:07.47 +0000 UTC"
    assert go_time("2026-11-24T09:20:07Z") == "2026-11-24 09:20:07 +0000 UTC"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (64 * 1024**2, "64MiB"), (25_276_502_016, "23.54GiB")],
)
def test_sizes_have_four_digits(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ("nginx:1@sha256:" + "a" * 64, "nginx:1"),
        ("nginx@sha256:" + "a" * 64, "nginx@sha256:" + "a" * 64),
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/me/app:1", "me/app:1"),
        ("localhost:5000/app:2@sha256:" + "a" * 64, "localhost:5000/app:2"),
        ("localhost:5000/app", "localhost:5000/app"),
    ],
)
def test_an_image_is_shown_without_its_digest_if_it_has_a_tag(image: str, shown: str) -> None:
    assert image_name(image) == shown


def test_an_image_that_is_sent_keeps_its_digest() -> None:
    pinned = "nginx:1@sha256:" + "a" * 64
    assert image_name(f"docker.io/library/{pinned}", keeps_digest=True) == pinned


def test_small_things() -> None:
    assert short_id("sha256:0123456789abcdef") == "0123456789ab"
    assert capitalized("readY") == "Ready"
    assert capitalized("") == ""
    assert ellipsis("abcdef", 6) == "abcdef"
    assert ellipsis("abcdefg", 6) == "abcde…"
    assert ellipsis("漢字漢字", 5) == "漢字…"


def test_json_is_escaped_as_gos_encoder_does() -> None:
    assert json_text({"a": "->&<é"}) == '{"a":"-\\u003e\\u0026\\u003cé"}'
    assert json_text([{"a": {}}], indent=4) == '[\n    {\n        "a": {}\n    }\n]'
