"""Whole replies: answers, token counts and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from antigravity.ir.call import Call, HttpReply, ReplyContext, TokenCount
from antigravity.ir.capabilities import Capabilities, Model
from antigravity.ir.events import FinishReason
from antigravity.ir.parts import Media, Part, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.response import Choice, Response
from antigravity.ir.signature import Signature
from antigravity.protocols.gemini import finish_reasons, logprobs, signatures, token_counts
from antigravity.protocols.gemini.answer_parts import (
    WirePart,
    call_part,
    media_part,
    shows_thoughts,
    text_part,
    thought_part,
)
from antigravity.protocols.gemini.arguments import json_object
from antigravity.protocols.gemini.grounding import GroundingBuilder
from antigravity.protocols.gemini.reading import refused

#: More models than this never stand on one page, and all of them do if nobody asks for less.
_LARGEST_PAGE: Final = 1000
_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_EMBEDDING_METHODS: Final = ("embedContent",)


def _json(value: dict[str, Any]) -> HttpReply:
    return HttpReply(200, msgspec.json.encode(value))


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a ``GenerateContentResponse``."""
    thoughts = shows_thoughts(context.request)
    return _json(
        {
            "candidates": [
                _candidate(index, choice, thoughts) for index, choice in enumerate(response.choices)
            ],
            "usageMetadata": token_counts.to_wire(response.usage),
            "modelVersion": response.model or context.model,
            "responseId": response.id or context.new_id(""),
        }
    )


def _candidate(index: int, choice: Choice, thoughts: bool) -> dict[str, Any]:
    parts = _Parts(thoughts, choice.finish)
    for part in choice.parts:
        parts.add(part)
    if choice.refusal:
        parts.found.append(text_part(choice.refusal))
    candidate: dict[str, Any] = {
        "content": {"parts": parts.complete(), "role": "model"},
        "finishReason": finish_reasons.to_wire(choice.finish, choice.native_finish),
        "index": index,
    }
    grounding = parts.grounding.build(choice.text)
    if grounding is not None:
        candidate["groundingMetadata"] = grounding
    if choice.logprobs:
        candidate["logprobsResult"] = logprobs.to_wire(choice.logprobs)
    return candidate


class _Parts:
    """Collects the parts of one candidate."""

    def __init__(self, thoughts: bool, finish: FinishReason) -> None:
        self.found: list[WirePart] = []
        self.grounding = GroundingBuilder()
        self._thoughts = thoughts
        self._finish = finish
        self._pending: Signature | None = None

    def add(self, part: Part) -> None:
        """Add what a client sees of one part."""
        match part:
            case Text():
                self.found.append(text_part(part.text, part.signature or self._take()))
                for citation in part.citations:
                    self.grounding.cite(citation)
            case Thinking():
                self._thinking(part)
            case ToolCall():
                cut_off = self._finish == "length" and part.kind == "function"
                if not cut_off or json_object(part.arguments) is not None:
                    signature = part.signature or self._take()
                    self.found.append(
                        call_part(part.id, part.name, part.arguments, part.kind, signature)
                    )
            case Media():
                self.found.append(media_part(part.mime_type, part.source, part.signature))
            case WebSearch():
                self.grounding.search(part)

    def complete(self) -> list[WirePart]:
        """Return the parts, at least one."""
        pending = self._take()
        if pending is not None or not self.found:
            self.found.append(text_part("", pending))
        return self.found

    def _thinking(self, part: Thinking) -> None:
        """Show a thought, or keep only its signature for the part behind it."""
        signature = part.signature
        if part.redacted is not None:
            family = signature.family if signature is not None else "claude"
            signature = signatures.of_redacted(part.redacted, family)
        if self._thoughts:
            self.found.append(thought_part(part.text, signature))
        elif signature is not None and signatures.useful_alone(signature):
            before = self._take()
            if before is not None:
                self.found.append(text_part("", before))
            self._pending = signature

    def _take(self) -> Signature | None:
        pending, self._pending = self._pending, None
        return pending


def encode_count(count: TokenCount) -> HttpReply:
    """Return a ``CountTokensResponse``."""
    cached = {"cachedContentTokenCount": count.cached} if count.cached else {}
    return _json({"totalTokens": count.input_tokens, **cached})


def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
    """Return a page of the list of models.

    :raises InvalidRequestError: if the page's size or token makes no sense.
    """
    size = _number(call, "pageSize", "page_size") or _LARGEST_PAGE
    start = _number(call, "pageToken", "page_token")
    end = start + min(size, _LARGEST_PAGE)
    page: dict[str, Any] = {"models": [model_object(model) for model in models[start:end]]}
    if end < len(models):
        page["nextPageToken"] = str(end)
    return _json(page)


def _number(call: Call, *names: str) -> int:
    """Return the first of some query parameters that is given, as a number, else 0."""
    for name in names:
        value = call.query.get(name)
        if value:
            if not (value.isascii() and value.isdecimal()) or len(value) > 9:
                raise refused(f"$.{names[0]}", f"{value!r} is no number.")
            return int(value)
    return 0


def encode_model(model: Model) -> HttpReply:
    """Return one model."""
    return _json(model_object(model))


def model_object(model: Model) -> dict[str, Any]:
    """Return a ``Model``; its display name is the id, which is what people have to type."""
    capabilities = model.capabilities
    output_limit = model.output_token_limit or capabilities.max_output_tokens
    optional = {
        "description": model.display_name or None,
        "inputTokenLimit": model.input_token_limit or capabilities.context_window,
        "outputTokenLimit": 1 if capabilities.embedding else output_limit,
    }
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": "001",
        "displayName": model.id,
        **{key: value for key, value in optional.items() if value is not None},
        "supportedGenerationMethods": _methods(capabilities),
        "thinking": capabilities.thinking != "none",
    }


def _methods(capabilities: Capabilities) -> tuple[str, ...]:
    """Return what can be asked of a model here; what draws is served as Imagen is, too."""
    if capabilities.embedding:
        return _EMBEDDING_METHODS
    return (*_METHODS, "predict") if "image" in capabilities.outputs else _METHODS
