"""Claude Code: the warm-ups and background tasks that it sends on its own."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.interception.background import BackgroundTasks, shipped_wordings
from antigravity.interception.clients import is_claude_code
from antigravity.interception.warmup import ClaudeCodeWarmup

NAME = "claude-code"


@hookimpl
def register_warmup_filters(register: Callable[[object], None]) -> None:
    """Register the filter of its warm-ups."""
    register(ClaudeCodeWarmup())


@hookimpl
def register_background_detectors(register: Callable[[object], None]) -> None:
    """Register the detector of its background tasks."""
    register(BackgroundTasks(NAME, is_claude_code, shipped_wordings()[NAME]))
