"""The official conformance suite finds nothing to complain about in logins to MCP servers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conformance.conformance_suite import VERSIONS, program, run_client
from tests.support.npm import UnavailableError

NEXT = VERSIONS[1]
COMMAND = f"{sys.executable} -m tests.conformance.login_client"
#: Logins of extensions, which the gateway does not support and the suite does not score, and what
#: is not about logins.
OTHERS = (
    "client-credentials-",
    "dpop",
    "enterprise-managed-",
    "wif-",
    "http-",
    "json-",
    "request-",
    "sep-",
    "tools_call",
)


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    try:
        program(NEXT)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("arguments", "least"),
    [
        (("--suite", "auth"), 14),
        (("--requirements", "2026-07-28"), 25),
        (("--scenario", "auth/2025-03-26-oauth-metadata-backcompat"), 1),
    ],
    ids=["auth suite", "requirements 2026-07-28", "metadata of 2025-03-26"],
)
def test_login_suite_passes(arguments: tuple[str, ...], least: int, tmp_path: Path) -> None:
    figures = run_client(NEXT, COMMAND, arguments, tmp_path)
    for name in [each for each in figures.scenarios if each.startswith(OTHERS)]:
        del figures.scenarios[name]
    print(f"\n{NEXT} {' '.join(arguments)}: {figures}")
    assert [each for each in figures.complaints if not each.startswith(OTHERS)] == []
    assert len(figures.scenarios) >= least
    assert figures.passed == len(figures.scenarios)
