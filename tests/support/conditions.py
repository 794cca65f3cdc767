"""Wait until a condition holds: with threads, or in the reactor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Block until ``condition`` returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.01)
    return value


async def eventually(
    condition: Callable[[], Any], seconds: float = 60.0, context: Callable[[], Any] = str
) -> Any:
    """Run the reactor until ``condition`` returns something true, and return that.

    :param context: what the failure shows if the condition does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, (f"not within {seconds:g} s", context())
        await deferLater(reactor, 0.01)  # type: ignore[arg-type]
    return value
