"""Folders of tests are packages with plain names, and share what is in ``tests/support``."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: Matches an import from a folder of tests, as the formatter writes it.
IMPORT = re.compile(r"^\s*from tests\.([\w.]+) import\b", re.MULTILINE)


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in TESTS.rglob("*.py")}
    assert len(folders) > 30, "no tests were found"
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_test_modules_do_not_change_the_import_path() -> None:
    """A changed ``sys.path`` would hide an import that works in one order of the tests only."""
    for path in TESTS.rglob("*.py"):
        text = path.read_text("utf-8")
        if "sys" not in text or "path" not in text:  # parse the few files that may do so
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                changed = ast.unparse(node.func) in ("sys.path.insert", "sys.path.append")
                assert not changed or path.name == "test_requirements.py", path


def test_helper_modules_are_named_for_what_they_hold() -> None:
    """A module is ``builders``, ``fixtures``, ``fake_upstream``, and not a kit or a case."""
    retired = re.compile(r"(^|_)(kit|support|case|asks|material|dialect|stand_in|helpers|utils)$")
    names = [path for path in TESTS.rglob("*.py") if not path.name.startswith("test_")]
    assert not [path for path in names if retired.search(path.stem)]


def test_shared_helpers_are_in_support() -> None:
    """What tests of two folders import is in ``tests/support``, and no test module is imported."""
    wrong = []
    checked = 0
    for path in TESTS.rglob("*.py"):
        here = path.relative_to(TESTS).parts[:-1]
        for module in IMPORT.findall(path.read_text("utf-8")):
            checked += 1
            folder, *rest = module.split(".")
            foreign = folder not in ("support", *here[:1])
            if foreign or any(name.startswith("test_") for name in (folder, *rest)):
                wrong.append(f"{path.relative_to(TESTS)}: tests.{module}")
    assert checked > 700
    assert not wrong


@pytest.mark.parametrize(
    "text", ["from tests.a.b import c", "def f():\n    from tests.a.b import (\n c)"]
)
def test_imports_between_tests_are_found(text: str) -> None:
    assert IMPORT.findall(text) == ["a.b"]
