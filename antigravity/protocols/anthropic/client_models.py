"""Decodes the list of models of an upstream, with their capabilities.

Source: https://platform.claude.com/docs/en/api/models/list
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.capabilities import THINKS, Model, Reported
from antigravity.ir.errors import UpstreamError
from antigravity.protocols import lenient

_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_INPUTS: Final = {"image_input": "image", "pdf_input": "document"}


class _ModelItem(Struct, frozen=True):
    """An entry in a list of models, in Anthropic's format or in OpenAI's."""

    id: str
    display_name: str | None = None
    created_at: str | None = None
    created: int | None = None
    owned_by: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: Any = None


class _ModelList(Struct, frozen=True):
    data: list[_ModelItem]


def decode_models(body: bytes) -> Sequence[Model]:
    """Return the models in a list.

    :raises UpstreamError: if the body is not a list of models.
    """
    try:
        items = lenient.decode(body, _ModelList).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamError(f"The upstream sent no list of models: {error}") from None
    return tuple(
        Model(
            id=item.id,
            display_name=item.display_name or "",
            owned_by=item.owned_by or "anthropic",
            created=item.created or _seconds(item.created_at),
            input_token_limit=item.max_input_tokens,
            output_token_limit=item.max_tokens,
            reported=tuple(_reported(item.capabilities)),
        )
        for item in items
    )


def _reported(capabilities: Any) -> Iterator[Reported]:
    """Yield what ``capabilities`` says; members of another form are ignored."""
    if not isinstance(capabilities, dict):
        return
    yield from _thinking(capabilities.get("thinking"))
    efforts = capabilities.get("effort")
    if isinstance(efforts, dict):
        names = tuple(name for name in _EFFORTS if _supported(efforts.get(name)))
        if names or _supported(efforts) is False:
            yield Reported("efforts", names, "capabilities.effort")
    read = {kind: _supported(capabilities.get(name)) for name, kind in _INPUTS.items()}
    if None not in read.values():
        inputs = tuple(kind for kind, supported in read.items() if supported)
        refused = tuple(kind for kind, supported in read.items() if not supported)
        yield Reported("inputs", inputs, "capabilities.image_input, pdf_input")
        yield Reported("refused_inputs", (*refused, "audio", "video"), "capabilities.image_input")
    schemas = _supported(capabilities.get("structured_outputs"))
    if schemas is not None:
        yield Reported("structured_output", schemas, "capabilities.structured_outputs")
    tools = capabilities.get("server_tools")
    search = _supported(tools.get("web_search")) if isinstance(tools, dict) else None
    if search is not None:
        yield Reported("web_search", search, "capabilities.server_tools.web_search")


def _thinking(thinking: Any) -> Iterator[Reported]:
    if _supported(thinking) is False:
        yield Reported(THINKS, False, "capabilities.thinking")
        return
    types = thinking.get("types") if isinstance(thinking, dict) else None
    if not isinstance(types, dict):
        return
    source = "capabilities.thinking.types"
    adaptive, budget = _supported(types.get("adaptive")), _supported(types.get("enabled"))
    if adaptive or budget:
        yield Reported("thinking", "adaptive" if adaptive else "budget", source)
    if budget is False:
        yield Reported("max_budget", 0, source)
    off, between = _supported(types.get("disabled")), _supported(types.get("between_tools"))
    if off is None:
        return
    if off or between:
        yield Reported("thinking_off", "disabled" if off else "between_tools", source)
    yield Reported("min_budget", 0 if off or between else 1, source)


def _supported(capability: Any) -> bool | None:
    """Return whether a capability is supported, ``None`` if that is not known."""
    value = capability.get("supported") if isinstance(capability, dict) else None
    return value if isinstance(value, bool) else None


def _seconds(text: str | None) -> int:
    """Return an RFC 3339 time in seconds since the epoch, 0 if it is missing or not valid."""
    try:
        return max(0, int(datetime.fromisoformat(text or "").timestamp()))
    except (ValueError, OverflowError):
        return 0
