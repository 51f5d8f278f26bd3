"""Limits that keep every part readable (docs/architecture.md); ruff checks functions and classes."""

import ast
from pathlib import Path
from statistics import median

from tests.house.tree import files, name_of, others, parsed

FILE_LINES = 500
MEDIAN_FILE_LINES = 200
MEDIAN_FUNCTION_LINES = 12


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    lengths = {name_of(file): _length(file) for file in files()}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES} == {}
    assert median(lengths.values()) <= MEDIAN_FILE_LINES


def test_tests_are_read_as_well_and_no_longer() -> None:
    lengths = {name_of(file): _length(file) for file in others()}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES} == {}


def _length(file: Path) -> int:
    return len(file.read_text().splitlines())


def test_functions_are_short_at_the_median() -> None:
    lengths = [
        node.end_lineno - node.lineno + 1
        for file in files()
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    assert median(lengths) <= MEDIAN_FUNCTION_LINES
