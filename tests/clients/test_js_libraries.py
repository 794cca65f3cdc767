"""Libraries in JavaScript over the gateway, to every upstream protocol.

Each program of ``js/`` runs all cases of its client in one process; each case is a subtest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.libraries import PROGRAMS, LibraryGateways, run_program
from tests.clients.servers import Simulator
from tests.support.npm import UnavailableError


@pytest.mark.parametrize(
    "program", sorted(path.stem for path in PROGRAMS.glob("*.mjs") if path.stem != "harness")
)
def test_client_passes_cases(
    program: str,
    library_gateways: LibraryGateways,
    simulator: Simulator,
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    try:
        results = run_program(program, library_gateways, tmp_path)
    except UnavailableError as error:
        pytest.skip(str(error))
    for result in results:
        with subtests.test(client=result.client, target=result.target, case=result.case):
            if result.error:
                pytest.fail(result.error, pytrace=False)
    assert "Traceback" not in library_gateways.log
