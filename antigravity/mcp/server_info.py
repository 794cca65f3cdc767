"""The gateway's name and capabilities as an MCP server."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from antigravity.mcp.protocol.extensions import TASKS, UI
from antigravity.mcp.protocol.revisions import REVISIONS, Revision
from antigravity.version import VERSION

_CAPABILITIES: Final = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "logging": {},
    "completions": {},
}
_SESSION_TASKS: Final[dict[str, Any]] = {
    "list": {},
    "cancel": {},
    "requests": {"tools": {"call": {}}},
}


class ServerInfo(Struct, frozen=True):
    """The server's name, title, and instructions for models."""

    name: str = "antigravity"
    title: str = "antigravity gateway"
    instructions: str = ""

    def implementation(self) -> dict[str, Any]:
        """Return the ``serverInfo`` object."""
        return {"name": self.name, "title": self.title, "version": VERSION}

    def initialized(self, revision: Revision) -> dict[str, Any]:
        """Return the result of ``initialize``."""
        return self._with_instructions(
            {
                "protocolVersion": revision.name,
                "capabilities": (
                    {**_CAPABILITIES, "tasks": _SESSION_TASKS} if revision.tasks else _CAPABILITIES
                ),
                "serverInfo": self.implementation(),
            }
        )

    def discovered(self) -> dict[str, Any]:
        """Return the result of ``server/discover``."""
        return self._with_instructions(
            {
                "supportedVersions": list(REVISIONS),
                "capabilities": {**_CAPABILITIES, "extensions": {TASKS: {}, UI: {}}},
            }
        )

    def _with_instructions(self, out: dict[str, Any]) -> dict[str, Any]:
        if self.instructions:
            out["instructions"] = self.instructions
        return out
