"""The tree as the house's tests see it: modules, parsed."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "swarmd"


def files() -> list[Path]:
    """Every module of the product, sorted."""
    return sorted(PRODUCT.rglob("*.py"))


def others() -> list[Path]:
    """Every other module that somebody has to read: tests, benchmarks, tools; sorted."""
    return sorted(
        file for name in ("tests", "benchmarks", "tools") for file in (ROOT / name).rglob("*.py")
    )


def name_of(file: Path) -> str:
    """`swarmd/store/view.py` → `swarmd.store.view`."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(file: Path) -> ast.Module:
    """Its syntax tree."""
    return ast.parse(file.read_text())


def imports(file: Path) -> set[str]:
    """Dotted names of what it imports, with the names taken out of packages."""
    found: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found
