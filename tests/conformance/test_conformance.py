"""The official conformance suite finds nothing to complain about: ``make test-conformance``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.conformance_suite import VERSIONS, program, run
from tests.support.mcp_processes import offering_everything
from tests.support.npm import UnavailableError

RELEASE, NEXT = VERSIONS


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        for version in VERSIONS:
            program(version)
    except UnavailableError as error:
        pytest.skip(str(error))
    with offering_everything(tmp_path_factory.mktemp("everything")) as address:
        yield address


@pytest.mark.parametrize(
    ("version", "arguments", "least"),
    [
        (RELEASE, ("--suite", "active"), 30),
        (RELEASE, ("--suite", "pending"), 2),
        (NEXT, ("--suite", "all", "--spec-version", "2025-06-18"), 25),
        (NEXT, ("--suite", "all", "--spec-version", "2025-11-25"), 31),
        (NEXT, ("--suite", "active", "--spec-version", "2026-07-28"), 20),
        (NEXT, ("--requirements", "2026-07-28"), 40),
    ],
    ids=lambda value: " ".join(value).replace("--", "") if isinstance(value, tuple) else None,
)
def test_conformance_suite_passes(
    url: str, version: str, arguments: tuple[str, ...], least: int, tmp_path: Path
) -> None:
    figures = run(version, url, arguments, tmp_path)
    print(f"\n{version} {' '.join(arguments)}: {figures}")
    assert figures.complaints == []
    assert len(figures.scenarios) >= least
    assert figures.passed == len(figures.scenarios)
