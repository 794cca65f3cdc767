"""Recognition of clients by their headers."""

from __future__ import annotations

from collections.abc import Mapping


def is_claude_code(headers: Mapping[str, str]) -> bool:
    """Return whether Claude Code, or a program based on it, sent the request."""
    return (
        headers.get("user-agent", "").startswith(("claude-cli/", "claude-code/"))
        or headers.get("x-app") == "cli"
    )


def is_opencode(headers: Mapping[str, str]) -> bool:
    """Return whether opencode sent the request."""
    return headers.get("user-agent", "").startswith("opencode/")
