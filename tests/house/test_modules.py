"""Every module says what it is, and somebody uses it."""

import ast
import re

from tests.house.tree import PRODUCT, ROOT, files, imports, name_of, parsed

#: Entry points: started by a person, a script or a lazy table of commands.
ENTRIES = {"swarmd", "swarmd.__main__", "swarmd.sim.__main__"}


def test_every_module_has_an_essay() -> None:
    silent = [name_of(f) for f in files() if len(ast.get_docstring(parsed(f)) or "") < 20]
    assert silent == []


def test_every_package_maps_its_modules() -> None:
    """Its docstring names each of them; `__main__` speaks for itself."""
    unmapped = [
        name_of(file)
        for package in files()
        if package.name == "__init__.py" and package.parent != PRODUCT
        for file in sorted(package.parent.glob("*.py"))
        if not file.stem.startswith("__")
        and not re.search(rf"\b{file.stem}\b", ast.get_docstring(parsed(package)) or "")
    ]
    assert unmapped == []


def test_no_module_is_dead() -> None:
    """Imported by another module of the product, or named in a lazy table (`swarmd.cli.x:y`)."""
    used: set[str] = set()
    for file in files():
        used |= imports(file) - {name_of(file)}
    texts = "".join(file.read_text() for file in files())
    dead = [
        name
        for file in files()
        if (name := name_of(file)) not in ENTRIES
        and name not in used
        and f'"{name}:' not in texts
        and file.name != "__init__.py"
    ]
    assert dead == []


def test_nothing_unfinished_is_left() -> None:
    marks = ("TODO", "FIXME", "XXX", "NotImplementedError")
    places = [
        f"{file.relative_to(ROOT)}: {mark}"
        for folder in ("swarmd", "tools", "benchmarks")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for mark in marks
        if mark in file.read_text()
    ]
    assert places == []
