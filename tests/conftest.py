"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

try:
    from hypothesis import settings
except ImportError:  # the environment with the previous SDKs has none
    pass
else:
    # The same examples in every run, and no clock: a busy machine is no failure.
    settings.register_profile("house", deadline=None, derandomize=True)
    settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def scratch_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder of its own: trial's ``mktemp`` makes its files in the current one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("scratch"))
        yield
