"""Encodes the settings of a request: generation, thinking, and the format of the response."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Effort, Request
from antigravity.ir.thinking import EFFORTS, requested_effort
from antigravity.protocols.gemini_interactions.schema import NAME, JsonObject
from antigravity.protocols.losses import Losses

#: The most stop sequences.
MAX_STOP: Final = 5
#: The levels of the protocol, and those of models whose data name none, such as a budget.
_ALL_LEVELS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh")
_LEVELS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high")
_JSON: Final = "application/json"
_IMAGE: Final = {"aspectRatio": "aspect_ratio", "imageSize": "image_size"}
#: Protocols whose clients get no thoughts unless they ask for them.
_NO_THOUGHTS: Final = (NAME, "gemini")


def encode_config(request: Request, capabilities: Capabilities, losses: Losses) -> JsonObject:
    """Return ``generation_config`` without the tool choice; there are no defaults in it."""
    config: JsonObject = {
        **_sampling(request, capabilities, losses),
        "stop_sequences": list(request.stop[:MAX_STOP]) or None,
        "max_output_tokens": _limit(request.max_output_tokens, capabilities, losses),
        **_thinking(request, capabilities, losses),
        "image_config": _image_config(request, losses),
        "speech_config": _speech_config(request, losses),
    }
    if len(request.stop) > MAX_STOP:
        losses.add("stop", f"only the first {MAX_STOP} stop sequences were kept")
    if request.verbosity is not None:
        losses.add("verbosity", "Gemini has no such setting; it was dropped")
    return {name: value for name, value in config.items() if value is not None}


def _sampling(request: Request, capabilities: Capabilities, losses: Losses) -> JsonObject:
    sampling = request.sampling
    for name in ("top_k", "presence_penalty", "frequency_penalty", "logprobs"):
        if getattr(sampling, name):
            losses.add(f"sampling.{name}", "dropped: Interactions have no such setting")
    fields = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    if not capabilities.sampling and any(value is not None for value in fields.values()):
        losses.add("sampling", "the model does not accept sampling parameters; they were dropped")
        return {}
    return fields


def _limit(requested: int | None, capabilities: Capabilities, losses: Losses) -> int | None:
    """Return the output limit, within the model's own."""
    most = capabilities.max_output_tokens
    if requested == 0:
        losses.add("max_output_tokens", "raised to 1, the minimum of the protocol")
        return 1
    if requested is not None and most is not None and requested > most:
        losses.add("max_output_tokens", f"lowered to the model's limit of {most}")
        return most
    return requested


def _thinking(request: Request, capabilities: Capabilities, losses: Losses) -> JsonObject:
    """Return ``thinking_level`` and ``thinking_summaries``."""
    thinking = request.thinking
    effort = requested_effort(thinking)
    if capabilities.thinking == "none":
        if thinking.mode in ("on", "adaptive") and effort != "none":
            losses.add("thinking", "dropped: the model does not think")
        return {}
    accepted = [each for each in _ALL_LEVELS if each in capabilities.efforts] or list(_LEVELS)
    fields: JsonObject = {}
    if effort == "none":
        fields["thinking_level"] = accepted[0]
        losses.add("thinking", f"there is no way to switch it off; {accepted[0]} is the least")
    elif effort is not None:
        nearest = _nearest(effort, accepted)
        fields["thinking_level"] = nearest
        if nearest != effort:
            detail = f"{effort} was replaced by {nearest}, the nearest that the model supports"
            losses.add("thinking.effort", detail)
    if thinking.budget is not None and thinking.budget > 0:
        losses.add("thinking.budget", "sent as a level: Interactions have no budget")
    include = thinking.include
    if include is None and effort != "none" and request.protocol not in _NO_THOUGHTS:
        include = True
    if include is not None:
        fields["thinking_summaries"] = "auto" if include else "none"
    return fields


def _nearest(effort: Effort, accepted: list[Effort]) -> Effort:
    """Return the nearest accepted effort, the higher of two that are equally near."""
    place = EFFORTS.index(effort)
    return min(accepted, key=lambda each: (abs(EFFORTS.index(each) - place), -EFFORTS.index(each)))


def _image_config(request: Request, losses: Losses) -> JsonObject | None:
    """Return the settings of images, which the representation has in Gemini's format."""
    config = request.image_config or {}
    if config.keys() - _IMAGE.keys():
        losses.add("image_config", "dropped but for the aspect ratio and the size")
    return {ours: config[theirs] for theirs, ours in _IMAGE.items() if config.get(theirs)} or None


def _speech_config(request: Request, losses: Losses) -> list[JsonObject] | None:
    """Return the voices, which the representation has in Gemini's format."""
    if request.speech is not None and request.speech.manner:
        losses.add("speech", "the manner of speaking was dropped: there is no field for it")
    config = request.audio_config
    if not config:
        return None
    language = config.get("languageCode")
    shared = {"language": language} if language else {}
    speakers = config.get("multiSpeakerVoiceConfig")
    several = speakers.get("speakerVoiceConfigs") if isinstance(speakers, dict) else None
    if isinstance(several, list):
        return [
            {"speaker": str(each.get("speaker", "")), **_voice(each.get("voiceConfig")), **shared}
            for each in several
            if isinstance(each, dict)
        ]
    found = {**_voice(config.get("voiceConfig")), **shared}
    return [found] if found else None


def _voice(config: Any) -> JsonObject:
    built = config.get("prebuiltVoiceConfig") if isinstance(config, dict) else None
    name = built.get("voiceName") if isinstance(built, dict) else None
    return {"voice": name} if name else {}


def encode_format(request: Request) -> JsonObject | list[JsonObject] | None:
    """Return ``response_format``: one format, a list of several, or ``None`` for plain text."""
    form = request.response_format
    text: JsonObject = {"type": "text"}
    if form.kind != "text":
        text["mime_type"] = _JSON
        if form.kind == "schema" and form.schema is not None:
            text["schema"] = form.schema
    others: list[JsonObject] = [{"type": name} for name in request.modalities if name != "text"]
    if not others:
        return text if form.kind != "text" else None
    if form.kind == "text" and request.modalities and "text" not in request.modalities:
        return others[0] if len(others) == 1 else others
    return [text, *others]
