"""The names of tests: folders of tests are no packages, so each module has a name of its own."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: Every folder may have one of these.
EVERYWHERE = {"conftest.py"}


def test_no_two_modules_have_one_name() -> None:
    """All folders are on the path together: of two ``faults_kit`` everybody would get the first."""
    found = defaultdict(list)
    for path in TESTS.rglob("*.py"):
        if path.name not in EVERYWHERE:
            found[path.name].append(str(path.relative_to(TESTS)))
    assert len(found) > 100, "they are not found"
    assert not [f"rename all but one: {places}" for places in found.values() if len(places) > 1]


def test_no_folder_is_a_package() -> None:
    """In a package modules have longer names, and what is beside them is not found."""
    assert not list(TESTS.rglob("__init__.py"))
