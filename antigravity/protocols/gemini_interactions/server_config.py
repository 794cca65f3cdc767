"""Decodes the settings of a request: generation, thinking, and the format of the response."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.request import Effort, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.thinking import EFFORTS
from antigravity.protocols.gemini_interactions.schema import (
    GenerationConfig,
    InteractionBody,
    JsonObject,
    refuse,
)
from antigravity.protocols.gemini_schemas import from_gemini

#: The values of ``thinking_summaries``.
_SUMMARIES: Final = ("auto", "none")
#: The types of response formats that are no JSON Schemas.
_FORMATS: Final = ("text", "image", "audio", "video")
#: The members of image settings by their names in Gemini's ``imageConfig``.
_IMAGE: Final = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
_JSON: Final = "application/json"
_PLAIN: Final = (None, "", "text/plain", _JSON)


class OutputFormat(Struct):
    """What the response must be; ``rest`` has formats without a counterpart."""

    text: ResponseFormat = ResponseFormat()
    modalities: tuple[str, ...] = ()
    image_config: JsonObject | None = None
    rest: dict[str, Any] = {}


def decode_sampling(config: GenerationConfig) -> Sampling:
    """Return the sampling parameters."""
    return Sampling(temperature=config.temperature, top_p=config.top_p, seed=config.seed)


def decode_thinking(config: GenerationConfig) -> ThinkingConfig:
    """Return how much to think, and whether summaries of it are requested.

    :raises InvalidRequestError: naming the field at fault.
    """
    include = None
    if config.thinking_summaries is not None:
        name = config.thinking_summaries.lower()
        if name not in _SUMMARIES:
            raise refuse("generation_config.thinking_summaries", name, _SUMMARIES)
        include = name == "auto"
    if config.thinking_level is None:
        return ThinkingConfig(include=include)
    level = config.thinking_level.lower()
    if level not in EFFORTS:
        raise refuse("generation_config.thinking_level", level, EFFORTS)
    if level == "none":
        return ThinkingConfig("off", include=include)
    return ThinkingConfig("on", effort=msgspec.convert(level, Effort), include=include)


def decode_format(wire: InteractionBody) -> OutputFormat:
    """Return the format of the response, in either form of ``response_format``."""
    listed = wire.response_format
    formats = listed if isinstance(listed, list) else [] if listed is None else [listed]
    found = OutputFormat(text=ResponseFormat("json" if _is_json(wire) else "text"))
    kinds: list[str] = []
    for each in formats:
        kind = each.get("type")
        if kind in _FORMATS and not _is_schema(each):
            kinds.append(kind)
        if kind == "image":
            found.image_config = image_config(each)
        elif kind not in ("audio", "video"):
            _set_text(found, each, kind)
    requested = [name.lower() for name in wire.response_modalities or kinds]
    if any(name != "text" for name in requested):
        found.modalities = tuple(dict.fromkeys(requested))
    if wire.response_mime_type not in _PLAIN:
        found.rest["response_mime_type"] = wire.response_mime_type
    return found


def _is_json(wire: InteractionBody) -> bool:
    return wire.response_mime_type == _JSON


def _is_schema(form: JsonObject) -> bool:
    """Return whether a format is itself a JSON Schema, which is the older form."""
    return "properties" in form or "$schema" in form


def _set_text(found: OutputFormat, form: JsonObject, kind: Any) -> None:
    """Set the format of the text."""
    if kind != "text":
        if form:
            found.text = ResponseFormat("schema", schema=from_gemini(form))
        return
    schema, mime_type = form.get("schema"), form.get("mime_type")
    if isinstance(schema, dict):
        found.text = ResponseFormat("schema", schema=from_gemini(schema))
    elif mime_type == _JSON:
        found.text = ResponseFormat("json")
    elif mime_type not in _PLAIN:
        found.rest["response_format.mime_type"] = mime_type


def image_config(wire: JsonObject | None) -> JsonObject | None:
    """Return settings of images in Gemini's format, ``None`` if there are none."""
    found = {theirs: wire[ours] for ours, theirs in _IMAGE.items() if wire and wire.get(ours)}
    return found or None


def speech_config(wire: JsonObject | list[JsonObject] | None) -> JsonObject | None:
    """Return settings of speech in Gemini's format, ``None`` if there are none.

    One voice is for all of the text, several belong to the speakers that it names.
    """
    listed = wire.get("speakers", [wire]) if isinstance(wire, dict) else wire
    speakers = [each for each in listed or () if isinstance(each, dict)]
    if not speakers:
        return None
    languages = [each["language"] for each in speakers if each.get("language")]
    found: JsonObject = {"languageCode": languages[0]} if languages else {}
    if len(speakers) == 1 and not speakers[0].get("speaker"):
        if speakers[0].get("voice"):
            found["voiceConfig"] = _voice(speakers[0])
        return found or None
    found["multiSpeakerVoiceConfig"] = {
        "speakerVoiceConfigs": [
            {"speaker": each.get("speaker", ""), "voiceConfig": _voice(each)} for each in speakers
        ]
    }
    return found


def _voice(speaker: JsonObject) -> JsonObject:
    return {"prebuiltVoiceConfig": {"voiceName": speaker.get("voice", "")}}
