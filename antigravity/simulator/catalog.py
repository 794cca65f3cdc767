"""The fixed lists of models, in each protocol's format; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.validation.anthropic_models import (
    accepts_response_schemas,
    generation,
    max_output,
)
from antigravity.simulator.view import name_set

OPENAI: Final = (
    "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano",
    "gpt-5.1", "gpt-5.1-codex", "gpt-5.4-nano", "o3", "o4-mini", "gpt-image-1", "whisper-1",
    "gpt-4o-transcribe", "gpt-4o-mini-tts", "tts-1",
    "text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002",
)  # fmt: skip
ANTHROPIC: Final = {
    "claude-sonnet-5": "Claude Sonnet 5",
    "claude-opus-4-8": "Claude Opus 4.8",
    "claude-opus-4-6": "Claude Opus 4.6",
    "claude-sonnet-4-6": "Claude Sonnet 4.6",
    "claude-haiku-4-5": "Claude Haiku 4.5",
    "claude-haiku-4-5-20251001": "Claude Haiku 4.5",
    "claude-sonnet-4-5": "Claude Sonnet 4.5",
}
GEMINI: Final = (
    "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-2.5-flash-image",
    "gemini-3-flash", "gemini-3-pro-preview", "gemini-3.1-pro-preview", "gemini-3.5-flash",
    "gemini-3.5-flash-lite", "gemini-3.1-flash-image", "gemini-3-pro-image",
    "imagen-4.0-generate-001", "imagen-4.0-fast-generate-001", "gemini-embedding-001",
    "gemini-embedding-2", "gemini-3.8-flash-tts", "gemini-3.8-flash-lite-tts",
    "gemini-2.5-flash-preview-tts",
)  # fmt: skip
CODE_ASSIST: Final = (
    "gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-flash", "gemini-3-pro-high",
    "gemini-3.1-pro-low", "gemini-pro-agent", "gemini-3-flash-agent", "gemini-3.5-flash-low",
    "gemini-3.1-flash-image", "claude-sonnet-4-6", "claude-opus-4-6-thinking",
)  # fmt: skip
DEPRECATED: Final = {
    "claude-sonnet-4-5": "claude-sonnet-4-6",
    "claude-opus-4-5-thinking": "claude-opus-4-6-thinking",
    "gemini-3-pro-low": "gemini-3.1-pro-low",
}
_CREATED: Final = 1767225600
_LIMITS: Final = {"input": 1_048_576, "output": 65_536}


def openai_model(name: str) -> dict[str, Any]:
    """Return a model as OpenAI lists it."""
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "simulator"}


def openai_list() -> dict[str, Any]:
    """Return OpenAI's list."""
    return {"object": "list", "data": [openai_model(name) for name in OPENAI]}


def anthropic_model(name: str) -> dict[str, Any]:
    """Return a model as Anthropic lists it."""
    return {
        "type": "model",
        "id": name,
        "display_name": ANTHROPIC.get(name, name),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 1_000_000 if generation(name) >= (4, 6) else 200_000,
        "max_tokens": max_output(name),
        "capabilities": _anthropic_capabilities(name),
    }


def _anthropic_capabilities(name: str) -> dict[str, Any]:
    """Return the capabilities of a model as Anthropic lists them."""
    found = generation(name)
    always = "fable" in name or "mythos" in name
    newest = found >= (5, 5) and ("opus" in name or "sonnet" in name)
    efforts = dict.fromkeys(("low", "medium", "high"), found >= (4, 6) or "opus-4-5" in name)
    efforts |= {"max": found >= (4, 6), "xhigh": found >= (4, 7)}
    types = {
        "adaptive": found >= (4, 6),
        "enabled": (3, 7) <= found < (4, 7),
        "disabled": not always and not newest,
        "between_tools": newest,
    }
    return {
        "thinking": {**_support(found >= (3, 7)), "types": _supports(types)},
        "effort": {**_support(any(efforts.values())), **_supports(efforts)},
        "image_input": _support(True),
        "pdf_input": _support(True),
        "structured_outputs": _support(accepts_response_schemas(name)),
        "server_tools": {**_support(True), "web_search": _support(True)},
        "batch": _support(True),
        "citations": _support(True),
    }


def _supports(values: dict[str, bool]) -> dict[str, Any]:
    return {name: _support(value) for name, value in values.items()}


def _support(value: bool) -> dict[str, bool]:
    return {"supported": value}


def anthropic_list(limit: int, after: str | None) -> dict[str, Any]:
    """Return a page of Anthropic's list."""
    names = list(ANTHROPIC)
    if after in names:
        names = names[names.index(after) + 1 :]
    page = names[:limit]
    return {
        "data": [anthropic_model(name) for name in page],
        "has_more": len(names) > limit,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def gemini_model(name: str) -> dict[str, Any]:
    """Return a model as the Gemini API lists it."""
    words_ = name.replace("-", " ").title()
    if "embedding" in name:
        return {
            "name": f"models/{name}",
            "version": "001",
            "displayName": words_,
            "inputTokenLimit": 8192 if name.endswith("-2") else 2048,
            "outputTokenLimit": 1,
            "supportedGenerationMethods": ["embedContent", "countTokens", "asyncBatchEmbedContent"],
        }
    if name.startswith("imagen-"):
        return {
            "name": f"models/{name}",
            "version": "001",
            "displayName": words_,
            "inputTokenLimit": 480,
            "outputTokenLimit": 8192,
            "supportedGenerationMethods": ["predict"],
        }
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": words_,
        "description": f"Simulated {words_}",
        "inputTokenLimit": _LIMITS["input"],
        "outputTokenLimit": _LIMITS["output"],
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1,
        "maxTemperature": 2,
        "topP": 0.95,
        "topK": 64,
        "thinking": "image" not in name,
    }


def gemini_list(size: int, token: str) -> dict[str, Any]:
    """Return a page of the Gemini API's list."""
    start = int(token) if token.isdigit() else 0
    page = GEMINI[start : start + size]
    result: dict[str, Any] = {"models": [gemini_model(name) for name in page]}
    if start + size < len(GEMINI):
        result["nextPageToken"] = str(start + size)
    return result


def available_models(fraction: float, reset: str) -> dict[str, Any]:
    """Return the body of ``fetchAvailableModels``; an exhausted quota has no fraction."""
    models = {}
    for name in CODE_ASSIST:
        quota: dict[str, Any] = {"resetTime": reset}
        if fraction:
            quota["remainingFraction"] = fraction
        models[name] = {
            "displayName": name.replace("-", " ").title(),
            "quotaInfo": quota,
            "supportsImages": True,
            "supportsThinking": "image" not in name,
            "thinkingBudget": 8192,
            "maxTokens": _LIMITS["input"],
            "maxOutputTokens": _LIMITS["output"],
            "supportedMimeTypes": dict.fromkeys(
                sorted(name_set("image/png image/jpeg image/webp application/pdf text/plain")), True
            ),
        }
    return {
        "models": models,
        "deprecatedModelIds": {old: {"newModelId": new} for old, new in DEPRECATED.items()},
    }


def quota_summary(fraction: float, five_hours: str, week: str) -> dict[str, Any]:
    """Return the body of ``retrieveUserQuotaSummary``."""
    buckets = [
        {"window": "5h", "remainingFraction": fraction, "resetTime": five_hours},
        {"window": "weekly", "remainingFraction": (fraction + 1) / 2, "resetTime": week},
    ]
    groups = {"claude": [], "gemini": []}  # type: dict[str, list[str]]
    for name in CODE_ASSIST:
        groups[name.partition("-")[0]].append(name)
    return {
        "groups": [
            {"groupName": name, "modelIds": models, "buckets": buckets}
            for name, models in groups.items()
        ]
    }
