"""Strict tools, whose schemas must follow the rules of structured output.

See https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations.
"""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.tools import FunctionTool, JsonObject
from antigravity.protocols.anthropic.client_schema import fit_schema, is_fit
from antigravity.protocols.losses import Losses

#: Limits on all strict tools of a request together.
MAX_TOOLS: Final = 20
MAX_OPTIONAL: Final = 24
MAX_UNIONS: Final = 16
_MAX_DEPTH: Final = 100


class StrictTools:
    """Selection of the tools of one request that can be strict, with their fitted schemas."""

    def __init__(self, capabilities: Capabilities, losses: Losses) -> None:
        self._supported = capabilities.structured_output
        self._losses = losses
        self._remaining = [MAX_TOOLS, MAX_OPTIONAL, MAX_UNIONS]

    def fit(self, tool: FunctionTool, schema: JsonObject) -> JsonObject | None:
        """Return the schema for a strict tool, ``None`` if the tool cannot be strict."""
        if not tool.strict:
            return None
        reason = self._refusal(schema)
        if reason:
            self._losses.add(f"tools.{tool.name}.strict", f"dropped: {reason}", content=True)
            return None
        fitted, lost = fit_schema(schema)
        if lost:
            names = ", ".join(sorted(lost))
            detail = f"schema keywords that are not enforced: {names}"
            self._losses.add(f"tools.{tool.name}.strict", detail)
        return fitted

    def _refusal(self, schema: JsonObject) -> str:
        if not self._supported:
            return "the model does not support strict tools"
        if not is_fit(schema):
            return "its schema uses keywords that strict tools do not allow"
        needed = (1, *_count(schema, 0))
        remaining = [left - need for need, left in zip(needed, self._remaining, strict=True)]
        if min(remaining) < 0:
            return "the request has too many strict tools, or too complex ones"
        self._remaining = remaining
        return ""


def _count(schema: Any, depth: int) -> tuple[int, int]:
    """Return how many properties are optional, and how many schemas are unions."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return 0, 0
    properties = schema.get("properties")
    required = schema.get("required") or ()
    named = properties if isinstance(properties, dict) else {}
    optional = sum(name not in required for name in named)
    unions = int("anyOf" in schema or "oneOf" in schema or isinstance(schema.get("type"), list))
    inner = [*named.values(), schema.get("items")]
    for name in ("$defs", "definitions"):
        if isinstance(schema.get(name), dict):
            inner += schema[name].values()
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if isinstance(schema.get(name), list):
            inner += schema[name]
    for each in inner:
        more = _count(each, depth + 1)
        optional, unions = optional + more[0], unions + more[1]
    return optional, unions
