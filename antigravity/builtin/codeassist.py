"""Google Code Assist: Gemini in an envelope, with the user's own OAuth client."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.upstreams.codeassist.kind import CodeAssistKind


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register Code Assist accounts."""
    register(CodeAssistKind())
