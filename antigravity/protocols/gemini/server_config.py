"""Decodes ``generationConfig`` of a client's request."""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

from msgspec import Struct, UnsetType

from antigravity.ir.request import Effort, ResponseFormat, Sampling, ThinkingConfig
from antigravity.protocols.gemini import schema
from antigravity.protocols.gemini.request_reader import reject, unknown_fields
from antigravity.protocols.gemini_schemas import from_gemini, lower_types

T = TypeVar("T")

#: The values of the enums ``Modality`` and ``ThinkingLevel``, by number.
_MODALITIES: Final = ("", "text", "image", "audio", "video")
_LEVELS: Final = ("", "low", "medium", "high", "minimal")
#: Google's limit.
_MAX_CANDIDATES: Final = 8
_EFFORTS: Final = frozenset({"minimal", "low", "medium", "high", "xhigh", "max"})


class DecodedConfig(Struct):
    """The decoded settings for sampling, limits, thinking and the response format."""

    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    thinking: ThinkingConfig = ThinkingConfig()
    response_format: ResponseFormat = ResponseFormat()
    modalities: tuple[str, ...] = ()
    image_config: dict[str, Any] | None = None
    audio_config: dict[str, Any] | None = None
    extensions: dict[str, Any] = {}


def decode_config(config: schema.GenerationConfig, raw: dict[str, Any], at: str) -> DecodedConfig:
    """Return the configuration in the intermediate representation."""
    rest = unknown_fields(raw, schema.GenerationConfig)
    form = _form(config, raw, rest)
    scalars = {name: _or_none(getattr(config, name)) for name in schema.SAMPLING_FIELDS}
    if scalars["top_k"] is not None:
        scalars["top_k"] = int(scalars["top_k"])
    return DecodedConfig(
        sampling=Sampling(
            **scalars,
            logprobs=_or_none(config.response_logprobs),
            top_logprobs=_or_none(config.logprobs),
            n=_candidates(config, at),
        ),
        stop=tuple(config.stop_sequences or ()),
        max_output_tokens=_or_none(config.max_output_tokens) or None,  # 0 is like none
        thinking=_thinking(config.thinking_config, f"{at}.thinkingConfig"),
        response_format=form,
        modalities=tuple(
            _modality(value, f"{at}.responseModalities")
            for value in config.response_modalities or ()
            if value != "MODALITY_UNSPECIFIED"
        ),
        image_config=_or_none(config.image_config),
        audio_config=_or_none(config.speech_config),
        extensions=rest,
    )


def _candidates(config: schema.GenerationConfig, at: str) -> int:
    count = max(1, config.candidate_count or 1)
    if count > _MAX_CANDIDATES:
        raise reject(f"{at}.candidateCount", f"must be between 1 and {_MAX_CANDIDATES}")
    return count


def _or_none(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


def _form(
    config: schema.GenerationConfig, raw: dict[str, Any], rest: dict[str, Any]
) -> ResponseFormat:
    """Return the response format; formats that only Gemini knows go to ``rest``."""
    mime_type = config.response_mime_type or ""
    if mime_type and mime_type not in ("application/json", "text/plain"):
        for key in ("responseMimeType", "responseSchema", "responseJsonSchema"):
            if key in raw:
                rest[key] = raw[key]
        return ResponseFormat()
    if isinstance(config.response_json_schema, dict):
        return ResponseFormat("schema", schema=lower_types(config.response_json_schema))
    if isinstance(config.response_schema, dict):
        return ResponseFormat("schema", schema=from_gemini(config.response_schema))
    return ResponseFormat("json" if mime_type == "application/json" else "text")


def _thinking(settings: schema.ThinkingSettings | UnsetType, at: str) -> ThinkingConfig:
    if isinstance(settings, UnsetType):
        return ThinkingConfig()
    include = _or_none(settings.include_thoughts)
    effort = _effort(settings.thinking_level, f"{at}.thinkingLevel")
    budget = _or_none(settings.thinking_budget)
    if budget == 0:
        return ThinkingConfig("off", include=include)
    if budget is not None and budget < 0:
        return ThinkingConfig("adaptive", effort=effort, include=include)
    if budget is not None or effort is not None:
        return ThinkingConfig("on", budget, effort, include)
    return ThinkingConfig(include=include)


def _effort(level: str | int | UnsetType, at: str) -> Effort | None:
    if isinstance(level, UnsetType):
        return None
    if isinstance(level, int):
        name = _LEVELS[level] if 0 <= level < len(_LEVELS) else None
    else:
        name = level.lower().removeprefix("thinking_level_")
        name = "" if name == "unspecified" else name
    if name == "":
        return None
    if name not in _EFFORTS:
        raise reject(at, f"{level!r} is not a thinking level. Use MINIMAL, LOW, MEDIUM or HIGH.")
    return cast(Effort, name)


def _modality(value: str | int, at: str) -> str:
    if isinstance(value, str):
        return value.lower().removeprefix("modality_")
    if 0 < value < len(_MODALITIES):
        return _MODALITIES[value]
    raise reject(at, f"{value} is not a modality. Use TEXT, IMAGE or AUDIO.")
