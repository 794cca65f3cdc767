"""Encodes a request as the body of ``streamGenerateContent`` or ``countTokens``.

The order of keys is fixed and contents come last, so that a provider's prompt cache stays
valid from turn to turn.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request
from antigravity.ir.request_features import has_cache_breakpoints, has_citations
from antigravity.protocols.gemini.client_config import encode_config
from antigravity.protocols.gemini.client_contents import encode_contents
from antigravity.protocols.gemini.client_tools import encode_choice, encode_tools
from antigravity.protocols.gemini.image_request import fit_image_request, outputs_images
from antigravity.protocols.gemini.speech_request import with_speaking_style
from antigravity.protocols.instructions import OPENING, with_visible_end
from antigravity.protocols.losses import Losses

#: Extensions that are merged into other fields.
_MERGED: Final = frozenset(
    {"toolConfig", "generationConfig", "functionDeclarations", "googleSearch"}
)


def encode_body(request: Request, target: Target) -> EncodedRequest:
    """Return the body of ``streamGenerateContent``.

    :raises InvalidRequestError: if the target cannot serve the request.
    """
    losses = Losses()
    body = _body(request, target, losses)
    return EncodedRequest(msgspec.json.encode(body), losses.all())


def encode_count_body(request: Request, target: Target) -> EncodedRequest:
    """Return the body of ``countTokens``.

    :raises InvalidRequestError: as :func:`encode_body`.
    """
    losses = Losses()
    body = {"model": f"models/{target.model}", **_body(request, target, losses)}
    return EncodedRequest(msgspec.json.encode({"generateContentRequest": body}), losses.all())


def _body(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    capabilities = target.capabilities
    request = with_visible_end(request, losses)
    if "codeassist" in target.quirks:
        # It rejects the fields for raw JSON Schemas, and hosted tools beside functions.
        capabilities = replace(
            capabilities,
            raw_schema=False,
            web_search_with_tools=False,
            hosted_tools_with_functions=False,
        )
        if outputs_images(capabilities):
            request = fit_image_request(request, losses)
    extensions = request.extensions if request.protocol == "gemini" else {}
    has_tools = bool(request.tools or request.tool_choice or extensions)
    tools = encode_tools(request, capabilities, extensions, losses) if has_tools else []
    contents = encode_contents(request, capabilities, losses)
    _drop_prefill(contents, capabilities, losses)
    texts = [{"text": part.text} for part in request.system if part.text.strip()]
    if not contents and texts:
        contents = [{"role": "user", "parts": [{"text": OPENING}]}]
        losses.add("messages", "a user turn was added: the request had only instructions")
    if not contents:
        raise InvalidRequestError(
            "Every message is empty. Send at least one with content.", param="$.messages"
        )
    if has_cache_breakpoints(request):
        losses.add("cache", "dropped: Gemini caches on its own")
    if has_citations(request):
        losses.add("messages", "citations in the history were left out")
    if request.service_tier not in (None, "auto", "default"):
        losses.add("service_tier", "Gemini has no such setting; it was dropped")
    choice = encode_choice(request, tools, extensions, losses) if has_tools else {}
    body: dict[str, Any] = {
        "systemInstruction": {"role": "user", "parts": texts} if texts else None,
        "tools": tools or None,
        "toolConfig": choice or None,
        "generationConfig": encode_config(request, capabilities, extensions, losses) or None,
    }
    body |= {key: value for key, value in extensions.items() if key not in _MERGED}
    body["contents"] = (
        contents if request.speech is None else with_speaking_style(contents, request.speech)
    )
    return {key: value for key, value in body.items() if value is not None}


def _drop_prefill(
    contents: list[dict[str, Any]], capabilities: Capabilities, losses: Losses
) -> None:
    """Drop the beginning of a response if the model does not continue one."""
    if capabilities.prefill or len(contents) < 2 or contents[-1]["role"] != "model":
        return
    losses.add("messages", "the assistant prefill was dropped: the model does not accept one")
    contents.pop()
