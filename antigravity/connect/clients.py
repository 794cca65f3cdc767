"""All clients that can be connected, by name, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from antigravity.connect.agent_clients import CRUSH, DROID, GOOSE, OPENCODE
from antigravity.connect.client import Client
from antigravity.connect.editor_clients import CLINE, CONTINUE, CURSOR, JETBRAINS, VSCODE, ZED
from antigravity.connect.terminal_clients import (
    AIDER,
    CLAUDE_CODE,
    CODEX,
    COPILOT_CLI,
    GEMINI_CLI,
    LLM,
    QWEN_CODE,
)

CLIENTS: Final[dict[str, Client]] = {
    client.name: client
    for client in (
        CLAUDE_CODE,
        CODEX,
        GEMINI_CLI,
        OPENCODE,
        QWEN_CODE,
        DROID,
        CRUSH,
        GOOSE,
        AIDER,
        LLM,
        CONTINUE,
        ZED,
        VSCODE,
        COPILOT_CLI,
        CURSOR,
        CLINE,
        JETBRAINS,
    )
}


def find_client(name: str) -> Client | None:
    """Return a client by its name, or by the name of its program."""
    return CLIENTS.get(name) or next(
        (client for client in CLIENTS.values() if name in client.programs), None
    )
