"""Encodes a request for an upstream.

The upstream stores nothing, because the gateway sends the whole conversation.  Only agents that
run in the background require that their interactions are stored.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request
from antigravity.ir.request_features import has_cache_breakpoints, has_citations
from antigravity.protocols.gemini_interactions.client_config import encode_config, encode_format
from antigravity.protocols.gemini_interactions.client_steps import StepWriter
from antigravity.protocols.gemini_interactions.client_tools import encode_choice, encode_tools
from antigravity.protocols.gemini_interactions.schema import NAME, JsonObject
from antigravity.protocols.instructions import OPENING, with_visible_end
from antigravity.protocols.losses import Losses

#: The service tiers of other protocols that have the same meaning here.
_TIERS: Final = ("flex", "priority")
_USUAL_TIERS: Final = (None, "auto", "default", "standard")
#: The prefix of extensions that are settings of ``generation_config``.
_CONFIG: Final = "generation_config."
#: Extensions that are merged into other fields.
_MERGED: Final = frozenset({"google_search", "response_format.mime_type"})


def encode(request: Request, target: Target) -> EncodedRequest:
    """Return the body of a request for a new interaction.

    :raises InvalidRequestError: if the target cannot serve the request.
    """
    losses = Losses()
    capabilities = target.capabilities
    request = with_visible_end(request, losses)
    steps = StepWriter(request, capabilities, losses).steps
    system = "\n\n".join(part.text for part in request.system if part.text.strip())
    if not steps and system:
        steps = [{"type": "user_input", "content": [{"type": "text", "text": OPENING}]}]
        losses.add("messages", "a user turn was added: the request had only instructions")
    if not steps:
        raise InvalidRequestError(
            "Every message is empty. Send at least one with content.", param="$.messages"
        )
    tools = encode_tools(request, capabilities, losses)
    config = encode_config(request, capabilities, losses)
    choice = encode_choice(request.tool_choice, tools, losses)
    if choice is not None:
        config["tool_choice"] = choice
    own = request.extensions if request.protocol == NAME else {}
    for name, value in own.items():
        if name.startswith(_CONFIG):
            config[name.removeprefix(_CONFIG)] = value
    body: JsonObject = {
        **_served_by(target, config, request, losses),
        "system_instruction": system or None,
        "tools": tools or None,
        "response_format": _format(request, own),
        "service_tier": _service_tier(request, losses),
        "labels": request.metadata or None if request.protocol == NAME else None,
        **_extensions(own),
        "input": steps,
    }
    if has_cache_breakpoints(request):
        losses.add("cache", "dropped: Gemini caches on its own")
    if has_citations(request):
        losses.add("messages", "citations in the history were left out")
    body = {name: value for name, value in body.items() if value is not None}
    return EncodedRequest(msgspec.json.encode(body), losses.all())


def _served_by(target: Target, config: JsonObject, request: Request, losses: Losses) -> JsonObject:
    """Return the fields for a model, or those for an agent, which has no generation settings."""
    capabilities = target.capabilities
    if not capabilities.agent:
        return {
            "model": target.model,
            "stream": request.stream,
            "store": False,
            "generation_config": config or None,
        }
    shown = config.pop("thinking_summaries", None)
    for name in config:
        losses.add(name, "dropped: agents have no generation settings")
    background = capabilities.agent == "background"
    return {
        "agent": target.model,
        "stream": request.stream or background,
        "background": True if background else None,
        "store": background,
        "environment": capabilities.environment or None,
        "agent_config": _agent_config(capabilities, shown),
    }


def _agent_config(capabilities: Capabilities, summaries: str | None) -> JsonObject | None:
    """Return ``agent_config``, for agents that summarise their thoughts on request."""
    if summaries is None or not capabilities.agent_config:
        return None
    return {"type": capabilities.agent_config, "thinking_summaries": summaries}


def _format(request: Request, own: dict[str, Any]) -> Any:
    """Return the format of the response, with a MIME type that only this protocol has."""
    mime_type = own.get("response_format.mime_type")
    return {"type": "text", "mime_type": mime_type} if mime_type else encode_format(request)


def _service_tier(request: Request, losses: Losses) -> str | None:
    tier = request.service_tier
    if tier in _TIERS:
        return tier
    if tier not in _USUAL_TIERS:
        losses.add("service_tier", "dropped: Gemini has no such tier")
    return None


def _extensions(own: dict[str, Any]) -> JsonObject:
    """Return the client's fields that only this protocol has."""
    return {
        name: value
        for name, value in own.items()
        if name not in _MERGED and not name.startswith(_CONFIG)
    }
