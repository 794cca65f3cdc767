"""Who sent a request, by its headers."""

from __future__ import annotations

from collections.abc import Mapping


def is_claude_code(headers: Mapping[str, str]) -> bool:
    """Return whether Claude Code sent it, or something made of Claude Code."""
    return (
        headers.get("user-agent", "").startswith(("claude-cli/", "claude-code/"))
        or headers.get("x-app") == "cli"
    )


def is_opencode(headers: Mapping[str, str]) -> bool:
    """Return whether opencode sent it."""
    return headers.get("user-agent", "").startswith("opencode/")
