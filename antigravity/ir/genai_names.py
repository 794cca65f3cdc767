"""Names of the semantic conventions of OpenTelemetry for generative AI.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from typing import Final

_OPERATIONS: Final = {"generate": "chat", "embed": "embeddings", "call_tool": "execute_tool"}


def operation_name(operation: str) -> str:
    """Return the name of an operation of the gateway in the conventions."""
    return _OPERATIONS.get(operation, operation)


def provider_name(protocol: str) -> str:
    """Return the provider whose protocol an upstream speaks."""
    if protocol.startswith("openai"):
        return "openai"
    if protocol.startswith("gemini") or protocol == "imagen":
        return "gcp.gemini"
    return protocol
