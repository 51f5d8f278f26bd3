import pytest
from hypothesis import given, strategies

from swarmd.compose.values import (
    duration_text,
    nano_cpus,
    nanoseconds,
    number_text,
    quoted,
    size_bytes,
    split_command,
)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("90s", 90 * SECOND),
        ("1m30s", 90 * SECOND),
        ("1.5h", 5400 * SECOND),
        ("500ms", SECOND // 2),
        ("2us", 2000),
        ("2µs", 2000),
        ("7ns", 7),
        ("-5s", -5 * SECOND),
        ("+5s", 5 * SECOND),
        (".5s", SECOND // 2),
        ("1.s", SECOND),
        ("0.0000000019s", 1),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, value: int) -> None:
    assert nanoseconds(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        (".s", 'time: invalid duration ".s"'),
        ("1 s", 'time: unknown unit " s" in duration "1 s"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_durations_are_refused_in_gos_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="time: ") as caught:
        nanoseconds(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"),
        (90 * SECOND, "1m30s"),
        (3600 * SECOND, "1h0m0s"),
        (SECOND // 2, "500ms"),
        (1_500_000, "1.5ms"),
        (7, "7ns"),
        (-SECOND, "-1s"),
        (SECOND + 1, "1.000000001s"),
    ],
)
def test_durations_are_printed_as_go_prints_them(value: int, text: str) -> None:
    assert duration_text(value) == text


@given(strategies.integers(min_value=-(2**62), max_value=2**62))
def test_a_printed_duration_reads_as_itself(value: int) -> None:
    assert nanoseconds(duration_text(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("64m", 64 << 20),
        ("64MiB", 64 << 20),
        ("64 MB", 64 << 20),
        ("1.5g", 3 << 29),
        ("1Kb", 1024),
        ("2t", 2 << 40),
    ],
)
def test_sizes_are_powers_of_1024_whatever_the_suffix(text: str, value: int) -> None:
    assert size_bytes(text) == value


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5.5m", "64x", "m"])
def test_other_sizes_are_refused_in_dockers_words(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size") as caught:
        size_bytes(text)
    assert str(caught.value) == f"invalid size: '{text}'"


@pytest.mark.parametrize(
    ("text", "value"), [("1", 10**9), ("0.5", 5 * 10**8), (".25", 25 * 10**7), ("0.0001", 10**5)]
)
def test_cores_are_billionths(text: str, value: int) -> None:
    assert nano_cpus(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "failed to parse x as a rational number"),
        (".", "failed to parse . as a rational number"),
        ("0.0000000001", "value is too precise"),
    ],
)
def test_other_cores_are_refused_in_dockers_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        nano_cpus(text)


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.10, "1.1"), (1e3, "1000"), (0.5, "0.5"), (1e22, "1e+22")]
)
def test_numbers_are_printed_as_go_prints_them(value: float, text: str) -> None:
    assert number_text(value) == text


def test_quoting_is_gos() -> None:
    assert quoted('a"b\\\n') == '"a\\"b\\\\\\n"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("a  b\tc", ["a", "b", "c"]),
        ("sh -c 'echo \"a b\"'", ["sh", "-c", 'echo "a b"']),
        ('echo "a \\"b\\" c"', ["echo", 'a "b" c']),
        ("a\\ b", ["a b"]),
        ("a'b'\"c\"", ["abc"]),
        ("a ''", ["a", ""]),
        ("a # b\nc", ["a", "c"]),
        ("a#b", ["a#b"]),
        ('"a\\nb"', ["anb"]),
    ],
)
def test_command_lines_are_cut_as_dockers_shlex_cuts_them(text: str, words: list[str]) -> None:
    assert split_command(text) == words


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a 'b", "EOF found when expecting closing quote"),
        ('a "b', "EOF found when expecting closing quote"),
        ("a \\", "EOF found after escape character"),
    ],
)
def test_a_command_line_that_does_not_end_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        split_command(text)
