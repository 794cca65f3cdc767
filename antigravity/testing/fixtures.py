"""Fixtures for pytest; load them with ``pytest_plugins = ["antigravity.testing"]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from antigravity.testing.threaded_gateway import ThreadedGateway, run_gateway


@pytest.fixture
def antigravity_gateway() -> Iterator[Callable[..., ThreadedGateway]]:
    """Return a function that starts gateways, with the parameters of ``run_gateway``.

    They are stopped after the test.
    """
    with ExitStack() as stack:

        def start(**parameters: object) -> ThreadedGateway:
            gateway: ThreadedGateway = stack.enter_context(run_gateway(**parameters))  # type: ignore[arg-type]
            return gateway

        yield start
