import pytest

from swarmd.compose import ComposeError
from swarmd.compose.document import Json, parse


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0644", 420),
        ("0o644", 420),
        ("0x10", 16),
        ("0b11", 3),
        ("08", 8),
        ("1_000", 1000),
        ("-5", -5),
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("false", False),
        ("22:22", "22:22"),
        ("8080:80", "8080:80"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.10", 1.1),
        ("2024-01-31", "2024-01-31"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_scalars_are_what_go_yaml_takes_them_for(written: str, value: Json) -> None:
    assert parse("f.yml", f"a: {written}").values == {"a": value}


def test_merge_keys_are_merged_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 1}\nmore: &m {y: 2, z: 2}\na: {<<: [*b, *m], x: 3}\n"
    assert parse("f.yml", text).values["a"] == {"x": 3, "y": 1, "z": 2}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'yaml: mapping key "a" already defined'),
        ("a:\n  - b\n c\n", 3, "yaml: "),
        ("a: *nobody\n", 1, "yaml: found undefined alias"),
        ("a: 1\n---\nb: 1\n", 2, "yaml: expected a single document in the stream"),
        ("a: !reset null\n", 1, "yaml: cannot use the tag !reset in a compose file"),
        ("a: {<<: 3}\n", 1, "yaml: map merge requires map or sequence of maps as the value"),
        ("a:\n  7: x\n", 2, "Non-string key in a: 7"),
        ("a: !!int x\n", 1, "yaml: "),
        ("- a\n", 1, "top-level object must be a mapping"),
        ("", 1, "top-level object must be a mapping"),
        ("a\x00b: 1", 1, "yaml: unacceptable character"),
        ("a: \ud800", 1, "yaml: "),
        ("a: &a [*a]\n", 1, "yaml: document contains excessive aliasing or nesting"),
        ("a: &a {<<: *a}\n", 1, "yaml: document contains excessive aliasing or nesting"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(ComposeError) as caught:
        parse("f.yml", text)
    assert (caught.value.file, caught.value.line) == ("f.yml", line)
    assert caught.value.problem.startswith(problem)


def test_a_hundred_thousand_brackets_do_not_end_the_process() -> None:
    with pytest.raises(ComposeError, match="excessive aliasing or nesting"):
        parse("f.yml", "a: " + "[" * 100_000)


def test_an_alias_bomb_is_refused() -> None:
    levels = "".join(f"b{i}: &b{i} [{','.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 9))
    with pytest.raises(ComposeError, match="excessive aliasing or nesting"):
        parse("f.yml", "b0: &b0 [1]\n" + levels)


def test_the_line_of_a_path_is_found_through_merge_keys_lists_and_missing_parts() -> None:
    text = "x: &x\n  image: a\nservices:\n  web:\n    <<: *x\n    ports:\n      - 1\n      - 2\n"
    document = parse("f.yml", text)
    assert document.line(("services", "web", "ports", 1)) == 8
    assert document.line(("services", "web", "image")) == 2
    assert document.line(("services", "web", "deploy", "mode")) == 4
    assert document.depth(("services", "web", "deploy", "mode")) == 2
    assert document.line(()) == 1
