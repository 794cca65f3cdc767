"""What the modules of the package import."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "antigravity"


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Return the dotted names that a module imports, but for type checking only."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def ours(path: Path) -> set[str]:
    """Return what a module imports of ours, without the package's name."""
    prefix = "antigravity."
    return {name.removeprefix(prefix) for name in imported(path) if name.startswith(prefix)}


def room(path: Path) -> str:
    """Return the room that a module is in."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")
