"""Folders of tests are packages: modules import each other by their full names."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in TESTS.rglob("*.py")}
    assert len(folders) > 30, "no tests were found"
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_test_modules_do_not_change_the_import_path() -> None:
    """A changed ``sys.path`` would hide an import that works in one order of the tests only."""
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                changed = ast.unparse(node.func) in ("sys.path.insert", "sys.path.append")
                assert not changed or path.name == "test_requirements.py", path
