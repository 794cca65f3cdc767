"""opencode: the titles that it requests on its own."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.interception.background import BackgroundTasks, shipped_wordings
from antigravity.interception.clients import is_opencode

NAME = "opencode"


@hookimpl
def register_background_detectors(register: Callable[[object], None]) -> None:
    """Register the detector of title requests."""
    register(BackgroundTasks(NAME, is_opencode, shipped_wordings()[NAME]))
