"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def scratch_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder of its own: trial's ``mktemp`` makes its files in the current one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("scratch"))
        yield
