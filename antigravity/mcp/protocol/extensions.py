"""Extensions of the protocol that clients and servers declare in their capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antigravity.interfaces.mcp_values import Json, McpError
from antigravity.mcp.protocol.messages import MISSING_CAPABILITY

#: Calls that continue after their response.
TASKS: Final = "io.modelcontextprotocol/tasks"
#: Pages of tools, which hosts show.
UI: Final = "io.modelcontextprotocol/ui"


def declares(capabilities: Json, extension: str) -> bool:
    """Return whether ``capabilities`` declare ``extension``."""
    extensions = capabilities.get("extensions")
    return isinstance(extensions, Mapping) and isinstance(extensions.get(extension), Mapping)


def with_extension(capabilities: Json, extension: str) -> dict[str, Any]:
    """Return ``capabilities`` that declare ``extension`` too."""
    extensions = capabilities.get("extensions")
    before = extensions if isinstance(extensions, Mapping) else {}
    return {**capabilities, "extensions": {extension: {}, **before}}


def without_extension(capabilities: Json, extension: str) -> Json:
    """Return ``capabilities`` that do not declare ``extension``."""
    extensions = capabilities.get("extensions")
    if not isinstance(extensions, Mapping) or extension not in extensions:
        return capabilities
    remaining = {key: value for key, value in extensions.items() if key != extension}
    return {**capabilities, "extensions": remaining}


def missing(extension: str) -> McpError:
    """Return the error for a client that does not declare ``extension``."""
    data = {"requiredCapabilities": with_extension({}, extension)}
    message = f"This needs a client that supports {extension}."
    return McpError(MISSING_CAPABILITY, message, data)


def lacks(error: McpError, extension: str) -> bool:
    """Return whether ``error`` means that a server needs ``extension`` from its client."""
    data = error.data if isinstance(error.data, Mapping) else {}
    needed = data.get("requiredCapabilities")
    return (
        error.code == MISSING_CAPABILITY
        and isinstance(needed, Mapping)
        and declares(needed, extension)
    )
