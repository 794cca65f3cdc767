"""Reads the entries of OpenAI's list of models, with what compatible services add to them.

Sources: https://openrouter.ai/docs/models, https://docs.mistral.ai/api/endpoint/models,
https://platform.kimi.ai/docs/api/list-models
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from antigravity.ir.capabilities import REFUSED_FIELDS, THINKS, Reported

_KINDS: Final = {"image": "image", "file": "document", "audio": "audio", "video": "video"}
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
#: Parameters of OpenRouter without which a field of a body is refused.
_FIELDS: Final = ("seed", "parallel_tool_calls", "logit_bias")


def read_limits(entry: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the context window and the output limit of an entry."""
    provider = entry.get("top_provider")
    window = _number(
        entry, "context_length", "context_window", "max_model_len", "max_context_length"
    )
    output = _number(entry, "max_completion_tokens", "max_output_tokens")
    if output is None and isinstance(provider, dict):
        output = _number(provider, "max_completion_tokens")
    return window, output


def read_reported(entry: dict[str, Any]) -> tuple[Reported, ...]:
    """Return what an entry says about a model besides its limits."""
    return (
        *_modalities(entry.get("architecture")),
        *_parameters(entry.get("supported_parameters")),
        *_reasoning(entry.get("reasoning")),
        *_mistral(entry.get("capabilities")),
        *_moonshot(entry),
    )


def _modalities(architecture: Any) -> Iterator[Reported]:
    """Yield what ``architecture`` says (OpenRouter)."""
    if not isinstance(architecture, dict):
        return
    listed = architecture.get("input_modalities")
    if isinstance(listed, list) and "text" in listed:
        found = [kind for name, kind in _KINDS.items() if name in listed]
        yield from _inputs(found, "architecture.input_modalities")


def _inputs(read: Collection[str], source: str) -> Iterator[Reported]:
    refused = tuple(kind for kind in _KINDS.values() if kind not in read)
    yield Reported("inputs", tuple(read), source)
    yield Reported("refused_inputs", refused, source)


def _parameters(parameters: Any) -> Iterator[Reported]:
    """Yield what ``supported_parameters`` says (OpenRouter)."""
    if not isinstance(parameters, list) or not parameters:
        return
    source = "supported_parameters"
    listed = {name for name in parameters if isinstance(name, str)}
    yield Reported("sampling", "temperature" in listed or "top_p" in listed, source)
    yield Reported("penalties", "presence_penalty" in listed, source)
    yield Reported("stop_sequences", "stop" in listed, source)
    yield Reported("logprobs", "logprobs" in listed, source)
    yield Reported("tools", "tools" in listed, source)
    if "tool_choice" not in listed:  # the list does not say which choices there are
        yield Reported("forced_tools", False, source)
    yield Reported("structured_output", "structured_outputs" in listed, source)
    yield Reported(THINKS, "reasoning" in listed, source)
    refused = tuple(f"no_{name}" for name in _FIELDS if name not in listed)
    if refused:
        yield Reported(REFUSED_FIELDS, refused, source)


def _reasoning(reasoning: Any) -> Iterator[Reported]:
    """Yield what ``reasoning`` says (OpenRouter)."""
    if not isinstance(reasoning, dict):
        return
    efforts = reasoning.get("supported_efforts")
    if isinstance(efforts, list):
        names = tuple(name for name in _EFFORTS if name in efforts)
        if names:
            yield Reported("efforts", names, "reasoning.supported_efforts")
    if isinstance(reasoning.get("mandatory"), bool):
        least = 1 if reasoning["mandatory"] else 0
        yield Reported("min_budget", least, "reasoning.mandatory")


def _mistral(capabilities: Any) -> Iterator[Reported]:
    """Yield what ``capabilities`` says (Mistral)."""
    if not isinstance(capabilities, dict):
        return
    for name, field in (("function_calling", "tools"), ("reasoning", THINKS)):
        if isinstance(capabilities.get(name), bool):
            yield Reported(field, capabilities[name], f"capabilities.{name}")
    if capabilities.get("vision") is False:
        refused = ("image", "document", "video")
        yield Reported("refused_inputs", refused, "capabilities.vision")
        yield Reported("inputs", (), "capabilities.vision")


def _moonshot(entry: dict[str, Any]) -> Iterator[Reported]:
    """Yield what the members ``supports_…`` say (Moonshot)."""
    names = {"supports_image_in": "image", "supports_video_in": "video"}
    if all(isinstance(entry.get(name), bool) for name in names):
        yield from _inputs([kind for name, kind in names.items() if entry[name]], "supports_…_in")
    if isinstance(entry.get("supports_reasoning"), bool):
        yield Reported(THINKS, entry["supports_reasoning"], "supports_reasoning")


def _number(entry: dict[str, Any], *names: str) -> int | None:
    """Return the first of the members that is a positive number."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return int(value)
    return None
